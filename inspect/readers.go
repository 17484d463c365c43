package inspect

import (
	"io"

	"assay/inspect/distro/dpkg"
	"assay/inspect/inventory"
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
	// bases and exts are file names and endings (".jar") that are wanted wherever
	// they are in the tree.
	bases []string
	exts  []string

	limit int64         // bytes of a file that may be read
	gap   inventory.Gap // what is missing when a file could not be read

	// read returns the packages of a file. Those that come with an error are kept.
	read func(f *rootfs.File) ([]inventory.Package, error)
}

// readers is the one list of all formats.
func readers() []reader {
	return []reader{
		{
			files: dpkg.StatusFiles(),
			limit: dpkg.Limit,
			gap:   inventory.GapDatabase,
			read:  stream(dpkg.ReadStatus),
		},
		{
			dirs:  dpkg.StatusDirs(),
			inDir: dpkg.IsStanzaFile,
			limit: dpkg.Limit,
			gap:   inventory.GapDatabase,
			read:  stream(dpkg.ReadStanza),
		},
	}
}

// stream adapts a reader that goes through a file once, from the beginning.
func stream(read func(io.Reader, string) ([]inventory.Package, error)) func(*rootfs.File) ([]inventory.Package, error) {
	return func(f *rootfs.File) ([]inventory.Package, error) {
		return read(f, f.Path())
	}
}
