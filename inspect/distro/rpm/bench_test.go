package rpm

import (
	"os"
	"path/filepath"
	"testing"

	"assay/check/testkit/rpmtest"
)

// BenchmarkPackages reads a database of each format from a file in the kernel's cache.
func BenchmarkPackages(b *testing.B) {
	for _, name := range []string{"centos8-modularity-bdb", "unreadable-ndb", "rocky-sqlite"} {
		d := rpmtest.Load(b, name)
		f, err := os.Open(filepath.Join(d.Dir(b), d.File))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		size := int64(len(d.Data))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				headers := SQLite(f, size, nil, 0)
				switch d.File {
				case "Packages":
					headers = BDB(f, size)
				case "Packages.db":
					headers = NDB(f, size)
				}
				packages, err := Packages(headers, d.File)
				if err != nil || len(packages) == 0 {
					b.Fatal(len(packages), err)
				}
			}
		})
	}
}
