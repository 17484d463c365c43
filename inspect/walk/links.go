package walk

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"

	"assay/inspect/inventory"
	"assay/inspect/rootfs"

	"golang.org/x/sys/unix"
)

const (
	// maxLinks is how many links of one tree are followed. Installations made of links
	// (pnpm, uv) have tens of thousands.
	maxLinks = 200_000
	// maxLinkText bounds the total length of their paths.
	maxLinkText = 64 << 20
	// maxFound is how many different paths of one file are tried while no packages are
	// found in it.
	maxFound = 16
)

// ErrLeftOut says that a link leads to a path that is left out: one that is not
// part of the image or may hold a secret.
var ErrLeftOut = errors.New("leads to a path that is not scanned")

var (
	errLinks    = fmt.Errorf("more than %d links, or more than %d bytes of link paths", maxLinks, maxLinkText)
	errNames    = fmt.Errorf("file has more than %d names", maxFound)
	errLongPath = fmt.Errorf("path longer than %d bytes", maxPath)
)

// A link is a symbolic link that leads to something a rule may want.
type link struct {
	path string // of the link, as rules see it
	real string // of the link, without links in its folder
}

// links collects the links that the walk finds. They are followed after the walk, when
// it is known which files have been read by their own names.
type links struct {
	mu   sync.Mutex
	all  []link
	size int
	over bool
	// found counts how often a file was given to a rule; -1 means that packages were
	// found in it.
	found map[read]int
}

// A read identifies a file that was given to a rule.
type read struct {
	rule int
	id   rootfs.ID
}

func (l *links) add(at link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) >= maxLinks || l.size > maxLinkText {
		l.over = true
		return
	}
	l.size += len(at.path) + len(at.real)
	l.all = append(l.all, at)
}

func (l *links) note(rule int, id rootfs.ID, packages bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := read{rule, id}
	switch {
	case packages:
		l.found[at] = -1
	case l.found[at] >= 0:
		l.found[at]++
	}
}

// link collects the link name in d if it may lead to something that a rule wants and
// that the walk itself does not find. It is called for every link of the tree.
func (w *walker) link(d *dir, entry []byte) {
	m := w.names.match(entry)
	named := len(m.byBase) > 0 || len(m.byExt) > 0
	if !named && !d.context && (m.data || isLibrary(entry)) {
		return // leads to a file, like nine in ten links
	}
	name := string(entry)
	if d.size+1+len(name) > maxPath {
		if named {
			w.visitor.PathTooLong(inventory.Text(d.join(name)), errLongPath)
		}
		return
	}
	var file string
	if named {
		file = d.join(name)
		if _, wanted := w.names.rule(m, file); wanted {
			w.links.add(link{file, file})
			return
		}
	}
	context := d.context || w.names.context(name)
	target, err := d.fd.Readlink(name)
	if err != nil || !context && !w.inContext(target) {
		return // gone, or leads to what the walk itself finds
	}
	file = d.join(name)
	lexical := path.Join("/", path.Dir(file), target)
	if path.IsAbs(target) {
		lexical = path.Clean(target)
	}
	if w.names.more(file, lexical[1:]) != 0 {
		w.links.add(link{file, file})
	}
}

// isLibrary reports whether a link of this name leads to a shared library.
func isLibrary(name []byte) bool {
	return bytes.HasSuffix(name, []byte(".so")) || bytes.Contains(name, []byte(".so."))
}

// inContext reports whether what a rule wants may depend on a folder in path.
func (w *walker) inContext(path string) bool {
	for name := range strings.SplitSeq(path, "/") {
		if w.names.context(name) {
			return true
		}
	}
	return false
}

