package match_test

import (
	"encoding/json"
	"testing"
	"time"

	"assay/service/match"
	"assay/verdict"
)

// AppendJSON has the bytes of encoding/json, also where strings look like the places
// that are filled in, and where claims and packages are shared.
func TestAppendJSON(t *testing.T) {
	nasty := "<a href=\"&\">\u2028\xff" + `"package":{"type":"","name":"","version":"","purl":""},"fails":false,"rule":"","findings":[]`
	seen := time.Date(2026, 11, 28, 1, 2, 3, 4000, time.UTC)
	full := &match.Match{Finding: verdict.Finding{
		ID: nasty, Advisories: []string{nasty, "b"}, Aliases: []string{nasty}, Summary: nasty,
		Fixed: nasty, Subscription: nasty, FirstSeen: &seen, FixPublished: &seen, Severity: verdict.High, SeveritySource: nasty, Score: 9.8, Vector: nasty,
		EPSS: 0.94432, KnownExploited: true, Malicious: true, Why: nasty,
	}}
	bare := &match.Match{Finding: verdict.Finding{ID: "CVE-2024-1"}}
	pkg := &verdict.Package{Type: "deb", Name: nasty, Version: nasty, Arch: "amd64", Source: "s", SourceVersion: "1", PURL: nasty, Paths: []string{nasty, "p"}}
	a := match.Finding{Match: full, Package: pkg, Fails: true, Rule: "severity"}
	b := match.Finding{Match: bare, Package: pkg, Rule: "below-threshold"}
	d := match.Finding{Match: full, Package: pkg, Rule: "grace", Grounds: &verdict.Grounds{By: nasty, Reason: nasty, Until: &seen, Written: nasty}}
	e := match.Finding{Match: bare, Package: pkg, Rule: "grace", Grounds: &verdict.Grounds{}}
	c := match.Finding{Match: full, Package: &verdict.Package{}, Rule: "unfixed", Origin: "own", Layer: nasty}
	for _, findings := range [][]match.Finding{{}, {a}, {b}, {a, b, c, a}, {d, e, d}} {
		verdicts := []verdict.Finding{}
		for _, f := range findings {
			verdicts = append(verdicts, f.Verdict())
		}
		want, err := json.Marshal(verdicts)
		if err != nil {
			t.Fatal(err)
		}
		got, err := match.AppendJSON([]byte("before"), findings)
		if err != nil || string(got) != "before"+string(want) {
			t.Errorf("%d findings: got\n%s, %v\nwant\n%s", len(findings), got, err, want)
		}
	}
}
