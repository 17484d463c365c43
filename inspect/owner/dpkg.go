package owner

import (
	"context"
	"crypto/md5"
	"errors"
	"io"
	"maps"
	"slices"

	"assay/inspect/distro/dpkg"
	"assay/inspect/rootfs"

	"golang.org/x/sys/unix"
)

// dpkg gathers the claims of dpkg's packages, and reports whether their lists are
// missing.
func (j *join) dpkg(ctx context.Context) (unlisted bool) {
	d := dpkgJoin{join: j, diversions: j.diversions()}
	for i, dir := range dpkg.InfoDirs() {
		lists := j.dir(ctx, dir, isList, d.list)
		if lists > 0 || ctx.Err() != nil || j.Skip.Covers(dir) || !j.listed(dpkg.StatusFiles()[i]) {
			continue
		}
		unlisted = true
		if slices.ContainsFunc(slices.Collect(maps.Keys(j.anchors)), dpkg.MayInstall) {
			j.Missing(dir, errUnlisted)
		}
	}
	for _, dir := range dpkg.StatusDirs() {
		j.dir(ctx, dir, isDigests, d.digests)
	}
	return unlisted
}

var errUnlisted = errors.New("no lists of installed files: it is unknown which files belong to the system's packages")

// listed reports whether the status file at path was written by dpkg, which then also
// writes lists of files.
func (j *join) listed(path string) bool {
	f := j.open(path, dpkg.Limit)
	if f == nil {
		return false
	}
	defer f.Close()
	return dpkg.HasInstalled(f)
}

// diversions returns dpkg's diversions by the path that they divert from.
func (j *join) diversions() map[string]dpkg.Diversion {
	byFrom := map[string]dpkg.Diversion{}
	for _, path := range dpkg.DiversionsFiles() {
		f := j.open(path, dpkg.DiversionsLimit)
		if f == nil {
			continue
		}
		diversions, err := dpkg.ReadDiversions(f)
		f.Close()
		if err != nil {
			j.Failed(f.Path(), err)
		}
		for _, d := range diversions {
			byFrom[d.From] = d
		}
	}
	return byFrom
}

func isList(name string) bool {
	_, _, ok := dpkg.ListOf(name)
	return ok
}

func isDigests(name string) bool {
	_, ok := dpkg.StanzaOf(name)
	return ok
}

// dir calls read for each wanted file in the directory at path, if it exists, and
// returns their number.
func (j *join) dir(ctx context.Context, path string, wanted func(string) bool, read func(in folder, name string, lists *dpkg.FileLists)) int {
	if j.Skip.Covers(path) {
		return 0
	}
	d, resolved, err := j.Root.OpenDir(path)
	if err != nil || j.Skip.Covers(resolved) {
		if err == nil {
			d.Close()
		} else if !rootfs.IsAbsent(err) {
			j.Failed(path, err)
		}
		return 0
	}
	defer d.Close()
	var names []string
	for e, err := range d.Each(nil) {
		if err != nil {
			j.Failed(resolved, err)
			break
		}
		if e.Type == unix.DT_UNKNOWN {
			e.Type = d.Type(e.Name)
		}
		if e.Type == unix.DT_REG && wanted(e.Name) {
			names = append(names, e.Name)
		}
	}
	slices.Sort(names)
	each(ctx, j.Workers, len(names), dpkg.NewFileLists, func(i int, lists *dpkg.FileLists) {
		read(folder{d, resolved}, names[i], lists)
	})
	return len(names)
}

// A folder is an open directory and its path.
type folder struct {
	dir  rootfs.Dir
	path string
}

// open opens a regular file in the folder.
func (d folder) open(name string) (*rootfs.File, error) {
	return d.dir.OpenListedFile(name, d.path+"/"+name, dpkg.FilesLimit)
}

type dpkgJoin struct {
	*join
	diversions map[string]dpkg.Diversion
}

// find returns the anchor at a path in a package's list, or nil.
func (j dpkgJoin) find(path []byte, pkg string) *anchor {
	if d, ok := j.diversions[string(path)]; ok && d.Package != pkg {
		path = []byte(d.To)
	}
	return j.join.find(path)
}

// list processes the list of files of a package. It reads the digests only if one of
// the files is an anchor.
func (j dpkgJoin) list(in folder, name string, lists *dpkg.FileLists) {
	pkg, digests, _ := dpkg.ListOf(name)
	found := map[*anchor]digest{}
	if !j.read(in, name, func(r io.Reader) error {
		return lists.Paths(r, func(path []byte) {
			if a := j.find(path, pkg); a != nil {
				found[a] = nil
			}
		})
	}) || len(found) == 0 {
		return
	}
	j.read(in, digests, func(r io.Reader) error {
		return lists.Digests(r, func(path []byte, value [md5.Size]byte) {
			if a := j.find(path, pkg); a != nil {
				if _, ok := found[a]; ok {
					found[a] = sum{md5.New, value[:]}
				}
			}
		})
	})
	for a, d := range found {
		j.claim(a, pkg, d)
	}
}

// digests processes the digests of a package in a folder status.d. There the digests
// are also the list of files.
func (j dpkgJoin) digests(in folder, name string, lists *dpkg.FileLists) {
	found := map[*anchor]digest{}
	j.read(in, name, func(r io.Reader) error {
		return lists.Digests(r, func(path []byte, value [md5.Size]byte) {
			if a := j.find(path, ""); a != nil {
				found[a] = sum{md5.New, value[:]}
			}
		})
	})
	if len(found) == 0 {
		return
	}
	stanza, _ := dpkg.StanzaOf(name)
	f, err := in.open(stanza)
	if err != nil {
		return // the reader of the stanza has already reported it
	}
	defer f.Close()
	packages, _ := dpkg.ReadStanza(f, f.Path())
	for _, p := range packages {
		for a, d := range found {
			j.claim(a, p.Name, d)
		}
	}
}

// read opens and reads a file in a folder info or status.d. A file that is not regular
// is ignored.
func (j dpkgJoin) read(in folder, name string, read func(io.Reader) error) bool {
	f, err := in.open(name)
	if err == nil {
		err = read(f)
		f.Close()
	}
	if err != nil && !rootfs.IsAbsent(err) && !errors.Is(err, rootfs.ErrNotRegular) {
		j.Failed(in.path+"/"+name, err)
	}
	return err == nil
}
