package owner

import (
	"context"
	"crypto/sha256"
	"io"

	"assay/inspect/distro/pacman"
	"assay/inspect/inventory"
)

// pacman gathers the claims of pacman's packages. Each has lists of its own, of which the one
// with digests is read if it is there.
func (j *join) pacman(ctx context.Context, packages []inventory.Package) {
	var installed []inventory.Package
	for _, p := range packages {
		if len(p.Evidence) > 0 && p.Evidence[0].Kind == pacman.Kind {
			installed = append(installed, p)
		}
	}
	each(ctx, j.Workers, len(installed), func() struct{} { return struct{}{} }, func(i int, _ struct{}) {
		p := installed[i]
		mtree, files := pacman.Lists(p.Evidence[0].Path)
		read := j.list(mtree, func(r io.Reader) error {
			return pacman.ReadMtree(r, func(path []byte, value [sha256.Size]byte) {
				if a := j.find(path); a != nil {
					j.claim(a, p.Name, sum{sha256.New, value[:]})
				}
			})
		})
		if !read {
			j.list(files, func(r io.Reader) error {
				return pacman.ReadFiles(r, func(path []byte) {
					if a := j.find(path); a != nil {
						j.claim(a, p.Name, nil)
					}
				})
			})
		}
	})
}

// list reads a list, and reports whether there was one that could be read.
func (j *join) list(path string, read func(io.Reader) error) bool {
	f := j.open(path, pacman.FilesLimit)
	if f == nil {
		return false
	}
	defer f.Close()
	if err := read(f); err != nil {
		j.Failed(f.Path(), err)
		return false
	}
	return true
}
