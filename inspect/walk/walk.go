// Package walk walks a filesystem tree once, in parallel, and opens the files that are
// wanted by name.
//
// It lists directories with getdents64 and trusts the types of the entries, so an
// unwanted file costs no system call and no memory. Every directory and file is opened
// relative to its parent without following links, so nothing outside the tree is
// reached even if the tree is changed at the same time. Trees that are deeper than the
// limits on open files or path length are still walked completely.
package walk

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"assay/inspect/inventory"
	"assay/inspect/rootfs"

	"golang.org/x/sys/unix"
)

const (
	// maxPending is how many children of a directory may be pending before reading it
	// pauses until they are done.
	maxPending = 1024
	// maxOpen is how many directories are kept open for their children. Beyond it,
	// children are opened from an anchor: a directory, at every anchorStep levels, that
	// is kept open for everything below it. There are at most maxAnchors of them.
	maxOpen    = 256
	maxAnchors = 256
	anchorStep = 128
	// maxPath is the longest path in an inventory. No program can use a longer one, and
	// many of them would fill the memory.
	maxPath = 64 << 10
)

// Options configure a walk.
type Options struct {
	// Rules say which files are wanted. A Visitor gets the index of the rule.
	Rules []Rule
	// Skip is left out.
	Skip *Skip
	// LeftOut is where links must not lead. It includes Skip. If nil, it is Skip.
	LeftOut *Skip
	// Context reports whether what a rule wants may depend on a folder of this name in
	// the path. Links are followed if their path or target contains such a folder.
	Context func(name string) bool
	// Exclude are files that are left out wherever they are.
	Exclude []rootfs.ID
	// Workers is how many directories are read at once, at least 1.
	Workers int
}

// A Visitor receives what a walk finds, from several goroutines and in no particular
// order. Paths are relative to the root, in the form of inventory.Text.
type Visitor interface {
	// File receives a file that rule wants, and reports whether it contains packages.
	// The walk closes the file afterwards.
	File(rule int, f *rootfs.File) bool
	// Linked is like File for a file that was found through a link. The file's path is
	// then the link's path, or a path through the link; real is its own path. For one
	// file it is called only until packages have been found in it.
	Linked(rule int, f *rootfs.File, real string) bool
	// FileFailed receives a file that rule wants and that could not be opened.
	FileFailed(rule int, path string, err error)
	// DirFailed receives a directory that could not be read completely.
	DirFailed(path string, err error)
	// PathTooLong receives a path that was not checked against the rules, because it is
	// too long or because there are too many links.
	PathTooLong(path string, err error)
}

// Walk walks the tree at root and visits its regular files. It returns an error only if
// ctx ended before the walk did.
//
// Links are followed inside the tree if a rule wants, by the link's path, the file they
// lead to or something in the folder they lead to. If a rule has found packages in a
// file (by device and inode), the file is not given to it again through a link.
func Walk(ctx context.Context, root *rootfs.Root, opts Options, v Visitor) error {
	w := &walker{
		root:    root,
		names:   newNames(opts.Rules, opts.Context),
		links:   links{found: map[read]int{}},
		exclude: make(map[rootfs.ID]bool, len(opts.Exclude)),
		visitor: v,
		pending: newStack(),
	}
	for _, id := range opts.Exclude {
		w.exclude[id] = true
	}
	w.pending.push(&dir{skip: opts.Skip})
	leftOut := opts.LeftOut
	if leftOut == nil {
		leftOut = opts.Skip
	}
	stop := context.AfterFunc(ctx, w.pending.close) // wakes the waiting workers
	defer stop()

	var wg sync.WaitGroup
	for range max(1, opts.Workers) {
		wg.Go(func() { w.work(ctx) })
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		w.abandon()
		return err
	}
	w.follow(ctx, leftOut)
	return ctx.Err()
}

type walker struct {
	root    *rootfs.Root
	names   *names
	exclude map[rootfs.ID]bool
	visitor Visitor
	pending *stack
	links   links
	open    atomic.Int32 // number of open directories
}

// buffers are the buffers of one worker: for directory entries, and for the beginning
// of a file.
type buffers struct{ entries, head []byte }

func newBuffers() buffers {
	return buffers{entries: make([]byte, rootfs.BufSize), head: make([]byte, headSize)}
}

func (w *walker) work(ctx context.Context) {
	buf := newBuffers()
	for ctx.Err() == nil {
		d, ok := w.pending.pop()
		if !ok {
			return
		}
		w.visit(d, buf)
		w.pending.done()
	}
}

