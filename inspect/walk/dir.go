package walk

import (
	"slices"
	"sync/atomic"

	"assay/inspect/rootfs"
)

// A dir is a directory that was found. It stores its name and its parent instead of its
// path, so a deep tree needs no more memory than a wide one.
type dir struct {
	parent *dir
	name   string
	depth  int
	size   int // length of its path
	skip   *Skip
	data   bool // files in it and below it are data unless they are executable
	bulk   bool // data files in it are not checked for being executable
	// context says that what a rule wants may depend on a folder in its path.
	context bool

	// fd is open while users is above zero. The users are the reading of the directory,
	// each child that will be opened through it, and each directory below it whose
	// anchor it is.
	fd    rootfs.Dir
	users atomic.Int32
	// begun says that the directory is open and partly read.
	begun bool
	// detached says that the parent is not kept open for this directory. It is then
	// opened from its anchor, a directory above it that is kept open. Only the root has
	// no anchor.
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

// path returns the path of d relative to the root. If it is longer than maxPath, it is
// cut after the last ancestor that fits, and ends in "/…".
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
