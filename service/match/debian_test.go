package match_test

import (
	"archive/zip"
	"encoding/json"
	"io"
	"os"
	"reflect"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/index"
	"assay/service/match"
	"assay/verdict"
)

var day = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

func readZip(t testing.TB, elem ...string) []advisory.Advisory {
	t.Helper()
	z, err := zip.OpenReader(testkit.Path(t, elem...))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var all []advisory.Advisory
	for _, f := range z.File {
		all = append(all, readRecord(t, f))
	}
	return all
}

func readRecord(t testing.TB, f *zip.File) advisory.Advisory {
	t.Helper()
	r, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	a, err := advisory.Parse(b)
	if err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	return a
}

// installed reads the expected.json of a package database.
func installed(t testing.TB, database string) []inventory.Package {
	t.Helper()
	b, err := os.ReadFile(testkit.Path(t, "pkgdb", "dpkg", database, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Name, Version, Arch, Source, Status string
		SourceVersion                       string `json:"source_version"`
	}
	if err := json.Unmarshal(b, &rows); err != nil {
		t.Fatal(err)
	}
	var pkgs []inventory.Package
	for _, r := range rows {
		if r.Status != "installed" {
			continue
		}
		pkgs = append(pkgs, inventory.Package{
			Type: "deb", Name: r.Name, Version: r.Version, Arch: r.Arch,
			Source: r.Source, SourceVersion: r.SourceVersion,
			Evidence: []inventory.Evidence{{Path: "var/lib/dpkg/status", Kind: "dpkg"}},
		})
	}
	return pkgs
}

func debian12(pkgs []inventory.Package) inventory.Inventory {
	return inventory.Inventory{
		System: inventory.System{
			ID: "debian", VersionID: "12", Codename: "bookworm",
			PrettyName: "Debian GNU/Linux 12 (bookworm)",
		},
		Packages: pkgs,
	}
}

// TestDebian holds the findings of two real package databases against those
// that dpkg --compare-versions gave on the same records.
func TestDebian(t *testing.T) {
	ix := index.NewMemory(readZip(t, "osv", "Debian", "all.zip"), nil)
	for _, tt := range []struct {
		database string
		packages int
		sources  int // source, installed version and record
		findings int // in binary packages
		kernel   int // of them, all of linux-libc-dev
	}{
		{"debian12-minbase", 88, 15, 16, 0},
		{"debian12-app", 309, 2995, 3828, 2578},
	} {
		t.Run(tt.database, func(t *testing.T) {
			b, err := os.ReadFile(testkit.Path(t, "pkgdb", "dpkg", tt.database, "expected-findings.json"))
			if err != nil {
				t.Fatal(err)
			}
			type row struct{ Source, Installed, ID, Fixed string }
			var want []row
			if err := json.Unmarshal(b, &want); err != nil {
				t.Fatal(err)
			}
			pkgs := installed(t, tt.database)
			res, err := match.Inventory(debian12(pkgs), ix, nil, day)
			if err != nil {
				t.Fatal(err)
			}
			binaries := map[string]int{}
			for _, p := range pkgs {
				binaries[p.Source+" "+p.SourceVersion]++
			}
			got := map[row]int{}
			for _, f := range res.Findings {
				if len(f.Advisories) != 1 {
					t.Errorf("%s of %s: advisories %v", f.ID, f.Package.Name, f.Advisories)
				}
				got[row{f.Package.Source, f.Package.SourceVersion, f.Advisories[0], f.Fixed}]++
			}
			for _, w := range want {
				if n := binaries[w.Source+" "+w.Installed]; got[w] != n {
					t.Errorf("%+v found in %d packages, want %d", w, got[w], n)
				}
				delete(got, w)
			}
			for r, n := range got {
				t.Errorf("%+v found in %d packages, not expected", r, n)
			}
			if len(want) != tt.sources || res.Packages != tt.packages || res.Evaluated != tt.packages || len(res.NotEvaluated) != 0 {
				t.Errorf("%d expected, packages %d, evaluated %d, not evaluated %v", len(want), res.Packages, res.Evaluated, res.NotEvaluated)
			}
			kernel := 0
			for _, f := range res.Findings {
				if f.Kernel {
					kernel++
				}
				if f.Kernel != (f.Package.Name == "linux-libc-dev") {
					t.Errorf("%s: kernel %v", f.Package.Name, f.Kernel)
				}
			}
			if len(res.Findings) != tt.findings || kernel != tt.kernel {
				t.Errorf("%d findings, %d of the kernel; want %d and %d", len(res.Findings), kernel, tt.findings, tt.kernel)
			}
			want12 := verdict.System{
				ID: "debian", VersionID: "12", PrettyName: "Debian GNU/Linux 12 (bookworm)",
				Ecosystem: "Debian:12", EndOfLife: "2028-06-30",
			}
			if res.System != want12 {
				t.Errorf("evaluated as %+v", res.System)
			}
			again, err := match.Inventory(debian12(pkgs), ix, nil, day)
			if err != nil || !reflect.DeepEqual(res, again) {
				t.Errorf("the same input gives another result (%v)", err)
			}
		})
	}
}
