package inspect

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"assay/inspect/app/wordpress"
	"assay/inspect/inventory"
	"assay/inspect/lang/java"
	"assay/inspect/rootfs"
)

const (
	// maxScanErrors is how many scan errors of one kind are listed; the rest are
	// counted.
	maxScanErrors = 200
	// maxText bounds the path and the cause of a scan error, in bytes.
	maxText = 1 << 10
)

// A collector gathers what the readers find. Several goroutines may use it. Its result
// does not depend on the order of the calls.
type collector struct {
	readers []reader

	mu       sync.Mutex
	packages []inventory.Package
	// real maps the path of a link to the path of the file it leads to, for files that
	// were found through links.
	real map[string]string
	// ids are the IDs of the files with packages that the walk found, by the files' own
	// paths.
	ids map[string]rootfs.ID
	// contentSets are the repositories that rpm packages came from; they may repeat.
	contentSets []string
	// empty are the package databases without an installed package.
	empty      []string
	scanErrors map[inventory.ErrorKind]*scanErrors
}

func newCollector(readers []reader) *collector {
	return &collector{readers: readers, scanErrors: map[inventory.ErrorKind]*scanErrors{}, real: map[string]string{}, ids: map[string]rootfs.ID{}}
}

// File reads a file that the walk has found.
func (c *collector) File(i int, f *rootfs.File) bool {
	found := c.read(i, f, nil, nil)
	if found {
		c.mu.Lock()
		c.identified(f.Path(), f.ID())
		c.mu.Unlock()
	}
	return found
}

// Linked reads a file that a link leads to, and records where the file is.
func (c *collector) Linked(i int, f *rootfs.File, real string) bool {
	found := c.read(i, f, nil, nil)
	if found {
		c.mu.Lock()
		c.real[f.Path()] = real
		c.identified(real, f.ID())
		c.mu.Unlock()
	}
	return found
}

// identified records the ID of the file at path. It ignores paths that contain an
// escape of inventory.Text, because two files may have the same such path. mu is held.
func (c *collector) identified(path string, id rootfs.ID) {
	if !strings.Contains(path, `\x`) {
		c.ids[path] = id
	}
}

// read passes a file to reader i and reports whether it has packages. sibling and
// updates may be nil.
func (c *collector) read(i int, f, sibling *rootfs.File, updates iter.Seq[*rootfs.File]) bool {
	r := c.readers[i]
	var packages []inventory.Package
	var sets []string
	var err error
	switch {
	case r.contentSets != nil:
		sets, err = r.contentSets(f)
	case r.updated != nil:
		packages, err = r.updated(f, updates)
	default:
		packages, err = r.read(f, sibling)
	}
	c.mu.Lock()
	c.packages = append(c.packages, packages...)
	c.contentSets = append(c.contentSets, sets...)
	if err == nil && len(packages) == 0 && r.kind == inventory.KindDatabase {
		c.empty = append(c.empty, f.Path())
	}
	c.mu.Unlock()
	if err != nil {
		c.scanError(f.Path(), r.kind, err)
	}
	return len(packages) > 0
}

// FileFailed records a file that a reader wanted and that could not be opened.
func (c *collector) FileFailed(i int, path string, err error) {
	c.scanError(path, c.readers[i].kind, err)
}

// DirFailed records a directory that could not be read.
func (c *collector) DirFailed(path string, err error) {
	c.scanError(path, inventory.KindDirectory, err)
}

// PathTooLong records a path that could not be checked against the rules. It may be
// anything, including a package database.
func (c *collector) PathTooLong(path string, err error) {
	c.scanError(path, inventory.KindDatabase, err)
}

// listFailed records a list of installed files that could not be read.
func (c *collector) listFailed(path string, err error) {
	c.scanError(path, inventory.KindFile, err)
}

// listsMissing records that the lists of installed files are missing. It is then
// unknown which files belong to the system's packages, so the whole result is in doubt.
func (c *collector) listsMissing(path string, err error) {
	c.scanError(path, inventory.KindDatabase, err)
}

func (c *collector) scanError(path string, kind inventory.ErrorKind, err error) {
	p := inventory.ScanError{
		Path: clip(inventory.Text(path)),
		Kind: kind,
		Err:  clip(oneLine(inventory.Text(err.Error()))),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.scanErrors[kind] == nil {
		c.scanErrors[kind] = &scanErrors{}
	}
	c.scanErrors[kind].add(p)
}

// inventory returns everything that was gathered.
func (c *collector) inventory() Inventory {
	c.emptyDatabases()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.contentSets) > 0 {
		slices.Sort(c.contentSets)
		c.contentSets = slices.Compact(c.contentSets)
		for i := range c.packages {
			if p := &c.packages[i]; p.Type == "rpm" {
				p.ContentSets = c.contentSets
			}
		}
	}
	nameSources(c.packages)
	c.packages = wordpress.Installed(c.packages)
	inv := Inventory{Packages: withoutHeld(merge(c.packages))}
	for kind, e := range c.scanErrors {
		inv.ScanErrors = append(inv.ScanErrors, e.list(kind)...)
	}
	inv.Sort()
	for i := range inv.Packages {
		p := &inv.Packages[i]
		p.Evidence = slices.Compact(p.Evidence)
	}
	return inv
}

