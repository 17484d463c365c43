package match_test

import (
	"strings"
	"testing"

	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/index"
)

// TestRatings: a finding has the rating of the first who rated it: the advisory, the
// distribution, the CNA, CISA, NVD, and then other advisories. It names the rater.
func TestRatings(t *testing.T) {
	const (
		critical = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
		high     = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"
		medium   = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N"
		low      = "CVSS:3.1/AV:L/AC:H/PR:H/UI:N/S:U/C:L/I:N/A:N"
		v4       = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N"
	)
	rating := func(by, org, score string) string {
		return `{"by":"` + by + `","org":"` + org + `","type":"CVSS_V3","score":"` + score + `"}`
	}
	cve := func(ratings ...string) string {
		return `{"id":"CVE-2024-1000","modified":"2024-01-01T00:00:00Z","severity":[{"type":"CVSS_V3","score":"` + low + `"}],
			"database_specific":{"ratings":[` + strings.Join(ratings, ",") + `]}}`
	}
	distribution := func(record, entry string) string {
		return `{"id":"DEBIAN-CVE-2024-1000","upstream":["CVE-2024-1000"],"modified":"2024-01-01T00:00:00Z"` + record + `,
			"affected":[{"package":{"ecosystem":"Debian:12","name":"bash"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}]` + entry + `}]}`
	}
	bare := distribution("", "")
	ghsa := `{"id":"GHSA-aaaa-bbbb-cccc","aliases":["CVE-2024-1000"],"modified":"2024-01-01T00:00:00Z","severity":[{"type":"CVSS_V3","score":"` + critical + `"}]}`
	for _, tt := range []struct {
		name    string
		records map[string]string // by source
		want    string
	}{
		{"the CNA before CISA", map[string]string{"debian": bare, "cve": cve(rating("cna", "GitHub_M", medium), rating("cisa-adp", "", critical))}, "medium CNA GitHub_M: CVSS 3.1"},
		{"in any order", map[string]string{"debian": bare, "cve": cve(rating("cisa-adp", "", critical), rating("cna", "GitHub_M", medium))}, "medium CNA GitHub_M: CVSS 3.1"},
		{"CISA before NVD, in another source", map[string]string{"debian": bare, "a": cve(rating("nvd", "", critical)), "b": cve(rating("cisa-adp", "", medium))}, "medium CISA ADP: CVSS 3.1"},
		{"NVD", map[string]string{"debian": bare, "nvd": cve(rating("nvd", "", high))}, "high NVD: CVSS 3.1"},
		{"the worse of two records of NVD", map[string]string{"debian": bare, "a": cve(rating("nvd", "", medium)), "b": cve(rating("nvd", "", high))}, "high NVD: CVSS 3.1"},
		{"NVD before another advisory", map[string]string{"debian": bare, "nvd": cve(rating("nvd", "", high)), "osv": ghsa}, "high NVD: CVSS 3.1"},
		{"another advisory where nobody else rates", map[string]string{"debian": bare, "osv": ghsa}, "critical GHSA-aaaa-bbbb-cccc: CVSS 3.1"},
		{"the newest CVSS of one rater", map[string]string{"debian": bare, "cve": cve(rating("cna", "x", critical), rating("cna", "x", v4))}, "medium CNA x: CVSS 4.0"},
		{"the advisory before all", map[string]string{"debian": distribution(`,"severity":[{"type":"CVSS_V3","score":"`+low+`"}]`, ""), "cve": cve(rating("cna", "x", critical))}, "low DEBIAN-CVE-2024-1000: CVSS 3.1"},
		{"the distribution before all", map[string]string{"debian": distribution("", `,"ecosystem_specific":{"urgency":"low"}`), "cve": cve(rating("cna", "x", critical))}, "low debian: low"},
		{"an unknown rater and no vector", map[string]string{"debian": bare, "cve": cve(rating("me", "x", critical), rating("cna", "x", ""), rating("nvd", "", "AV:N"))}, "low CVE-2024-1000: CVSS 3.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var all []advisory.Advisory
			for source, text := range tt.records {
				a, err := advisory.Parse([]byte(text))
				if err != nil {
					t.Fatal(err)
				}
				a.Source = source
				all = append(all, a)
			}
			f := only(t, debian12([]inventory.Package{{Type: "deb", Name: "bash", Version: "5.2-1"}}), index.NewMemory(all, nil))
			if got := string(f.Severity) + " " + f.SeveritySource; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
