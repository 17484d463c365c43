package owner

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/inspect/rootfs"
)

// BenchmarkJoin finds the owners of the files that the language readers read in the
// tree in ROOTS.
func BenchmarkJoin(b *testing.B) {
	dir := os.Getenv("ROOTS")
	if dir == "" {
		testkit.Missing(b, "ROOTS, the folder of a tree")
	}
	var paths []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		switch name := e.Name(); {
		case name == "METADATA", name == "PKG-INFO", name == "package.json",
			strings.HasSuffix(name, ".gemspec"), strings.HasSuffix(name, ".jar"):
			rel, err := filepath.Rel(dir, path)
			if err != nil {
				return err
			}
			paths = append(paths, rel)
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	root, err := rootfs.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer root.Close()
	b.ReportAllocs()
	owned := 0
	for b.Loop() {
		packages := found(paths...)
		tree := Tree{Root: root, Workers: runtime.GOMAXPROCS(0), Failed: func(path string, err error) { b.Errorf("%s: %v", path, err) }}
		Join(b.Context(), tree, packages)
		owned = 0
		for _, p := range packages {
			if p.Owner != nil {
				owned++
			}
		}
	}
	b.ReportMetric(float64(len(paths)), "files")
	b.ReportMetric(float64(owned), "owned")
}
