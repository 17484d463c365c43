package inspect

import (
	"context"
	"fmt"
	"path"
	"slices"

	"assay/inspect/inventory"
	"assay/inspect/rootfs"
	"assay/inspect/walk"
)

// DatabaseTypes returns the types of the packages that Databases returns.
func DatabaseTypes() []string { return []string{"deb", "apk", "rpm"} }

// DatabasePaths returns the files and folders that Databases reads, relative to the root. An
// entry that is added to a folder, removed or replaced modifies the folder.
func DatabasePaths() []string {
	var paths []string
	for _, r := range distributions() {
		if r.kind != inventory.KindDatabase {
			continue
		}
		for _, f := range r.files {
			paths = append(paths, f)
			if r.sibling != "" {
				paths = append(paths, f+r.sibling)
			}
			if r.updates != "" {
				paths = append(paths, path.Join(path.Dir(f), r.updates))
			}
		}
		paths = append(paths, r.dirs...)
	}
	return paths
}

// Databases reads the package databases at fixed paths in the tree at root and nothing else.
// It returns their packages, without owners, and an error if a database could not be read
// completely. A database with a file for each package, such as pacman's, is not among them.
func Databases(ctx context.Context, dir string) ([]inventory.Package, error) {
	root, err := rootfs.Open(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	c := newCollector(distributions())
	leftOut := walk.NewSkip(slices.Concat(kernelDirs(), secrets()))
	fixed := fixedPaths{root: root, skip: walk.NewSkip(nil), leftOut: leftOut, collector: c, seen: map[seen]bool{}}
	fixed.read(ctx)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("inspect %q: %w", dir, err)
	}
	inv := c.inventory()
	for _, e := range inv.ScanErrors {
		if e.Kind == inventory.KindDatabase {
			return nil, fmt.Errorf("read package database %q: %s", e.Path, e.Err)
		}
	}
	return inv.Packages, nil
}
