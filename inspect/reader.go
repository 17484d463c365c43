package inspect

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"

	"assay/inspect/elf"
	"assay/inspect/fixture"
	"assay/inspect/inventory"
	"assay/inspect/lang/golang"
	"assay/inspect/lang/java"
	"assay/inspect/lang/rust"
	"assay/inspect/rootfs"
)

// A reader turns the files of one format into packages. Each file that it wants
// is opened once, given to it, and closed when it returns.
type reader struct {
	// files and dirs are fixed paths relative to the root, where a system keeps
	// its database. They are found through links inside the root, as the
	// system's own tools find them. Of each of dirs all files are wanted whose
	// name inDir accepts.
	files []string
	dirs  []string
	inDir func(name string) bool
	// sibling, unless it is empty, is what the path of a second file ends in that
	// belongs to each of files, and is read together with it.
	sibling string
	// journal, unless it is empty, is what the path of a file ends in that, as long as
	// it is not empty, makes each of files another than it is.
	journal string
	// updates, unless it is empty, is the name of a folder beside each of files: the
	// files in it that inDir accepts are read together with it, in the order of their
	// names.
	updates string
	// bases and exts are file names and endings (".jar") that are wanted wherever
	// they are in the tree.
	bases []string
	exts  []string
	// wants, unless it is nil, says of the path of such a file whether it is one.
	wants func(path string) bool
	// context, if not nil, reports whether wants can depend on a folder of this name
	// in the path. One reader of a package is enough to name its folders.
	context func(name string) bool
	// probes are paths below a folder by which wants is asked whether it wants more
	// in one place than in another. One is wanted in any folder, the others in those
	// that inContext tells.
	probes []string
	// programs wants the programs and libraries in the tree, and the executable
	// scripts and archives.
	programs bool

	limit int64               // bytes of a file that may be read
	kind  inventory.ErrorKind // of the scan error when a file could not be read

	// read returns the packages of a file. Each has an evidence, and the path of
	// the first is the file's: that is how the package of the operating system is
	// found which the file belongs to. Those that come with an error are kept.
	// sibling is nil where there is none.
	read func(f, sibling *rootfs.File) ([]inventory.Package, error)
	// updated is read for readers that have updates.
	updated func(f *rootfs.File, updates iter.Seq[*rootfs.File]) ([]inventory.Package, error)
	// contentSets, of readers that have no read, returns the repositories that all
	// packages of rpm came from.
	contentSets func(io.Reader) ([]string, error)
}

// inContext returns a function that reports whether what one of readers wants can
// depend on a folder of this name in the path. The walk follows links to and through
// such folders.
func inContext(readers []reader) func(name string) bool {
	context := []func(string) bool{fixture.InContext}
	for _, r := range readers {
		if r.context != nil {
			context = append(context, r.context)
		}
	}
	return func(name string) bool {
		for _, in := range context {
			if in(name) {
				return true
			}
		}
		return false
	}
}

// maxProgram is how large a program may be; little of it is read.
const maxProgram = 4 << 30

// programReader reads what the toolchains of Go and Rust left in a program, and
// executable jars.
func programReader() func(f, _ *rootfs.File) ([]inventory.Package, error) {
	sections := append(golang.Sections(), rust.Section)
	return func(f, _ *rootfs.File) ([]inventory.Package, error) { return readProgram(f, sections) }
}

func readProgram(f *rootfs.File, sections []string) ([]inventory.Package, error) {
	program, err := elf.Open(f, f.Size(), sections...)
	if errors.Is(err, elf.ErrNotProgram) {
		if !java.Wants(f.Path()) {
			return nil, nil
		}
		return java.ReadExecutable(f, f.Size(), f.Path())
	}
	if err != nil {
		return nil, fmt.Errorf("elf: %w", err)
	}
	packages, err := golang.Read(program, f.Path())
	crates, rustErr := rust.Read(program, f.Path())
	return append(packages, crates...), cmp.Or(err, rustErr)
}

// stream adapts a reader that goes through a file once, from the beginning.
func stream(read func(io.Reader, string) ([]inventory.Package, error)) func(f, _ *rootfs.File) ([]inventory.Package, error) {
	return func(f, _ *rootfs.File) ([]inventory.Package, error) {
		return read(f, f.Path())
	}
}

// archive adapts a reader that reads a file at any place.
func archive(read func(io.ReaderAt, int64, string) ([]inventory.Package, error)) func(f, _ *rootfs.File) ([]inventory.Package, error) {
	return func(f, _ *rootfs.File) ([]inventory.Package, error) {
		return read(f, f.Size(), f.Path())
	}
}
