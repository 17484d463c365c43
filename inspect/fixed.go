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

// fixedPaths reads what is wanted at a known path. Unlike the walk it follows
// links, as chroot would, since the system's own tools do: /var/lib/dpkg may be
// a link. And it finds a file below a directory that can be searched and not
// listed, as many can for who is not root.
type fixedPaths struct {
	root      *rootfs.Root
	skip      *walk.Skip // what is left out
	leftOut   *walk.Skip // the same, and where no link may lead
	collector *collector
	seen      map[seen]bool
}

// seen is a file that was given to a reader.
type seen struct {
	reader int
	path   string
}

// system returns the system that the root holds, or none.
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

// read gives every reader the files at its fixed paths.
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

// dir gives reader i the files in the directory at path, and those that links
// in it lead to. An entry that is neither a file nor a directory is a gap: the
// directory says that something is there, and it cannot be read.
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

// mounted reports whether the builder has mounted something at a fixed path, which
// a system with merged /usr has below usr: "lib/apk/db" is "usr/lib/apk/db" there.
// It belongs to the build step and not to the image, whatever name leads to it.
func (x *fixedPaths) mounted(path, resolved string) bool {
	return resolved == "usr/"+path && x.skip.Covers(resolved)
}

// file gives reader i the file that was opened at path, or notes the error. One
// that two paths lead to is read once.
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

// broken reports whether a path of which the error says that nothing is there is
// broken: a file stands where the database's folder belongs, or it or its folder is a
// link that leads to nothing. A database was to be read there, and one at another
// path does not stand for it.
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

// maxUpdates bounds the files of updates; dpkg itself takes them into its database
// when there are 250.
const maxUpdates = 10_000

// updates yields the files in the folder of updates beside f, in the order of their
// names, and closes each after it.
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

// list returns the names in a folder that are wanted, sorted as numbers are. With an
// error come those before it.
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

// journal notes a journal beside f that makes f another than it is: whoever opens the
// database by SQLite has first what was there before. One that begins with zero is
// done with.
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

// sibling opens what reader i reads together with f, or returns nil.
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
