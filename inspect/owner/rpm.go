package owner

import (
	"context"
	"iter"

	"assay/inspect/distro/apk"
	"assay/inspect/distro/rpm"
	"assay/inspect/distro/rpm/header"
	"assay/inspect/inventory"
	"assay/inspect/rootfs"
)

// rpm gathers the claims of rpm's packages from its database, in any format.
func (j *join) rpm(ctx context.Context) {
	j.databases(rpm.BDBFiles(), rpm.Limit, func(f *rootfs.File) {
		j.headers(ctx, f.Path(), rpm.BDB(f, f.Size()))
	})
	j.databases(rpm.NDBFiles(), rpm.Limit, func(f *rootfs.File) {
		j.headers(ctx, f.Path(), rpm.NDB(f, f.Size()))
	})
	j.databases(rpm.SQLiteFiles(), rpm.Limit, func(f *rootfs.File) {
		wal := j.open(f.Path()+rpm.WAL, rpm.Limit)
		if wal != nil {
			defer wal.Close()
		}
		log, size := wal.Content()
		j.headers(ctx, f.Path(), rpm.SQLite(f, f.Size(), log, size))
	})
}

// apk gathers the claims of apk's packages.
func (j *join) apk() {
	j.databases(apk.InstalledFiles(), apk.Limit, func(f *rootfs.File) {
		// The package reader has already reported the error.
		_ = apk.ReadFiles(f, func(file apk.File) {
			a := j.find(file.Path)
			switch {
			case a == nil:
			case file.Digest.Known():
				j.claim(a, file.Package, file.Digest)
			default:
				j.claim(a, file.Package, nil)
			}
		})
	})
}

// databases calls read for each database at one of paths.
func (j *join) databases(paths []string, limit int64, read func(*rootfs.File)) {
	for _, path := range paths {
		if f := j.open(path, limit); f != nil {
			read(f)
			f.Close()
		}
	}
}

// headers reads the files of the packages in the database at path. It ignores invalid
// headers, which the package reader has already reported.
func (j *join) headers(ctx context.Context, path string, headers iter.Seq2[*header.Header, error]) {
	for h, err := range headers {
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			continue
		}
		name, err := h.String(header.Name)
		if err != nil {
			continue
		}
		if err := j.header(inventory.Text(name), h); err != nil {
			j.Failed(path, err)
		}
	}
}

func (j *join) header(pkg string, h *header.Header) error {
	var path []byte
	for file, err := range h.Files() {
		if err != nil {
			return err
		}
		path = append(append(path[:0], file.Dir...), file.Base...)
		if len(path) == 0 || path[0] != '/' {
			continue
		}
		if a := j.find(path[1:]); a != nil {
			j.claim(a, pkg, parseSum(file.Digest))
		}
	}
	return nil
}
