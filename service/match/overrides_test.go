package match_test

import (
	"testing"
	"time"

	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/index"
	"assay/service/match"
)

// TestOverrides: where the overrides for NVD have an entry for a package and a CVE, that
// of NVD does not count. Entries of other sources, and for other CVEs, do.
func TestOverrides(t *testing.T) {
	type record struct{ source, id, fixed string }
	for _, tt := range []struct {
		name    string
		records []record
		fixed   string // of the finding, empty if there is none
	}{
		{"NVD alone", []record{{"nvd", "CVE-2024-1000", "6"}}, "6"},
		{"corrected to not affected", []record{{"nvd", "CVE-2024-1000", "6"}, {"nvd-overrides", "CVE-2024-1000", "5"}}, ""},
		{"corrected to another fix", []record{{"nvd", "CVE-2024-1000", "9"}, {"nvd-overrides", "CVE-2024-1000", "6"}}, "6"},
		{"another CVE", []record{{"nvd", "CVE-2024-1000", "6"}, {"nvd-overrides", "CVE-2024-1001", "5"}}, "6"},
		{"another source", []record{{"cve", "CVE-2024-1000", "6"}, {"nvd-overrides", "CVE-2024-1000", "5"}}, "6"},
		{"a range that cannot be compared", []record{{"nvd", "CVE-2024-1000", "6"}, {"nvd-overrides", "CVE-2024-1000", "no version"}}, "6"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var all []advisory.Advisory
			for _, r := range tt.records {
				a, err := advisory.Parse([]byte(`{"id":"` + r.id + `","modified":"2024-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"WordPress","name":"plugin/x"},
					"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"` + r.fixed + `"}]}]}]}`))
				if err != nil {
					t.Fatal(err)
				}
				a.Source = r.source
				all = append(all, a)
			}
			inv := inventory.Inventory{Packages: []inventory.Package{{Type: "wordpress", Name: "plugin/x", Version: "5.5"}}}
			res, err := match.Inventory(inv, index.NewMemory(all, nil), nil, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, f := range res.Findings {
				got += f.Fixed
			}
			if got != tt.fixed {
				t.Errorf("findings %+v, want the fix %q", res.Findings, tt.fixed)
			}
		})
	}
}
