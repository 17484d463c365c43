package inspect

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"assay/inspect/app/program"
	"assay/inspect/elf"
	"assay/inspect/fixture"
	"assay/inspect/inventory"
	"assay/inspect/lang/golang"
	"assay/inspect/lang/java"
	"assay/inspect/lang/rust"
	"assay/inspect/rootfs"
)

// A reader turns the files of one format into packages. The walk opens each file that
// the reader wants, once, and closes it after the reader returns.
type reader struct {
	// files and dirs are fixed paths relative to the root where a system keeps its
	// database. Links to them are followed inside the root, as the system's own tools
	// do. In each of dirs the reader wants the files whose name inDir accepts.
	files []string
	dirs  []string
	inDir func(name string) bool
	// sibling, if not empty, is the suffix of a second file that belongs to each of
	// files and is read together with it.
	sibling string
	// journal, if not empty, is the suffix of a file that, unless it is empty, means
	// that the content of the file next to it is not final.
	journal string
	// updates, if not empty, is the name of a folder next to each of files. The files
	// in it that inDir accepts are read together with the file, in the order of their
	// names.
	updates string
	// bases and exts are file names and extensions (".jar") that are wanted anywhere in
	// the tree.
	bases []string
	exts  []string
	// folders, if not empty, are the names of folders: a file with one of exts is wanted
	// only if its folder or the one above has such a name.
	folders []string
	// wants, if not nil, reports for the path of such a file whether the reader wants
	// it.
	wants func(path string) bool
	// context, if not nil, reports whether wants can depend on a folder of this name
	// in the path. One reader of a package is enough to name its folders.
	context func(name string) bool
	// probes are paths below a folder. The walk asks wants about them to find out
	// whether the reader wants more files in one folder than in another. One probe is
	// wanted in any folder, the others only in a folder for which context is true.
	probes []string
	// programs wants the programs and libraries in the tree, and executable scripts and
	// archives.
	programs bool

	limit int64               // how many bytes of a file may be read
	kind  inventory.ErrorKind // of the scan error if a file cannot be read

	// read returns the packages of a file. Each package has evidence, and the path of
	// its first evidence is the file's path: package owner uses it to find the
	// operating system package that the file belongs to. Packages that are returned
	// with an error are kept. sibling is nil if there is none.
	read func(f, sibling *rootfs.File) ([]inventory.Package, error)
	// updated replaces read in readers that have updates.
	updated func(f *rootfs.File, updates iter.Seq[*rootfs.File]) ([]inventory.Package, error)
	// contentSets replaces read in readers of content manifests. It returns the
	// repositories that all rpm packages came from.
	contentSets func(io.Reader) ([]string, error)
}

// inContext returns a function that reports whether the wants of any reader can depend
// on a folder of this name in the path. The walk follows links to such folders and
// through them.
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

// maxProgram bounds the size of a program, in bytes. Only a small part of it is read.
const maxProgram = 4 << 30

// programReader reads the data that the Go and Rust toolchains leave in a program, the versions
// of well-known programs, and executable jars.
func programReader() func(f, _ *rootfs.File) ([]inventory.Package, error) {
	sections := slices.Concat(golang.Sections(), program.Sections(), []string{rust.Section})
	return func(f, _ *rootfs.File) ([]inventory.Package, error) { return readProgram(f, sections) }
}

func readProgram(f *rootfs.File, sections []string) ([]inventory.Package, error) {
	opened, err := elf.Open(f, f.Size(), sections...)
	if errors.Is(err, elf.ErrNotProgram) {
		if !java.Wants(f.Path()) {
			return nil, nil
		}
		return java.ReadExecutable(f, f.Size(), f.Path())
	}
	if err != nil {
		return nil, fmt.Errorf("elf: %w", err)
	}
	packages, err := golang.Read(opened, f.Path())
	crates, rustErr := rust.Read(opened, f.Path())
	known, knownErr := program.Read(opened, f.Path())
	return slices.Concat(packages, crates, known), cmp.Or(err, rustErr, knownErr)
}

// stream adapts a reader that reads a file once, from the beginning.
func stream(read func(io.Reader, string) ([]inventory.Package, error)) func(f, _ *rootfs.File) ([]inventory.Package, error) {
	return func(f, _ *rootfs.File) ([]inventory.Package, error) {
		return read(f, f.Path())
	}
}

// archive adapts a reader that reads a file at arbitrary offsets.
func archive(read func(io.ReaderAt, int64, string) ([]inventory.Package, error)) func(f, _ *rootfs.File) ([]inventory.Package, error) {
	return func(f, _ *rootfs.File) ([]inventory.Package, error) {
		return read(f, f.Size(), f.Path())
	}
}
