// Package inventory is what an inspection of a filesystem found: the system,
// its packages, and what could not be read. It is the seam between the readers
// of inspect, the wire of remote and the matching of the service, and holds
// data only.
package inventory

import (
	"cmp"
	"slices"
	"strings"
)

// An Inventory is everything assay says about one filesystem tree.
// The same tree gives the same Inventory: Sort has been called, and nothing in
// it depends on a clock, on the host or on the order of directory entries.
type Inventory struct {
	// System is the operating system of the tree; its zero value means that
	// none was recognised.
	System System
	// Packages are sorted by type, name, version, architecture and path, then by
	// all else that can differ.
	Packages []Package
	// ScanErrors names what could not be read, sorted by path. Empty means that
	// the whole tree was read.
	ScanErrors []ScanError
}

// A System is an operating system as its os-release file, in the sense of
// os-release(5), describes it. Values are as in the file, unquoted.
type System struct {
	ID         string   // ID, "debian"; "linux" where a file without ID was found
	IDLike     []string // ID_LIKE, closest first
	VersionID  string   // VERSION_ID, "12"; empty for Debian testing and sid
	Codename   string   // VERSION_CODENAME, "bookworm"
	PrettyName string   // PRETTY_NAME
	CPE        string   // CPE_NAME
	// Repositories are the names of those that its package manager is configured to
	// upgrade from, sorted; NoRepository alone where there is none, and nil where
	// that is unknown.
	Repositories []string
	// Path is the file that said so, relative to the root, without a leading
	// slash and after links were followed.
	Path string
}

// NoRepository in place of the names of repositories says that there is none.
const NoRepository = "none"

// Known reports whether a system was recognised.
func (s System) Known() bool { return s.ID != "" }

// A Package is one installed package.
type Package struct {
	// Type is the purl type: "deb", "apk", "rpm", "pypi", "npm", …
	Type string
	// Name is the name in its own ecosystem's spelling, with the namespace
	// where the ecosystem has one ("@types/node", "org.slf4j:slf4j-api").
	Name string
	// Version is the whole version, with epoch and revision ("1:2.38.1-5").
	Version string
	// Arch is the package's architecture as its database names it, or empty.
	Arch string
	// Source and SourceVersion name the source package. A reader of a format
	// that has source packages fills both, unless its database does not say (Chisel's).
	Source        string
	SourceVersion string
	// Vendor is who built it, as the database says (Maintainer, Vendor, Packager).
	Vendor string
	// Module is the module label of a modular rpm ("nodejs:18:…").
	Module string
	// CPE is the product's CPE where the database carries one.
	CPE string
	// ContentSets are the repositories that a Red Hat image was built from.
	ContentSets []string
	// Hashes are digests of the package's content, as "sha256:…" strings.
	Hashes []string
	// Evidence says where the package was found, sorted by path.
	Evidence []Evidence
	// Owner is the operating system package that the evidence belongs to, nil
	// where there is none or nobody looked.
	Owner *Owner
	// EmbeddedIn is the path of the file that contains this package (a jar
	// within a jar, a module within a program), or empty.
	EmbeddedIn string
}

// Evidence is one place where a package was found.
type Evidence struct {
	Path string // relative to the root, slash separated, no leading slash
	Kind string // the reader that found it: "dpkg", "python", …
}

// An Owner says which operating system package a file belongs to.
type Owner struct {
	Package string // its binary package name; empty where there is one and it is unknown
	Digest  Digest // whether the file is still the one that was installed
}

// A Digest says how a file compares with the digest in its owner's database.
type Digest string

const (
	DigestEqual     Digest = "equal"
	DigestDifferent Digest = "different"
	DigestUnknown   Digest = "unknown"
)

// A ScanError names something that could not be read. The rest of the inventory
// is still valid, and the service decides what the error means for the verdict.
type ScanError struct {
	Path string // relative to the root, no leading slash; "" is the root itself
	Kind ErrorKind
	Err  string // the cause, one line, without the path
}

// An ErrorKind says what kind of thing could not be read.
type ErrorKind string

const (
	// KindDatabase is a package database: without it a pass means nothing.
	KindDatabase ErrorKind = "database"
	// KindSystem is an os-release file.
	KindSystem ErrorKind = "system"
	// KindDirectory is a directory with everything below it.
	KindDirectory ErrorKind = "directory"
	// KindFile is a single file that a reader wanted.
	KindFile ErrorKind = "file"
)

// Sort puts the inventory in its one order.
func (inv *Inventory) Sort() {
	sorted := true
	for i := range inv.Packages {
		if e := inv.Packages[i].Evidence; len(e) > 1 {
			slices.SortFunc(e, func(a, b Evidence) int {
				return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Kind, b.Kind))
			})
		}
		sorted = sorted && (i == 0 || comparePackages(&inv.Packages[i-1], &inv.Packages[i]) <= 0)
	}
	// What came over the wire mostly is; looking takes less than slices.SortFunc,
	// which copies both packages to compare them.
	if !sorted {
		slices.SortFunc(inv.Packages, func(a, b Package) int { return comparePackages(&a, &b) })
	}
	slices.SortFunc(inv.ScanErrors, func(a, b ScanError) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), cmp.Compare(a.Kind, b.Kind), strings.Compare(a.Err, b.Err))
	})
}

func comparePackages(a, b *Package) int {
	// These differ between almost any two; the rest is not looked at then.
	if c := cmp.Or(
		strings.Compare(a.Type, b.Type),
		strings.Compare(a.Name, b.Name),
		strings.Compare(a.Version, b.Version),
	); c != 0 {
		return c
	}
	return cmp.Or(
		strings.Compare(a.Arch, b.Arch),
		strings.Compare(a.path(), b.path()),
		strings.Compare(a.EmbeddedIn, b.EmbeddedIn),
		strings.Compare(a.kind(), b.kind()),
		strings.Compare(a.Source, b.Source),
		strings.Compare(a.SourceVersion, b.SourceVersion),
		strings.Compare(a.Vendor, b.Vendor),
		strings.Compare(a.Module, b.Module),
		strings.Compare(a.CPE, b.CPE),
		slices.Compare(a.ContentSets, b.ContentSets),
		slices.Compare(a.Hashes, b.Hashes),
	)
}

func (p *Package) path() string {
	if len(p.Evidence) == 0 {
		return ""
	}
	return p.Evidence[0].Path
}

func (p *Package) kind() string {
	if len(p.Evidence) == 0 {
		return ""
	}
	return p.Evidence[0].Kind
}
