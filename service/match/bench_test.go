package match_test

import (
	"fmt"
	"slices"
	"testing"

	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/index"
	"assay/service/match"
)

func BenchmarkMatch(b *testing.B) {
	ix := index.NewMemory(readZip(b, "osv", "Debian", "all.zip"), nil)
	for _, database := range []string{"debian12-minbase", "debian12-app"} {
		inv := debian12(installed(b, database))
		b.Run(database, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := match.Inventory(inv, ix, nil, day); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkLanguages evaluates 100 packages of each of four languages, every one of
// which has advisories: several times what an image has.
func BenchmarkLanguages(b *testing.B) {
	var all []advisory.Advisory
	var inv inventory.Inventory
	for folder, typ := range map[string]string{"Go": "golang", "PyPI": "pypi", "RubyGems": "gem", "crates.io": "cargo"} {
		records := readZip(b, "osv", folder, "all.zip")
		all = append(all, records...)
		seen := map[string]bool{}
		for _, a := range records {
			for _, af := range a.Affected {
				if len(seen) < 100 && af.Package.Name != "" && !seen[af.Package.Name] {
					seen[af.Package.Name] = true
					inv.Packages = append(inv.Packages, inventory.Package{Type: typ, Name: af.Package.Name, Version: "1.0.1-rc.1"})
				}
			}
		}
	}
	inv.Sort()
	ix := index.NewMemory(all, nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := match.Inventory(inv, ix, nil, day); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPublisher evaluates a database with the records of osv, and with the same records
// from the distribution's own source in addition.
func BenchmarkPublisher(b *testing.B) {
	all := readZip(b, "osv", "Debian", "all.zip")
	inv := debian12(installed(b, "debian12-app"))
	publishes(b, inv)
	for _, own := range []bool{false, true} {
		records := all
		if own {
			records = slices.Clone(all)
			for _, a := range all {
				a.Source = "own"
				records = append(records, a)
			}
			for i := range all {
				records[i].Source = "osv"
			}
		}
		ix := index.NewMemory(records, nil)
		b.Run(fmt.Sprintf("own=%t", own), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := match.Inventory(inv, ix, nil, day); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
