package inspect

import (
	"math"
	"time"

	"assay/inspect/rootfs"
)

// Modified returns when the package databases of the system were last modified, or the
// zero time if that is unknown. inv is the inventory of the tree at root, which itself does
// not depend on such times.
func Modified(root string, inv Inventory) time.Time {
	tree, err := rootfs.Open(root)
	if err != nil {
		return time.Time{}
	}
	defer tree.Close()
	var newest time.Time
	seen := map[string]bool{}
	for _, p := range inv.Packages {
		if p.Type != "deb" && p.Type != "apk" && p.Type != "rpm" {
			continue
		}
		for _, e := range p.Evidence {
			if seen[e.Path] {
				continue
			}
			seen[e.Path] = true
			for _, path := range []string{e.Path, e.Path + "-wal"} { // SQLite writes there first
				if at := modified(tree, path); at.After(newest) {
					newest = at
				}
			}
		}
	}
	return newest
}

func modified(tree *rootfs.Root, path string) time.Time {
	f, err := tree.Open(path, math.MaxInt64)
	if err != nil {
		return time.Time{}
	}
	defer f.Close()
	return f.Modified()
}