// more returns the probes that a rule wants in the folder file but not in the folder
// real. The result is a set of bits over the probes of all rules.
func (n *names) more(file, real string) uint64 {
	if file == real {
		return 0
	}
	var set uint64
	bit := uint64(1)
	for i := range n.rules {
		r := &n.rules[i]
		for _, probe := range r.Probes {
			if wants := r.Wants; wants != nil && wants(join(file, probe)) && !wants(join(real, probe)) {
				set |= bit
			}
			bit <<= 1
		}
	}
	return set
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// follow reads the targets of the links that the walk collected.
func (w *walker) follow(ctx context.Context, skip *Skip) {
	if len(w.links.all) == 0 {
		return
	}
	f := follower{walker: w, skip: skip, visited: map[visit]bool{}, buf: make([]byte, rootfs.BufSize)}
	inventory.SortFunc(w.links.all, func(a, b *link) int { return strings.Compare(a.path, b.path) })
	for _, at := range w.links.all {
		f.pending = append(f.pending, at)
		for len(f.pending) > 0 && ctx.Err() == nil {
			next := f.pending[len(f.pending)-1]
			f.pending = f.pending[:len(f.pending)-1]
			f.link(next)
		}
	}
	if w.links.over {
		w.visitor.PathTooLong("", errLinks)
	}
}

// A follower follows links one at a time, in sorted order, so the result does not
// depend on the order in which they were found.
type follower struct {
	*walker
	skip    *Skip
	visited map[visit]bool
	pending []link
	buf     []byte
	links   int // number of links and files in the folders visited
}

// A visit identifies a folder, and which probes are wanted in it but not at its own
// path.
type visit struct {
	id   rootfs.ID
	more uint64
}

// link reads the target of a link: a file that a rule wants, or a folder.
func (f *follower) link(at link) {
	m := f.names.match([]byte(path.Base(at.path)))
	rule, wanted := f.names.rule(m, at.path)
	id, kind, err := f.root.Identify(at.real)
	switch {
	case err != nil && gone(err):
	case err != nil && wanted:
		f.visitor.FileFailed(rule, inventory.Text(at.path), err)
	case err != nil:
		f.visitor.DirFailed(inventory.Text(at.path), err)
	case kind == unix.S_IFREG && wanted:
		f.file(at, rule, id)
	case kind == unix.S_IFDIR:
		f.dir(at)
	}
}

// file gives the target of a link to a rule, unless the rule has already found packages
// in it.
func (f *follower) file(at link, rule int, id rootfs.ID) {
	// No lock is needed: the walk has ended.
	switch n := f.walker.links.found[read{rule, id}]; {
	case n < 0 || f.exclude[id]:
		return
	case n >= maxFound:
		f.visitor.FileFailed(rule, inventory.Text(at.path), errNames)
		return
	}
	file, err := f.root.Open(at.real, f.names.rules[rule].Limit)
	if err != nil {
		if !gone(err) && !errors.Is(err, rootfs.ErrNotRegular) {
			f.visitor.FileFailed(rule, inventory.Text(at.path), err)
		}
		return
	}
	defer file.Close()
	if f.skip.Covers(file.Path()) {
		f.visitor.FileFailed(rule, inventory.Text(at.path), ErrLeftOut)
		return
	}
	f.give(rule, file, at.path)
}

// give gives a file to a rule under the path as.
func (f *follower) give(rule int, file *rootfs.File, as string) {
	real := file.Path()
	file.As(as)
	f.walker.links.note(rule, file.ID(), f.visitor.Linked(rule, file, real))
}

// dir reads the folder that a link leads to if rules want more in it under the link's
// path than under its own.
func (f *follower) dir(at link) {
	d, real, err := f.root.OpenDir(at.real)
	if err != nil {
		if !gone(err) {
			f.visitor.DirFailed(inventory.Text(at.path), err)
		}
		return
	}
	defer d.Close()
	more := f.names.more(at.path, real)
	if more == 0 {
		return
	}
	if f.skip.Covers(real) {
		f.visitor.DirFailed(inventory.Text(at.path), ErrLeftOut)
		return
	}
	id, err := d.ID()
	if err != nil || f.visited[visit{id, more}] {
		return
	}
	f.visited[visit{id, more}] = true
	var below []link
	for e, err := range d.Each(f.buf) {
		if err != nil {
			break // the walk has reported it
		}
		if e.Type == unix.DT_UNKNOWN {
			e.Type = d.Type(e.Name)
		}
		if l := (link{at.path + "/" + e.Name, join(real, e.Name)}); f.wanted(l, e.Type) {
			below = append(below, l)
		}
	}
	inventory.SortFunc(below, func(a, b *link) int { return cmp.Compare(b.path, a.path) }) // the first on top
	if f.links += len(below); f.links > maxLinks {
		f.walker.links.over = true
		return
	}
	f.pending = append(f.pending, below...)
}

// wanted reports whether an entry of a folder that a link leads to must be followed
// under the link's path.
func (f *follower) wanted(l link, kind uint8) bool {
	if f.skip.Covers(l.real) {
		return false
	}
	if len(l.path) > maxPath {
		f.visitor.PathTooLong(inventory.Text(l.path), errLongPath)
		return false
	}
	switch kind {
	case unix.DT_DIR:
		return f.names.more(l.path, l.real) != 0
	case unix.DT_LNK:
		return true
	case unix.DT_REG:
		name := []byte(path.Base(l.path))
		rule, wanted := f.names.rule(f.names.match(name), l.path)
		own, read := f.names.rule(f.names.match(name), l.real)
		return wanted && !(read && own == rule)
	}
	return false
}
