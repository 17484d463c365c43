package verdict_test

import (
	"archive/zip"
	"cmp"
	"encoding/json"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/verdict"
)

// real returns the verdict on a real root of the test data. It has the findings that the
// order of dpkg implies for the advisories of osv/Debian, in each binary package of a source
// package. Severity and exploitation are those of the records.
func real(t testing.TB, root string) verdict.Verdict {
	t.Helper()
	var expected []struct{ Source, Installed, ID, Fixed string }
	readJSON(t, testkit.Path(t, "pkgdb", "dpkg", root, "expected-findings.json"), &expected)
	var packages []struct {
		Name, Version, Arch, Source, Status string
		SourceVersion                       string `json:"source_version"`
	}
	readJSON(t, testkit.Path(t, "pkgdb", "dpkg", root, "expected.json"), &packages)
	records, err := zip.OpenReader(testkit.Path(t, "osv", "Debian", "all.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer records.Close()

	v := base()
	v.Counts.Packages, v.Counts.Evaluated = len(packages), len(packages)
	v.Evaluated[0].Packages, v.Evaluated[0].Evaluated = len(packages), len(packages)
	v.Decision = verdict.Decision{Outcome: verdict.Fail, Code: 4}
	for _, e := range expected {
		rec := readRecord(t, &records.Reader, e.ID)
		for _, p := range packages {
			if p.Source != e.Source || p.SourceVersion != e.Installed {
				continue
			}
			v.Findings = append(v.Findings, verdict.Finding{
				ID:         rec.Upstream[0],
				Advisories: []string{e.ID},
				Package: verdict.Package{
					Type: "deb", Name: p.Name, Version: p.Version, Arch: p.Arch,
					Source: p.Source, SourceVersion: p.SourceVersion,
					PURL: "pkg:deb/debian/" + p.Name + "@" + p.Version,
				},
				Fixed:          e.Fixed,
				Severity:       verdict.Unrated,
				KnownExploited: rec.DatabaseSpecific.KnownExploited != nil,
				Fails:          true,
				Rule:           "severity",
				Why:            e.ID + ": Debian:12 " + e.Source + " " + e.Installed + " < fixed " + e.Fixed,
			})
		}
	}
	slices.SortStableFunc(v.Findings, func(a, b verdict.Finding) int {
		return cmp.Or(strings.Compare(a.Package.Name, b.Package.Name), strings.Compare(a.ID, b.ID))
	})
	count(&v)
	v.Decision.Reasons = []verdict.Reason{{Rule: "severity", Text: "16 findings of severity high or worse have a fix (16 unrated, counted as high)", Hint: "upgrade the packages"}}
	return v
}

type record struct {
	Upstream         []string
	DatabaseSpecific struct {
		KnownExploited any `json:"known_exploited"`
	} `json:"database_specific"`
}

func readRecord(t testing.TB, records fs.FS, id string) record {
	t.Helper()
	b, err := fs.ReadFile(records, id+".json")
	if err != nil {
		t.Fatal(err)
	}
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatalf("%s: %v", id, err)
	}
	if len(r.Upstream) == 0 {
		t.Fatalf("%s has no id of a vulnerability", id)
	}
	return r
}

func readJSON(t testing.TB, path string, into any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// base returns what all verdicts of a service on one day have in common.
func base() verdict.Verdict {
	return verdict.Verdict{
		Version: verdict.Version,
		Scan:    "mzxw6ytboi3dgnbv",
		Decision: verdict.Decision{
			Outcome: verdict.Pass,
			Reasons: []verdict.Reason{{Rule: "clean", Text: "nothing that the policy forbids"}},
		},
		Counts:    verdict.Counts{Packages: 88, Evaluated: 88},
		Evaluated: []verdict.Part{{Part: verdict.PartSystem, Type: "deb", Ecosystem: "Debian:12", Packages: 88, Evaluated: 88, State: verdict.Evaluated}},
		System: verdict.System{
			ID: "debian", VersionID: "12", PrettyName: "Debian GNU/Linux 12 (bookworm)",
			Ecosystem: "Debian:12", EndOfLife: "2028-06-30",
		},
		Data: verdict.Data{
			Snapshot: "sha256:9b1e6d2f0a77c3d45e8811f2a6b09c7d1e2f3a4b5c6d7e8f90a1b2c3d4e5f607",
			Records:  18219,
			Updated:  time.Date(2026, 11, 24, 19, 0, 0, 0, time.UTC),
			Age:      3 * 60 * 60,
			Newest:   time.Date(2026, 11, 24, 17, 12, 0, 0, time.UTC),
		},
		Options: verdict.Options{FailOn: verdict.High, Unrated: verdict.High},
		Report:  "https://assay.example.com/api/v1/scans/mzxw6ytboi3dgnbv/report",
	}
}

// count sets the counts that follow from the findings.
func count(v *verdict.Verdict) {
	c := verdict.Counts{Packages: v.Counts.Packages, Evaluated: v.Counts.Evaluated, Kernel: v.Counts.Kernel, BySeverity: map[verdict.Severity]int{}}
	c.Findings = len(v.Findings) + c.Kernel
	for _, f := range v.Findings {
		c.BySeverity[f.Severity]++
		if f.Fails {
			c.Failing++
		}
		if f.Fixed != "" {
			c.Fixable++
		}
	}
	v.Counts = c
}
