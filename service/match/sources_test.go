package match_test

import (
	"strings"
	"testing"

	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/index"
	"assay/verdict"
)

// from makes an index of records written as "source {…}".
func from(t testing.TB, records ...string) *index.Memory {
	t.Helper()
	var all []advisory.Advisory
	for _, r := range append(records, "osv "+some) {
		source, text, _ := strings.Cut(r, " ")
		a := parse(t, text)
		a.Source = source
		all = append(all, a)
	}
	return index.NewMemory(all, nil)
}

// Several sources have a record of the same id. Each is evaluated by itself, and
// none takes a finding of another away.
func TestSources(t *testing.T) {
	const high = `"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}]`
	const low = `"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"}]`
	rated := `{"id":"CVE-2024-1000",` + high + `,"affected":[` + affects("Debian:12", "p", "2") + `]}`
	unrated := `{"id":"CVE-2024-1000","affected":[` + affects("Debian:12", "p", "2") + `]}`
	severity := `{"id":"CVE-2024-1000",` + low + `}`
	urgent := func(word, fixed string) string {
		return `{"id":"CVE-2024-1000","affected":[` + strings.TrimSuffix(affects("Debian:12", "p", fixed), "}") + `,"ecosystem_specific":{"urgency":"` + word + `"}}]}`
	}
	above := `{"id":"CVE-2024-1000","affected":[{"package":{"ecosystem":"Debian:12","name":"p"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"1.5"}]}]}]}`
	type want struct {
		severity    verdict.Severity
		fixed       string
		unimportant bool
		exploited   bool
		status      advisory.Status
	}
	for _, tt := range []struct {
		name    string
		records []string
		want    *want // nil: no finding
	}{
		{"one source", []string{"osv " + rated}, &want{severity: verdict.High, fixed: "2"}},
		{"the same from two", []string{"osv " + rated, "import " + rated}, &want{severity: verdict.High, fixed: "2"}},
		{"a severity alone does not replace", []string{"osv " + rated, "import " + severity}, &want{severity: verdict.High, fixed: "2"}},
		{"nor where it is read first", []string{"a " + severity, "osv " + rated}, &want{severity: verdict.High, fixed: "2"}},
		{"it rates what is unrated", []string{"osv " + unrated, "import " + severity}, &want{severity: verdict.Low, fixed: "2"}},
		{"of two the worse one", []string{"osv " + unrated, "a " + severity, `b {"id":"CVE-2024-1000",` + high + `}`}, &want{severity: verdict.High, fixed: "2"}},
		{"withdrawn by one", []string{"osv " + rated, "import " + strings.Replace(rated, "{", `{"withdrawn":"2025-01-01T00:00:00Z",`, 1)}, &want{severity: verdict.High, fixed: "2"}},
		{"withdrawn by the other", []string{"osv " + strings.Replace(rated, "{", `{"withdrawn":"2025-01-01T00:00:00Z",`, 1), "import " + unrated}, &want{severity: verdict.Unrated, fixed: "2"}},
		{"withdrawn by both", []string{"osv " + strings.Replace(rated, "{", `{"withdrawn":"2025-01-01T00:00:00Z",`, 1), "import " + strings.Replace(rated, "{", `{"withdrawn":"2025-01-01T00:00:00Z",`, 1)}, nil},
		{"not affected by one", []string{"osv " + rated, "import " + above}, &want{severity: verdict.High, fixed: "2"}},
		{"not affected by the other", []string{"osv " + above, "import " + rated}, &want{severity: verdict.High, fixed: "2"}},
		{"no fix by one", []string{"osv " + rated, `import {"id":"CVE-2024-1000","affected":[` + affects("Debian:12", "p", "") + `]}`}, &want{severity: verdict.High, fixed: "2"}},
		{"a later fix by one", []string{"osv " + rated, `import {"id":"CVE-2024-1000","affected":[` + affects("Debian:12", "p", "3") + `]}`}, &want{severity: verdict.High, fixed: "3"}},
		{"unimportant by one", []string{"osv " + unrated, "import " + urgent("unimportant", "2")}, &want{severity: verdict.Negligible, fixed: "2"}},
		{"unimportant by one, rated by the other", []string{"osv " + rated, "import " + urgent("unimportant", "2")}, &want{severity: verdict.High, fixed: "2"}},
		{"unimportant by both", []string{"osv " + urgent("unimportant", "2"), "import " + urgent("unimportant", "2")}, &want{severity: verdict.Negligible, fixed: "2", unimportant: true}},
		{"end of life by one", []string{`osv {"id":"CVE-2024-1000","affected":[` + affects("Debian:12", "p", "") + `]}`, "import " + urgent("end-of-life", "")}, &want{severity: verdict.Unrated}},
		{"a notice of one", []string{"osv " + rated, `import {"id":"CVE-2024-1000","affected":[{"package":{"ecosystem":"npm","name":"q"},"versions":["1"],"database_specific":{"informational":"unmaintained"}}]}`}, &want{severity: verdict.High, fixed: "2"}},
		{"exploited by one", []string{"osv " + rated, `import {"id":"CVE-2024-1000","database_specific":{"known_exploited":true}}`}, &want{severity: verdict.High, fixed: "2", exploited: true}},
		// The tracker's record overrules an erratum of its own source, not of another.
		{"bulletin and record of one source", []string{`osv {"id":"DSA-1-1","upstream":["CVE-2024-1000"],"affected":[` + affects("Debian:12", "p", "2") + `]}`, "osv " + above}, nil},
		{"bulletin and record of two", []string{`osv {"id":"DSA-1-1","upstream":["CVE-2024-1000"],"affected":[` + affects("Debian:12", "p", "2") + `]}`, "import " + above}, &want{severity: verdict.Unrated, fixed: "2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inv := inventory.Inventory{System: inventory.System{ID: "debian", VersionID: "12"}, Packages: []inventory.Package{pkg("p", "1")}}
			got := findings(t, inv, from(t, tt.records...))
			if tt.want == nil {
				if len(got) != 0 {
					t.Errorf("got %+v, want no finding", got[0].Match)
				}
				return
			}
			if len(got) != 1 {
				t.Fatalf("%d findings, want one", len(got))
			}
			f := got[0]
			if g := (want{f.Severity, f.Fixed, f.Unimportant, f.KnownExploited, f.Status}); g != *tt.want || f.ID != "CVE-2024-1000" {
				t.Errorf("%s: %+v, want %+v; why: %s", f.ID, g, *tt.want, f.Why)
			}
			if strings.Count(f.Why, "< fixed 2") > 1 {
				t.Errorf("says the same twice: %s", f.Why)
			}
		})
	}
}