// visit reads d, or a part of it, and pushes its children.
func (w *walker) visit(d *dir, buf buffers) {
	if !d.begun {
		if err := w.begin(d); err != nil {
			if !gone(err) || d.parent == nil {
				w.visitor.DirFailed(inventory.Text(d.path()), err)
			}
			return
		}
	}
	var children []*dir
	for {
		entries, err := d.fd.Read(buf.entries)
		if err != nil {
			if !gone(err) {
				w.visitor.DirFailed(inventory.Text(d.path()), err)
			}
			break
		}
		if len(entries) == 0 {
			break
		}
		children = w.entries(d, entries, children, buf)
		if len(children) >= maxPending {
			w.keep(d, children)
			w.pending.push(slices.Insert(children, 0, d)...) // d below its children
			return
		}
	}
	w.keep(d, children)
	w.pending.push(children...)
	w.release(d)
}

// entries opens the wanted files among entries of d and appends its directories to
// children.
func (w *walker) entries(d *dir, entries []byte, children []*dir, buf buffers) []*dir {
	for name, kind := range rootfs.Entries(entries) {
		if kind == unix.DT_UNKNOWN {
			kind = d.fd.Type(string(name))
		}
		switch kind {
		case unix.DT_DIR:
			skip := d.skip.atBytes(name)
			if skip == nil || !skip.out {
				child := newChild(d, string(name), skip)
				child.context = d.context || w.names.context(child.name)
				children = append(children, child)
			}
		case unix.DT_LNK:
			if skip := d.skip.atBytes(name); skip == nil || !skip.out {
				w.link(d, name)
			}
		case unix.DT_REG:
			w.regular(d, name, buf)
		}
	}
	return children
}

// regular opens the regular file name in d if a rule may want it.
func (w *walker) regular(d *dir, name []byte, buf buffers) {
	m := w.names.match(name)
	m.byExt = w.names.near(m.byExt, d)
	named := len(m.byBase) > 0 || len(m.byExt) > 0
	data := m.data || d.data
	if !named && (w.names.programs < 0 || m.bulk && d.bulk || data && d.isTerminal(name)) {
		return
	}
	if skip := d.skip.atBytes(name); skip != nil && skip.out {
		return
	}
	if named {
		w.file(d, string(name), m)
	} else {
		w.program(d, string(name), data, buf)
	}
}

// file gives the file name in d to the rule that wants it, if any.
func (w *walker) file(d *dir, name string, m match) {
	path := d.join(name)
	if d.size+1+len(name) > maxPath {
		// The path is cut, so the rules cannot be asked.
		w.visitor.PathTooLong(inventory.Text(path), errLongPath)
		return
	}
	rule, wanted := w.names.rule(m, path)
	if !wanted {
		return
	}
	f, err := d.fd.OpenListedFile(name, path, w.names.rules[rule].Limit)
	switch {
	case err == nil:
		if !w.exclude[f.ID()] {
			w.links.note(rule, f.ID(), w.visitor.File(rule, f))
		}
		f.Close()
	case !gone(err) && !errors.Is(err, rootfs.ErrNotRegular):
		w.visitor.FileFailed(rule, inventory.Text(path), err)
	}
}

// gone reports whether an entry was removed, or replaced by one of another type, since
// it was listed. It is then not part of the tree.
func gone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR)
}

// begin opens d for reading.
func (w *walker) begin(d *dir) (err error) {
	switch {
	case d.parent == nil:
		d.fd, err = w.root.Dir()
	case d.detached:
		d.fd, err = d.anchor.fd.Descend(d.namesFrom(d.anchor))
	default:
		d.fd, err = d.parent.fd.OpenDir(d.name)
		w.release(d.parent)
	}
	if err != nil {
		w.release(d.anchor)
		return err
	}
	d.begun = true
	d.users.Store(1)
	w.open.Add(1)
	return nil
}

// keep keeps d open until its children are open, unless too many directories are open,
// and sets the anchor of the children.
func (w *walker) keep(d *dir, children []*dir) {
	open, n := w.open.Load(), int32(len(children))
	detached := open >= maxOpen
	anchor := d.anchor
	if anchor == nil || detached && d.depth-anchor.depth >= anchorStep && open < maxOpen+maxAnchors {
		anchor = d
	}
	for _, c := range children {
		c.detached, c.anchor = detached, anchor
	}
	anchor.users.Add(n)
	if !detached {
		d.users.Add(n)
	}
}

// release ends one use of d, which may be nil. The last release closes d and releases
// its anchor.
func (w *walker) release(d *dir) {
	for d != nil && d.users.Add(-1) == 0 {
		d.fd.Close()
		w.open.Add(-1)
		d = d.anchor
	}
}

// abandon closes the directories that are open for pending ones.
func (w *walker) abandon() {
	for _, d := range w.pending.dirs {
		if d.begun {
			w.release(d)
			continue
		}
		if !d.detached {
			w.release(d.parent)
		}
		w.release(d.anchor)
	}
}
