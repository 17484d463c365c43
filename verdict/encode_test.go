package verdict_test

import (
	"encoding/json"
	"testing"
	"time"

	"assay/verdict"
)

// A verdict that is put together has the bytes of one that is encoded, also where
// its strings look like the places that are filled in.
func TestEncodeInParts(t *testing.T) {
	nasty := "<a href=\"&\">\u2028\xff" + `"package":{"type":"","name":"","version":"","purl":""},"fails":false,"rule":"","findings":[]`
	seen := time.Date(2026, 11, 28, 1, 2, 3, 4000, time.UTC)
	full := verdict.Finding{
		ID: nasty, Advisories: []string{nasty, "b"}, Aliases: []string{nasty}, Summary: nasty,
		Package: verdict.Package{Type: "deb", Name: nasty, Version: nasty, Arch: "amd64", Source: "s", SourceVersion: "1", PURL: nasty, Paths: []string{nasty, "p"}},
		Fixed:   nasty, FirstSeen: &seen, Severity: verdict.High, SeveritySource: nasty, Score: 9.8, Vector: nasty,
		EPSS: 0.94432, KnownExploited: true, Malicious: true, Fails: true, Rule: "severity", Why: nasty,
	}
	bare := verdict.Finding{ID: "CVE-2024-1", Rule: "below-threshold"}
	for _, findings := range [][]verdict.Finding{{}, {full}, {bare}, {full, bare, full}} {
		v := verdict.Verdict{
			Version: verdict.Version, Scan: nasty, Findings: findings,
			Decision: verdict.Decision{Reasons: []verdict.Reason{{Rule: "clean", Text: nasty}}},
			System:   verdict.System{PrettyName: nasty}, Notices: []string{nasty},
		}
		want, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		got, after, err := v.EncodeAround()
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range findings {
			e, err := f.Encode()
			if err != nil {
				t.Fatal(err)
			}
			pkg, err := json.Marshal(f.Package)
			if err != nil {
				t.Fatal(err)
			}
			if i > 0 {
				got = append(got, ',')
			}
			got = e.Append(got, pkg, f.Fails, f.Rule)
		}
		if got = append(got, after...); string(got) != string(want) {
			t.Errorf("%d findings: got\n%s\nwant\n%s", len(findings), got, want)
		}
	}
}
