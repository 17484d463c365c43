// Package inventory describes what an inspection of a filesystem found: the system, its
// packages, and what could not be read. The readers of inspect, the wire format of
// remote and the matching of the service share these types. The package contains data
// only.
package inventory

import (
	"cmp"
	"slices"
	"strings"
)

// An Inventory is everything that assay reports about one filesystem tree. The same
// tree gives the same Inventory: Sort has been called, and nothing in it depends on a
// clock, on the host or on the order of directory entries.
type Inventory struct {
	// System is the operating system of the tree. It is the zero value if none was
	// recognized.
	System System
	// Packages are sorted by type, name, version, architecture and path, then by the
	// other fields.
	Packages []Package
	// ScanErrors names what could not be read, sorted by path. Empty means that
	// the whole tree was read.
	ScanErrors []ScanError
}

// A System is an operating system as described by its os-release file; see
// os-release(5). Values are as in the file, without quotes.
type System struct {
	ID         string   // ID, "debian"; "linux" if the file has no ID
	IDLike     []string // ID_LIKE, closest first
	VersionID  string   // VERSION_ID, "12"; empty for Debian testing and sid
	Codename   string   // VERSION_CODENAME, "bookworm"
	PrettyName string   // PRETTY_NAME
	CPE        string   // CPE_NAME
	// Repositories are the names of the repositories that the package manager is
	// configured to upgrade from, sorted. It is NoRepository alone if there are none,
	// and nil if they are unknown.
	Repositories []string
	// Path is the file that the system was read from, relative to the root, without a
	// leading slash and without links.
	Path string
}

// NoRepository means that no repository is configured.
const NoRepository = "none"

// Known reports whether a system was recognized.
func (s System) Known() bool { return s.ID != "" }

// A Package is one installed package.
type Package struct {
	// Type is the purl type: "deb", "apk", "rpm", "pypi", "npm", …
	Type string
	// Name is the name as its ecosystem spells it, with the namespace if the ecosystem
	// has one ("@types/node", "org.slf4j:slf4j-api").
	Name string
	// Version is the full version, with epoch and revision ("1:2.38.1-5").
	Version string
	// Arch is the package's architecture as its database names it, or empty.
	Arch string
	// Source and SourceVersion name the source package. Readers of formats with source
	// packages set both, unless the database does not name them (Chisel's).
	Source        string
	SourceVersion string
	// Vendor is who built the package, according to the database (Maintainer, Vendor,
	// Packager).
	Vendor string
	// SignedBy is the ID of the key that signed the package, 16 hexadecimal digits, or empty.
	// rpm records it.
	SignedBy string
	// Module is the module label of a modular rpm ("nodejs:18:…").
	Module string
	// CPE is the product's CPE if the database has one.
	CPE string
	// ContentSets are the repositories that a Red Hat image was built from, and the CPEs of
	// the products that it is of ("cpe:/a:redhat:openshift:4.12::el8").
	ContentSets []string
	// Hashes are digests of the package's content, as "sha256:…" strings.
	Hashes []string
	// Evidence says where the package was found, sorted by path.
	Evidence []Evidence
	// Owner is the operating system package that the evidence belongs to. It is nil if
	// there is none or if it was not looked up.
	Owner *Owner
	// Held says that the package manager was told not to upgrade the package.
	Held bool
	// EmbeddedIn is the path of the file that contains this package (a jar
	// within a jar, a module within a program), or empty.
	EmbeddedIn string
	// Layer is the DiffID of the layer of the image that brought the package, such as
	// "sha256:…". It is empty if the tree was not made from layers, or if the layer is
	// unknown.
	Layer string
	// Linked says which parts of the package are in the program that EmbeddedIn names.
	Linked Linked
}

// Evidence is a place where a package was found.
type Evidence struct {
	Path string // relative to the root, slash separated, no leading slash
	Kind string // the reader that found it: "dpkg", "python", …
}

// An Owner says which operating system package a file belongs to.
type Owner struct {
	Package string // its binary package name; empty if it is unknown which package
	Digest  Digest // whether the file is as it was installed
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

// Sort sorts the inventory.
func (inv *Inventory) Sort() {
	for i := range inv.Packages {
		if e := inv.Packages[i].Evidence; len(e) > 1 {
			SortFunc(e, func(a, b *Evidence) int {
				return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Kind, b.Kind))
			})
		}
	}
	SortFunc(inv.Packages, comparePackages)
	SortFunc(inv.ScanErrors, func(a, b *ScanError) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), cmp.Compare(a.Kind, b.Kind), strings.Compare(a.Err, b.Err))
	})
}

func comparePackages(a, b *Package) int {
	// Almost any two packages differ in these fields.
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
		strings.Compare(a.SignedBy, b.SignedBy),
		strings.Compare(a.Module, b.Module),
		strings.Compare(a.CPE, b.CPE),
		slices.Compare(a.ContentSets, b.ContentSets),
		slices.Compare(a.Hashes, b.Hashes),
		cmp.Compare(a.Linked, b.Linked),
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