// errNoPackages is the error of a database without packages.
var errNoPackages = errors.New("contains no installed package")

// emptyDatabases records a scan error for each empty database if no database has a
// package: a database that exists only to record what is installed should not be empty.
// An empty database next to one with packages is normal.
func (c *collector) emptyDatabases() {
	for _, p := range c.packages {
		if p.Type == "deb" || p.Type == "apk" || p.Type == "rpm" || p.Type == "alpm" {
			return
		}
	}
	for _, path := range c.empty {
		c.scanError(path, inventory.KindDatabase, errNoPackages)
	}
}

// scanErrors are the scan errors of one kind: the first maxScanErrors in sorted order,
// and the total.
type scanErrors struct {
	kept  []inventory.ScanError
	total int
}

func (e *scanErrors) add(p inventory.ScanError) {
	e.total++
	e.kept = append(e.kept, p)
	if len(e.kept) == 2*maxScanErrors {
		e.trim()
	}
}

func (e *scanErrors) trim() {
	inventory.SortFunc(e.kept, func(a, b *inventory.ScanError) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Err, b.Err))
	})
	e.kept = e.kept[:min(len(e.kept), maxScanErrors)]
}

// list returns the scan errors that are kept, and one for the root that counts the
// others.
func (e *scanErrors) list(kind inventory.ErrorKind) []inventory.ScanError {
	e.trim()
	if more := e.total - len(e.kept); more > 0 {
		return append(slices.Clone(e.kept), inventory.ScanError{Kind: kind, Err: fmt.Sprintf("and %d more", more)})
	}
	return e.kept
}

// nameSources fills in source packages that one database does not name and another
// database of the same tree does: an image may have both Chisel's manifest and a
// database of dpkg.
func nameSources(packages []inventory.Package) {
	type key struct{ name, version, arch string }
	unnamed := make(map[key]*inventory.Package)
	for i := range packages {
		if p := &packages[i]; p.Type == "deb" && p.Source == "" {
			unnamed[key{p.Name, p.Version, p.Arch}] = p
		}
	}
	if len(unnamed) == 0 {
		return
	}
	all := slices.Clone(packages) // the loop changes packages
	sorted := make([]*inventory.Package, len(all))
	for i := range all {
		sorted[i] = &all[i]
	}
	slices.SortFunc(sorted, func(a, b *inventory.Package) int {
		return cmp.Or(strings.Compare(a.Source, b.Source), strings.Compare(a.SourceVersion, b.SourceVersion))
	})
	for _, p := range sorted {
		if u := unnamed[key{p.Name, p.Version, p.Arch}]; u != nil && p.Type == "deb" && u.Source == "" {
			u.Source, u.SourceVersion = p.Source, p.SourceVersion
		}
	}
}

// merge combines packages that differ only in their evidence, their vendor or their key. The
// result has the evidence of all of them; it may repeat.
func merge(packages []inventory.Package) []inventory.Package {
	type key struct {
		typ, name, version, arch, source, sourceVersion, module, cpe, embeddedIn string
		contentSets, hashes                                                      string
		owner                                                                    inventory.Owner
	}
	byKey := make(map[key]int, len(packages))
	var merged []inventory.Package
	for _, p := range packages {
		k := key{
			p.Type, p.Name, p.Version, p.Arch, p.Source, p.SourceVersion, p.Module, p.CPE, p.EmbeddedIn,
			strings.Join(p.ContentSets, "\x00"), strings.Join(p.Hashes, "\x00"),
			inventory.Owner{},
		}
		if p.Owner != nil {
			k.owner = *p.Owner
		}
		i, known := byKey[k]
		if !known {
			byKey[k] = len(merged)
			merged = append(merged, p)
			continue
		}
		m := &merged[i]
		m.Vendor = max(m.Vendor, p.Vendor)
		m.SignedBy = max(m.SignedBy, p.SignedBy)
		m.Evidence = append(m.Evidence, p.Evidence...)
	}
	return merged
}

// withoutHeld removes packages that are only in Maven's local repository if the same
// version of the package is also elsewhere in the tree: that one is the application's
// copy, and the one to evaluate.
func withoutHeld(packages []inventory.Package) []inventory.Package {
	type key struct{ name, version string }
	held := map[key]bool{}
	cached := func(p inventory.Package) bool {
		return p.Type == "maven" && !slices.ContainsFunc(p.Evidence, func(e inventory.Evidence) bool { return !java.InRepository(e.Path) })
	}
	for _, p := range packages {
		if p.Type == "maven" && !cached(p) {
			held[key{p.Name, p.Version}] = true
		}
	}
	return slices.DeleteFunc(packages, func(p inventory.Package) bool { return cached(p) && held[key{p.Name, p.Version}] })
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + "…"
}
