package inspect

import (
	"errors"
	"slices"
	"strings"

	"assay/inspect/distro/repositories"
	"assay/inspect/inventory"
	"assay/inspect/rootfs"

	"golang.org/x/sys/unix"
)

// repositories returns the package repositories that the system's packages can be
// upgraded from. If they cannot be read, they are unknown. This is not a scan error,
// because they only serve as advice for people.
func (x *fixedPaths) repositories(packages []inventory.Package) []string {
	var names []string
	known := false
	for _, typ := range []string{"deb", "apk", "rpm"} {
		if !slices.ContainsFunc(packages, func(p inventory.Package) bool { return p.Type == typ }) {
			continue
		}
		known = true
		for _, src := range repositories.For(typ) {
			found, err := x.repositoriesOf(src)
			if err != nil {
				return nil
			}
			names = append(names, found...)
		}
	}
	if known && len(names) == 0 {
		return []string{inventory.NoRepository}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// errSkipped is the error of a path that the user leaves out or that links must not
// lead to.
var errSkipped = errors.New("skipped")

func (x *fixedPaths) repositoriesOf(src repositories.Source) ([]string, error) {
	if src.Ext == "" {
		return x.repositoriesIn(src, src.Path)
	}
	if x.leftOut.Covers(src.Path) {
		return nil, errSkipped
	}
	d, resolved, err := x.root.OpenDir(src.Path)
	if rootfs.IsAbsent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if x.leftOut.Covers(resolved) {
		return nil, errSkipped
	}
	var names []string
	for e, err := range d.Each(nil) {
		if err != nil {
			return nil, err
		}
		if e.Type == unix.DT_DIR || !strings.HasSuffix(e.Name, src.Ext) {
			continue
		}
		found, err := x.repositoriesIn(src, resolved+"/"+e.Name)
		if err != nil {
			return nil, err
		}
		if names = append(names, found...); len(names) > maxRepositories {
			return nil, errors.New("too many repositories")
		}
	}
	return names, nil
}

// maxRepositories bounds the names in one folder.
const maxRepositories = 500

func (x *fixedPaths) repositoriesIn(src repositories.Source, path string) ([]string, error) {
	if x.leftOut.Covers(path) {
		return nil, errSkipped
	}
	f, err := x.root.Open(path, repositories.Limit)
	if rootfs.IsAbsent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if x.leftOut.Covers(f.Path()) {
		return nil, errSkipped
	}
	return src.Read(f)
}
