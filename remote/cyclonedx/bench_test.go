package cyclonedx_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/pkgdb"
	"assay/inspect"
	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/remote/purl"
)

// BenchmarkDecode decodes what assay sends for a package database with about 360 packages,
// and for 400 packages of several languages, each with its path.
func BenchmarkDecode(b *testing.B) {
	for name, packages := range map[string][]inventory.Package{"dpkg": installed(b), "libraries": libraries(b)} {
		s := cyclonedx.Scan{Client: "assay 0.1.0", Inventory: inventory.Inventory{System: example.Inventory.System, Packages: packages}}
		s.Inventory.Sort()
		doc := encode(b, s)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				decode(b, doc)
			}
		})
	}
}

func installed(b *testing.B) []inventory.Package {
	b.Helper()
	all, err := pkgdb.All(testkit.Path(b, "pkgdb"))
	if err != nil {
		b.Fatal(err)
	}
	i := slices.IndexFunc(all, func(d pkgdb.Database) bool { return d.Name == "claircore-texlive" })
	root := b.TempDir()
	if err := all[i].Lay(root); err != nil {
		b.Fatal(err)
	}
	inv, err := inspect.Inspect(b.Context(), root, inspect.Options{Mounts: strings.NewReader("")})
	if err != nil {
		b.Fatal(err)
	}
	return inv.Packages
}

func libraries(b *testing.B) []inventory.Package {
	b.Helper()
	data, err := os.ReadFile(testkit.Path(b, "lang", "peer-syft.json"))
	if err != nil {
		b.Fatal(err)
	}
	var report struct {
		Packages []struct {
			PURL string
			File []string
		}
	}
	if err := json.Unmarshal(data, &report); err != nil {
		b.Fatal(err)
	}
	var packages []inventory.Package
	for i, e := range report.Packages {
		var u purl.PURL
		if err := u.Parse(e.PURL); i%3 != 0 || err != nil || len(packages) == 400 {
			continue // a third is of all the languages
		}
		p := u.Package()
		for _, path := range e.File {
			p.Evidence = append(p.Evidence, inventory.Evidence{Path: path, Kind: filepath.Base(path)})
		}
		packages = append(packages, p)
	}
	return packages
}
