package walk

import (
	"slices"
	"sync/atomic"

	"assay/inspect/rootfs"
)

// A dir is a directory that was found. It knows its name and its parent and not
// its path, so that a deep tree costs no more than a wide one.
type dir struct {
	parent *dir
	name   string
	depth  int
	size   int // length of its path
	skip   *Skip
	data   bool // what is in it or below is data unless it can be run
	bulk   bool // of data in it is not asked whether it can be run
	// context says that a folder in its path may decide what a rule wants.
	context bool

	// fd is open while users is above zero: one for the reading of the
	// directory, one for each child that is to be opened through it, one for each
	// directory below whose anchor it is.
	fd    rootfs.Dir
	users atomic.Int32
	// begun says that it is open and partly read.
	begun bool
	// detached says that its parent is not kept open for it. It is then opened
	// from its anchor, the directory above it that is; only the top has none.
	detached bool
	anchor   *dir
}

func newChild(parent *dir, name string, skip *Skip) *dir {
	size := len(name)
	if parent.size > 0 {
		size += parent.size + 1
	}
	return &dir{
		parent: parent, name: name, depth: parent.depth + 1, size: size, skip: skip,
		data: parent.data || isDataDir(name),
		bulk: parent.bulk && !isProgramDir(name) || isBulkDir(name),
	}
}

// namesFrom returns the components of the path that leads from above to d.
func (d *dir) namesFrom(above *dir) []string {
	names := make([]string, 0, d.depth-above.depth)
	for ; d != above; d = d.parent {
		names = append(names, d.name)
	}
	slices.Reverse(names)
	return names
}

// path returns its path relative to the root. One longer than maxPath is that
// of its nearest ancestor within, and "/…".
func (d *dir) path() string {
	if d.size <= maxPath {
		return string(d.append(make([]byte, 0, d.size)))
	}
	for d.size > maxPath {
		d = d.parent
	}
	return string(d.append(nil)) + "/…"
}

func (d *dir) append(b []byte) []byte {
	if d.parent == nil {
		return b
	}
	if b = d.parent.append(b); len(b) > 0 {
		b = append(b, '/')
	}
	return append(b, d.name...)
}

// join returns the path of the file name in d.
func (d *dir) join(name string) string {
	if d.size == 0 {
		return name
	}
	return d.path() + "/" + name
}
