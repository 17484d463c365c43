// Package walk goes through a filesystem tree once, in parallel, and opens the
// files that are wanted by name.
//
// It lists directories with getdents64 and trusts the type of an entry there,
// so that a file nobody wants costs no system call and no memory. Every
// directory and file is opened relative to its parent without following a link:
// nothing outside the tree is reached, whatever is changed meanwhile. Trees
// deeper than open files last, or than a path may be long, are walked whole.
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
	// maxPending is how many children a directory may have pending before its
	// reading pauses until they are done.
	maxPending = 1024
	// maxOpen is how many directories are kept open for their children. Where
	// that is reached, children are opened from an anchor: a directory every
	// anchorStep levels that is kept open for all below it, of which there are no
	// more than maxAnchors.
	maxOpen    = 256
	maxAnchors = 256
	anchorStep = 128
	// maxPath is the longest path in an inventory: the path of a file beyond it
	// is of no use to any program, and many of them would fill the memory.
	maxPath = 64 << 10
)

// Options say what a walk looks for.
type Options struct {
	// Rules say which files are wanted; a Visitor is told the index.
	Rules []Rule
	// Skip is what is left out.
	Skip *Skip
	// LeftOut is where links do not lead: what Skip has, and more.
	LeftOut *Skip
	// Context reports whether a folder of this name may decide what a rule wants
	// below it. Links are followed where such a one is in their path or target.
	Context func(name string) bool
	// Exclude are files that are left out wherever they are found.
	Exclude []rootfs.ID
	// Workers is how many directories are read at once, at least 1.
	Workers int
}

// A Visitor is told what a walk meets, from several goroutines at once and in
// no order. Paths are relative to the root, as inventory.Text.
type Visitor interface {
	// File gets a file that rule wants, and returns whether there are packages in
	// it. The walk closes it afterwards.
	File(rule int, f *rootfs.File) bool
	// Linked is File for one that a link leads to. Its path is then that of the
	// link, or what leads through one; real is the path that it has itself. It is
	// called for a file only as long as there were no packages in it.
	Linked(rule int, f *rootfs.File, real string) bool
	// FileFailed gets a file that rule wants and that could not be opened.
	FileFailed(rule int, path string, err error)
	// DirFailed gets a directory that could not be read, or not to its end.
	DirFailed(path string, err error)
	// PathTooLong gets what no rule could be asked about, since its path is longer
	// than any program takes, or there are too many of its kind.
	PathTooLong(path string, err error)
}

// Walk goes through the tree at root, of which it visits regular files only. It
// returns an error only when ctx ended before the walk.
//
// Links are followed inside the tree where a rule wants what they lead to by the
// link's path: a file, or what is in a folder. One file (by device and inode) in
// which a rule has found packages is not given to that rule for a link again.
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
	stop := context.AfterFunc(ctx, w.pending.close) // for the workers that wait
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
	open    atomic.Int32 // directories open
}

// buffers are those of one worker: for the entries of directories, and for the
// beginning of a file.
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

// visit reads d, or a part of it, and pushes what is to be read after.
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

// entries opens the wanted files among the entries of d and adds its
// directories to children.
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

// file gives the file name in d to the rule that wants it, if one does.
func (w *walker) file(d *dir, name string, m match) {
	path := d.join(name)
	if d.size+1+len(name) > maxPath {
		// Whether it is wanted there nobody can say, whose path is cut.
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

// gone reports whether an entry was removed or replaced by another kind since
// it was listed: then it is no part of the tree.
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

// keep has d stay open until its children are, unless too many directories are,
// and gives the children their anchor.
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

// release ends one use of d, which may be nil, and with the last one its use of
// its anchor.
func (w *walker) release(d *dir) {
	for d != nil && d.users.Add(-1) == 0 {
		d.fd.Close()
		w.open.Add(-1)
		d = d.anchor
	}
}

// abandon closes what the pending directories hold open.
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
