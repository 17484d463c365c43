package inspect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"slices"

	"assay/inspect/distro/osrelease"
	"assay/inspect/inventory"
	"assay/inspect/rootfs"
	"assay/inspect/walk"

	"golang.org/x/sys/unix"
)

// fixedPaths reads files at known paths. Unlike the walk, it follows links inside the
// root, as the system's own tools do: /var/lib/dpkg may be a link. It also finds files
// below directories that can be searched but not listed, which is common for users
// other than root.
type fixedPaths struct {
	root      *rootfs.Root
	skip      *walk.Skip // what is left out
	leftOut   *walk.Skip // skip, and paths that links must not lead to
	collector *collector
	seen      map[seen]bool
}

// seen is a file that was passed to a reader.
type seen struct {
	reader int
	path   string
}

// system returns the operating system of the root. It is the zero value if none is
// recognized.
func (x *fixedPaths) system() inventory.System {
	for _, src := range osrelease.Sources() {
		if x.skip.Covers(src.Path) {
			continue
		}
		f, err := x.root.Open(src.Path, osrelease.Limit)
		if err != nil {
			if !rootfs.IsAbsent(err) {
				x.collector.scanError(src.Path, inventory.KindSystem, err)
			}
			continue
		}
		var sys inventory.System
		if x.leftOut.Covers(f.Path()) {
			err = walk.ErrLeftOut
		} else {
			sys, err = src.Parse(f)
		}
		f.Close()
		switch {
		case errors.Is(err, osrelease.ErrStray):
			x.collector.scanError(f.Path(), inventory.KindFile, err)
		case err != nil:
			x.collector.scanError(f.Path(), inventory.KindSystem, err)
		}
		if sys.Known() {
			sys.Path = f.Path()
			return sys
		}
	}
	return inventory.System{}
}

// read passes the files at the fixed paths to the readers.
func (x *fixedPaths) read(ctx context.Context) {
	for i, r := range x.collector.readers {
		for _, path := range r.files {
			if ctx.Err() != nil {
				return
			}
			if x.skip.Covers(path) {
				continue
			}
			f, err := x.root.Open(path, r.limit)
			x.file(i, path, f, err)
		}
		for _, path := range r.dirs {
			if !x.skip.Covers(path) {
				x.dir(ctx, i, path)
			}
		}
	}
}

// dir passes the files in the directory at path to reader i, including those that links
// in it lead to. An entry that is neither a file nor a directory is a scan error: the
// directory lists something that cannot be read.
func (x *fixedPaths) dir(ctx context.Context, i int, path string) {
	r := x.collector.readers[i]
	d, resolved, err := x.root.OpenDir(path)
	if err != nil {
		if !rootfs.IsAbsent(err) {
			x.collector.scanError(path, r.kind, err)
		}
		return
	}
	defer d.Close()
	if x.mounted(path, resolved) {
		return
	}
	if x.leftOut.Covers(resolved) {
		x.collector.scanError(path, r.kind, walk.ErrLeftOut)
		return
	}
	for e, err := range d.Each(nil) {
		if err != nil {
			x.collector.scanError(resolved, r.kind, err)
			return
		}
		if ctx.Err() != nil {
			return
		}
		if e.Type == unix.DT_DIR || !r.inDir(e.Name) {
			continue
		}
		file := resolved + "/" + e.Name
		f, err := x.root.Open(file, r.limit)
		if err != nil {
			x.collector.FileFailed(i, file, err)
			continue
		}
		x.file(i, file, f, nil)
	}
}

// mounted reports whether the builder has mounted something at a fixed path. On a
// system with merged /usr the path is below usr: "lib/apk/db" is "usr/lib/apk/db". A
// mount belongs to the build step and not to the image, whatever path leads to it.
func (x *fixedPaths) mounted(path, resolved string) bool {
	return resolved == "usr/"+path && x.skip.Covers(resolved)
}

// file passes the file that was opened at path to reader i, or records the error. A
// file that two paths lead to is read once.
func (x *fixedPaths) file(i int, path string, f *rootfs.File, err error) {
	if err != nil {
		if !rootfs.IsAbsent(err) || x.broken(path, err) {
			x.collector.FileFailed(i, path, err)
		}
		return
	}
	defer f.Close()
	at := seen{i, f.Path()}
	if x.seen[at] {
		return
	}
	if x.mounted(path, f.Path()) {
		return
	}
	if x.leftOut.Covers(f.Path()) {
		x.collector.FileFailed(i, path, walk.ErrLeftOut)
		return
	}
	x.seen[at] = true
	x.journal(i, f)
	sibling := x.sibling(i, f)
	if sibling != nil {
		defer sibling.Close()
	}
	x.collector.read(i, f, sibling, x.updates(i, f))
}

