package explain_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/service/advisory"
	"assay/service/explain"
	"assay/service/scan"
	"assay/service/store"
	"assay/verdict"
)

// reported reads a folder of faults/matching, which has one document and its records.
func reported(t *testing.T, folder, document string) (cyclonedx.Scan, memory) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(testkit.Path(t, "faults", "matching", folder, "records"), "*.json"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no records in %s: %v", folder, err)
	}
	var records memory
	for i, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		a, err := advisory.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, version{int64(i + 1), a.ID, string(b)})
	}
	// An owner answers if the distribution's advisories name it.
	records = append(records, version{int64(len(names) + 1), "DEBIAN-CVE-2018-18074", requests})
	f, err := os.Open(testkit.Path(t, "faults", "matching", folder, document+".cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := cyclonedx.Decode(f, cyclonedx.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return s, records
}

const requests = `{"id":"DEBIAN-CVE-2018-18074","modified":"2024-01-01T00:00:00Z","upstream":["CVE-2018-18074"],"affected":[{"package":{"ecosystem":"Debian:12","name":"requests"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2.20.0-1"}]}]}]}`

// TestReports checks that reasons come from the matcher, and that records are found that
// name a vulnerability only as related.
func TestReports(t *testing.T) {
	const ruby = "RLSA-2024:3671 used Rocky Linux:9: ruby-libs "
	for _, tt := range []struct {
		folder, document, id string
		change               func(*cyclonedx.Scan)
		found                bool
		reason               string
		outcome              string
	}{
		{folder: "13-explain", document: "explain", id: "CVE-2023-32681",
			found: true, reason: "does not fail it, by the rule \"judged-by-distribution\"",
			outcome: "PYSEC-2023-74 used PyPI: requests judged-by-owner: its owner python3-requests, built by Debian:12, is evaluated in its place"},
		{folder: "13-explain", document: "explain", id: "CVE-2026-39824",
			reason:  "no finding: the entry is about windows only",
			outcome: "GO-2026-5024 used Go: golang.org/x/sys not-applicable: the entry is about windows only"},
		{folder: "13-explain", document: "explain", id: "GHSA-j8r2-6x86-q33q", found: true, reason: "judged-by-distribution"},
		{folder: "02-rocky-source-names", document: "headless", id: "CVE-2021-35550", found: true,
			reason:  "a finding of this scan",
			outcome: "RLSA-2021:3891 used Rocky Linux:8: java-11-openjdk-headless matches: RLSA-2021:3891: Rocky Linux:8 java-11-openjdk 1:11.0.12.0.7-0.el8_4 < fixed 1:11.0.13.0.8-1.el8_4"},
		{folder: "02-rocky-source-names", document: "headless", id: "CVE-2021-35603",
			change: func(s *cyclonedx.Scan) {
				p := &s.Inventory.Packages[0]
				p.Version, p.SourceVersion = "1:11.0.13.0.8-1.el8_4", "11.0.13.0.8-1.el8_4"
			},
			reason:  "no finding: the installed version is not affected",
			outcome: "RLSA-2021:3891 used Rocky Linux:8: java-11-openjdk-headless not-affected: 1:11.0.13.0.8-1.el8_4 = fixed 1:11.0.13.0.8-1.el8_4"},
		{folder: "02-rocky-source-names", document: "ruby-libs", id: "CVE-2024-27282", found: true, reason: "a finding of this scan",
			outcome: ruby + "matches: RLSA-2024:3671: Rocky Linux:9 ruby 3.3.0-1.module+el9.4.0+20000+aaaaaaaa < fixed 0:3.3.1-2.module+el9.4.0+20787+4c237fd3"},
		{folder: "02-rocky-source-names", document: "ruby-libs", id: "CVE-2024-27282",
			change: func(s *cyclonedx.Scan) { s.Inventory.Packages[0].Module = "ruby:3.1:9040020240501:x" },
			reason: "no finding: the entry is about the module stream ruby:3.3, the package is of ruby:3.1", outcome: ruby + "not-applicable: the entry is about the module stream ruby:3.3, the package is of ruby:3.1"},
		{folder: "02-rocky-source-names", document: "ruby-libs", id: "CVE-2021-35550",
			reason:  "no finding: the record RLSA-2021:3891 names CVE-2021-35550 as related; it is about Rocky Linux:8 java-11-openjdk, not in this image",
			outcome: "RLSA-2021:3891 elsewhere: Rocky Linux:8 java-11-openjdk"},
		// The upstream of a record about another package.
		{folder: "13-explain", document: "explain", id: "CVE-2018-18074", change: func(s *cyclonedx.Scan) {
			s.Inventory.Packages = slices.DeleteFunc(s.Inventory.Packages, func(p inventory.Package) bool { return strings.Contains(p.Name, "requests") })
		}, reason: "no finding: none of the packages that it is about is in the image",
			outcome: "DEBIAN-CVE-2018-18074 elsewhere: Debian:12 requests"},
		{folder: "02-rocky-source-names", document: "ruby-libs", id: "CVE-1999-0001", reason: "no record"},
	} {
		t.Run(tt.document+" "+tt.id, func(t *testing.T) {
			s, records := reported(t, tt.folder, tt.document)
			if tt.change != nil {
				tt.change(&s)
			}
			ix := records.index(t, 1000)
			v, err := scan.Evaluator{}.Answer(s, ix, nil, verdict.Data{Snapshot: "s1", Records: len(records), Updated: scanned}, scanned)
			if err != nil {
				t.Fatal(err)
			}
			e, err := explain.Explain(t.Context(), explain.Input{
				Scan: store.Scan{ID: "scan", At: scanned, Seq: 1000}, Inventory: s.Inventory, Verdict: v.Whole(), ID: tt.id,
				Index: ix, Records: records, Now: scanned,
			})
			if err != nil {
				t.Fatal(err)
			}
			if e.Found != tt.found || !strings.Contains(e.Reason, tt.reason) {
				t.Errorf("found %v because %q, want %v because %q", e.Found, e.Reason, tt.found, tt.reason)
			}
			if got := outcomes(e); tt.outcome != "" && !slices.Contains(got, tt.outcome) {
				t.Errorf("outcomes %q\nlack %q", got, tt.outcome)
			}
		})
	}
}
