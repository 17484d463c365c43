package layer

import (
	"context"
	"regexp"
	"slices"
	"strconv"

	"assay/inspect"
	"assay/inspect/inventory"
	"assay/inspect/rootfs"

	"golang.org/x/sys/unix"
)

// maxDatabases is how many bytes of package databases are read to find out which layers
// brought their packages. Beyond it the layers are unknown.
const maxDatabases = 1 << 30

// origins says which layer brought a package. For a package of a package database it is the
// first layer since which the database has had this version of it without interruption. For
// any other package it is the layer that wrote the file in which it was found.
type origins struct {
	path  string
	root  *rootfs.Root
	state []entryState // of the databases
	first map[packageKey]int
	bytes int64
}

// An entryState is different for a file or folder that was modified.
type entryState struct {
	ino  uint64
	size int64
	at   unix.Timespec
}

type packageKey struct{ typ, name, version, arch string }

func keyOf(p *inventory.Package) packageKey { return packageKey{p.Type, p.Name, p.Version, p.Arch} }

func newOrigins(path string) (*origins, error) {
	root, err := rootfs.Open(path)
	if err != nil {
		return nil, err
	}
	return &origins{path: path, root: root}, nil
}

func (o *origins) close() { o.root.Close() }

// add records the packages of the databases after layer i was added, if it has modified a
// database.
func (o *origins) add(ctx context.Context, i int) {
	var state []entryState
	var size int64
	for _, path := range inspect.DatabasePaths() {
		st, err := o.root.Stat(path)
		if err != nil {
			st = unix.Stat_t{}
		}
		state = append(state, entryState{st.Ino, st.Size, st.Mtim})
		size += st.Size
	}
	if slices.Equal(state, o.state) {
		return
	}
	o.state = state
	if o.bytes += size; o.bytes > maxDatabases {
		o.first = nil
		return
	}
	packages, err := inspect.Databases(ctx, o.path)
	if err != nil {
		return // the inventory says so, unless a later layer replaces the database
	}
	first := make(map[packageKey]int, len(packages))
	for k := range packages {
		key := keyOf(&packages[k])
		layer, known := o.first[key]
		if !known {
			layer = i
		}
		first[key] = layer
	}
	o.first = first
}

// name sets the layers of the packages in the tree.
func (o *origins) name(packages []inventory.Package, layers []Layer) {
	for k := range packages {
		p := &packages[k]
		if i := o.of(p, len(layers)); i >= 0 {
			p.Layer = layers[i].DiffID
		}
	}
}

// of returns the index of the layer of a package, or -1.
func (o *origins) of(p *inventory.Package, layers int) int {
	if layers == 1 {
		return 0
	}
	if i, ok := o.first[keyOf(p)]; ok {
		return i
	}
	if slices.Contains(inspect.DatabaseTypes(), p.Type) {
		return -1
	}
	first := -1
	for _, e := range p.Evidence {
		st, err := o.root.Stat(e.Path)
		if err != nil {
			st, err = o.root.Stat(original(e.Path))
		}
		if i := layerOf(&st); err == nil && i < layers && (first < 0 || i < first) {
			first = i
		}
	}
	return first
}

var escaped = regexp.MustCompile(`\\x[0-9a-f]{2}`)

// original returns the path that inventory.Text has escaped.
func original(path string) string {
	return escaped.ReplaceAllStringFunc(path, func(s string) string {
		b, err := strconv.ParseUint(s[2:], 16, 8)
		if err != nil {
			return s
		}
		return string([]byte{byte(b)})
	})
}