// broken reports whether a path at which nothing was found is broken: a file is in the
// place of the database's folder, or the file or its folder is a link that leads to
// nothing. A database was expected there, and a database at another path does not
// replace it.
func (x *fixedPaths) broken(file string, err error) bool {
	if errors.Is(err, unix.ENOTDIR) || x.root.IsLink(file) {
		return true
	}
	folder := path.Dir(file)
	if !x.root.IsLink(folder) {
		return false
	}
	_, _, err = x.root.Identify(folder)
	return rootfs.IsAbsent(err)
}

// maxUpdates bounds the number of update files. dpkg itself merges them into its
// database when there are 250.
const maxUpdates = 10_000

// updates yields the files in the updates folder next to f, in the order of their
// names. It closes each file after the loop body.
func (x *fixedPaths) updates(i int, f *rootfs.File) iter.Seq[*rootfs.File] {
	r := x.collector.readers[i]
	return func(yield func(*rootfs.File) bool) {
		if r.updates == "" {
			return
		}
		folder := path.Join(path.Dir(f.Path()), r.updates)
		if x.skip.Covers(folder) {
			return
		}
		d, resolved, err := x.root.OpenDir(folder)
		if err == nil {
			defer d.Close()
			if x.leftOut.Covers(resolved) {
				err = walk.ErrLeftOut
			}
		}
		if err != nil {
			if !rootfs.IsAbsent(err) {
				x.collector.FileFailed(i, folder, err)
			}
			return
		}
		names, err := list(d, r.inDir)
		if err != nil {
			x.collector.FileFailed(i, resolved, err)
		}
		for _, name := range names {
			u, err := x.root.Open(resolved+"/"+name, r.limit)
			if err == nil && x.leftOut.Covers(u.Path()) {
				u.Close()
				err = walk.ErrLeftOut
			}
			if err != nil {
				x.collector.FileFailed(i, resolved+"/"+name, err)
				continue
			}
			more := yield(u)
			u.Close()
			if !more {
				return
			}
		}
	}
}

// list returns the wanted names in a folder in numeric order. If it fails, it returns
// the names before the error.
func list(d rootfs.Dir, wanted func(string) bool) (names []string, err error) {
	for e, failed := range d.Each(nil) {
		if failed == nil && len(names) == maxUpdates && wanted(e.Name) {
			failed = fmt.Errorf("more than %d files", maxUpdates)
		}
		if failed != nil {
			err = failed
			break
		}
		if wanted(e.Name) {
			names = append(names, e.Name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
	return names, err
}

var errJournal = errors.New("contains a transaction that has not been rolled back")

// journal records a scan error if an active journal of SQLite is next to f: the content
// of f is then not final, because SQLite rolls the transaction back before it reads the
// database. A journal that begins with zero is finished.
func (x *fixedPaths) journal(i int, f *rootfs.File) {
	r := x.collector.readers[i]
	path := f.Path() + r.journal
	if r.journal == "" || x.skip.Covers(path) {
		return
	}
	journal, err := x.root.Open(path, r.limit)
	if err == nil {
		defer journal.Close()
		first := make([]byte, 1)
		if n, failed := journal.ReadAt(first, 0); n == 1 && first[0] != 0 {
			err = errJournal
		} else if failed != nil && !errors.Is(failed, io.EOF) {
			err = failed
		}
	}
	if err != nil && !rootfs.IsAbsent(err) {
		x.collector.FileFailed(i, path, err)
	}
}

// sibling opens the file that reader i reads together with f. It returns nil if there
// is none.
func (x *fixedPaths) sibling(i int, f *rootfs.File) *rootfs.File {
	r := x.collector.readers[i]
	if r.sibling == "" {
		return nil
	}
	path := f.Path() + r.sibling
	if x.skip.Covers(path) {
		return nil
	}
	sibling, err := x.root.Open(path, r.limit)
	if err == nil && x.leftOut.Covers(sibling.Path()) {
		sibling.Close()
		err = walk.ErrLeftOut
	}
	if err != nil {
		if !rootfs.IsAbsent(err) {
			x.collector.FileFailed(i, path, err)
		}
		return nil
	}
	return sibling
}
