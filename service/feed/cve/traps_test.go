package cve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/index"
	"assay/service/match"
)

// Traps in CVE records about WordPress that the README of the test data names, as far as
// they are about a whole record. Package wordfence tests those about versions and names.

func trapFile(t *testing.T, elem ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(testkit.Path(t, append([]string{"wordpress", "cve5"}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustConvert(t *testing.T, b []byte) advisory.Advisory {
	t.Helper()
	a, err := convert(b)
	if err != nil {
		t.Fatal(err)
	}
	a.Source = "cve"
	return a
}

// scanned returns the findings of a package.
func scanned(t *testing.T, name, version string, all ...advisory.Advisory) []match.Finding {
	t.Helper()
	inv := inventory.Inventory{Packages: []inventory.Package{{Type: "wordpress", Name: name, Version: version}}}
	res, err := match.Inventory(inv, index.NewMemory(all, nil), nil, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return res.Findings
}

// WP-1: the order of keys and the indentation do not matter.
func TestTrapOrderOfKeys(t *testing.T) {
	for _, id := range []string{"CVE-2024-10924", "CVE-2024-9926"} {
		b := trapFile(t, "vulnrichment", id+".json")
		var v any
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatal(err)
		}
		sorted, err := json.Marshal(v) // by key
		if err != nil {
			t.Fatal(err)
		}
		x, err := json.Marshal(mustConvert(t, b))
		if err != nil {
			t.Fatal(err)
		}
		y, err := json.Marshal(mustConvert(t, sorted))
		if err != nil || string(x) != string(y) {
			t.Errorf("%s: %v\n%s\n%s", id, err, x, y)
		}
	}
}

// WP-23: the newest version of a record counts, not the text of an earlier one.
func TestTrapWrongText(t *testing.T) {
	old := mustConvert(t, trapFile(t, "cvelistV5", "superseded", "CVE-2023-5561.json"))
	current := mustConvert(t, trapFile(t, "cvelistV5", "CVE-2023-5561.json"))
	if !old.Modified.Before(current.Modified) || !strings.Contains(old.Details, "Popup Builder") || strings.Contains(current.Details, "Popup Builder") {
		t.Errorf("%s %q, %s %q", old.Modified, old.Details, current.Modified, current.Details)
	}
	if f := scanned(t, "core", "6.3.1", current); len(f) != 1 || f[0].Fixed != "6.3.2" {
		t.Errorf("%+v", f)
	}
}

// WP-24: a record that becomes rejected gives no finding any more.
func TestTrapRejected(t *testing.T) {
	old := mustConvert(t, trapFile(t, "cvelistV5", "superseded", "CVE-2025-34085.json"))
	current := mustConvert(t, trapFile(t, "cvelistV5", "CVE-2025-34085.json"))
	if old.Withdrawn != nil || len(old.Severity) == 0 || current.Withdrawn == nil || !slices.Equal(current.Related, []string{"CVE-2020-36847"}) {
		t.Errorf("%+v, %+v", old, current)
	}
	for _, entry := range old.Affected {
		if f := scanned(t, entry.Package.Name, "0.0.1", current); len(f) != 0 {
			t.Errorf("%+v", f)
		}
	}
}

// WP-25: a disputed record is shown as such.
func TestTrapDisputed(t *testing.T) {
	f := scanned(t, "core", "3.3.1", mustConvert(t, trapFile(t, "vulnrichment", "CVE-2011-4899.json")))
	if len(f) != 1 || f[0].ID != "CVE-2011-4899" || !strings.HasPrefix(f[0].Summary, "Disputed: ") {
		t.Errorf("%+v", f)
	}
}

// WP-26: entities, trailing blanks and no-break spaces in names.
func TestTrapEntities(t *testing.T) {
	const record = `{"dataType":"CVE_RECORD","dataVersion":"5.1","cveMetadata":{"cveId":"CVE-2024-1234","state":"PUBLISHED","assignerShortName":"Wordfence","dateUpdated":"2024-01-02T03:04:05Z"},
		"containers":{"cna":{"title":"The Hacker\\&#039;s &amp; Diet <= 1.0","affected":[{"vendor":"x","product":"Really Simple Security\u00a0&#8211; (formerly Really Simple SSL)\u00a0","versions":[{"status":"affected","version":"*","lessThanOrEqual":"1.0\u00a0"}]},
			{"vendor":"x","product":"Other Pro","versions":[{"status":"affected","version":"*","lessThanOrEqual":"1.0"}]}],
			"references":[{"url":"https://plugins.trac.wordpress.org/browser/really-simple-ssl/trunk"}]}}}`
	a := mustConvert(t, []byte(record))
	if a.Summary != "The Hacker's & Diet <= 1.0" {
		t.Errorf("summary %q", a.Summary)
	}
	if f := scanned(t, "plugin/really-simple-ssl", "1.0", a); len(f) != 1 {
		t.Errorf("%+v", f)
	}
}

// WP-27: an ADP that repeats the products and rates in its own way adds no second entry
// and no second finding, and the CNA's rating counts.
func TestTrapADP(t *testing.T) {
	a := mustConvert(t, trapFile(t, "cvelistV5", "CVE-2024-43228.json"))
	f := scanned(t, "plugin/secupress", "2.2.5.3", a)
	if len(a.Affected) != 1 || len(f) != 1 || f[0].Score != 5.3 || f[0].Vector != "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N" || f[0].SeveritySource != "CNA Patchstack: CVSS 3.1" {
		t.Errorf("%+v, %+v", a.Affected, f)
	}
	free := mustConvert(t, trapFile(t, "vulnrichment", "CVE-2024-10924.json"))
	if len(free.Affected) != 1 || free.Affected[0].Package.Name != "plugin/really-simple-ssl" {
		t.Errorf("%+v", free.Affected)
	}
}

// WP-28: a vector in another order, and one that is rated in four versions of CVSS.
func TestTrapVectors(t *testing.T) {
	f := scanned(t, "plugin/wp-file-manager", "6.8", mustConvert(t, trapFile(t, "cvelistV5", "CVE-2020-25213.json")))
	if len(f) != 1 || f[0].Vector != "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H" || f[0].Score != 10 {
		t.Errorf("%+v", f)
	}
	f = scanned(t, "plugin/wp-file-upload", "2.4.3", mustConvert(t, trapFile(t, "vulnrichment", "CVE-2014-125110.json")))
	if len(f) != 1 || !strings.HasPrefix(f[0].Vector, "CVSS:3.1/") {
		t.Errorf("%+v", f)
	}
}

// A record of Jenkins names the warning about the same vulnerability, so that both give one
// finding.
func TestJenkinsWarning(t *testing.T) {
	b, err := os.ReadFile(testkit.Path(t, "wordpress", "feeds", "jenkins", "cve5", "CVE-2023-33000.json"))
	if err != nil {
		t.Fatal(err)
	}
	a := mustConvert(t, b)
	if !slices.Equal(a.Aliases, []string{"JENKINS-SECURITY-2962"}) {
		t.Fatalf("aliases %q", a.Aliases)
	}
	warning := advisory.Advisory{ID: "JENKINS-SECURITY-2962", Source: "jenkins", Affected: []advisory.Affected{{
		Package: advisory.Package{Ecosystem: "Jenkins", Name: "plugin/ns-nd-integration-performance-publisher"}, EcosystemSpecific: []byte(`{"patterns":["4[.].*"]}`),
	}}}
	inv := inventory.Inventory{Packages: []inventory.Package{{Type: "jenkins", Name: "plugin/ns-nd-integration-performance-publisher", Version: "4.8"}}}
	res, err := match.Inventory(inv, index.NewMemory([]advisory.Advisory{a, warning}, nil), nil, time.Time{})
	if err != nil || len(res.Findings) != 1 || res.Findings[0].ID != "CVE-2023-33000" || !slices.Equal(res.Findings[0].Aliases, []string{"JENKINS-SECURITY-2962"}) {
		t.Errorf("%+v, %v", res.Findings, err)
	}
}

// A record with very many versions, products or links is converted in a time that is about
// linear in its size, and one with more is rejected.
func TestTrapVeryMany(t *testing.T) {
	const n = 40_000
	list := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	const plugin = `"affected":[{"vendor":"x","product":"y","collectionURL":"https://wordpress.org/plugins","packageName":"y","versions":[`
	const program = `"affected":[{"cpes":["cpe:2.3:a:v:p:*:*:*:*:*:*:*:*"],"versions":[`
	for name, tt := range map[string]struct {
		cna string
		got func(a advisory.Advisory) int
	}{
		"versions": {program + list(`{"version":"1.0.%d","status":"affected"}`, n) + "]}]",
			func(a advisory.Advisory) int { return len(a.Affected[0].Versions) }},
		"ranges": {program + list(`{"version":"0","lessThan":"1.0.%d","status":"affected"}`, n) + "]}]",
			func(a advisory.Advisory) int { return len(a.Affected[0].Ranges) }},
		"plugin": {plugin + list(`{"version":"0","lessThanOrEqual":"1.0.%d","status":"affected"}`, n) + "]}]",
			func(a advisory.Advisory) int { return len(a.Affected[0].Ranges) }},
		"links": {`"references":[` + list(`{"url":"https://www.jenkins.io/security/advisory/#SECURITY-%d"}`, n) + "]",
			func(a advisory.Advisory) int { return len(a.Aliases) }},
	} {
		b := doc(tt.cna, "")
		if name == "links" {
			b = bytes.Replace(b, []byte(`"assignerShortName":"x"`), []byte(`"assignerShortName":"jenkins"`), 1)
		}
		if got := tt.got(mustConvert(t, b)); got != n {
			t.Errorf("%s: %d, want %d", name, got, n)
		}
	}
	many := strings.Repeat("{},", 1<<20) + "{}"
	for _, cna := range []string{`"affected":[` + many + "]", `"affected":[{"versions":[` + many + "]}]", `"references":[` + many + "]"} {
		b := doc(cna, "")
		testkit.Allocates(t, 16<<20, func() {
			if _, err := convert(b); err == nil || !strings.Contains(err.Error(), "objects, more than 50000") {
				t.Errorf("%v", err)
			}
		})
	}
}

// A fix is the oldest version after the range that is not affected, wherever it is listed.
func TestTrapFixAmongMany(t *testing.T) {
	a := mustConvert(t, doc(`"affected":[{"vendor":"x","product":"y","collectionURL":"https://wordpress.org/plugins","packageName":"y","versions":[`+
		`{"version":"3.0","status":"unaffected"},{"version":"0","lessThanOrEqual":"1.9","status":"affected"},`+
		`{"version":"1.10","status":"unaffected"},{"version":"1.2","status":"unaffected"}]}]`, ""))
	if got := a.Affected[0].Ranges[0].Events[1].Fixed; got != "1.10" {
		t.Errorf("fixed in %q, want 1.10", got)
	}
}
