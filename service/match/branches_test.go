package match_test

import (
	"strings"
	"testing"
	"time"

	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/index"
	"assay/service/match"
)

// TestBranches: a record with one range for all versions does not count where another
// record has the fix of the installed branch. One with ranges of its own does.
func TestBranches(t *testing.T) {
	entry := func(id, alias, ranges string) string {
		return `{"id":"` + id + `","aliases":[` + alias + `],"modified":"2024-01-01T00:00:00Z",
			"affected":[{"package":{"ecosystem":"WordPress","name":"core"},"ranges":[` + ranges + `]}]}`
	}
	from := func(start, fixed string) string {
		return `{"type":"ECOSYSTEM","events":[{"introduced":"` + start + `"},{"fixed":"` + fixed + `"}]}`
	}
	coarse := entry("CVE-2022-21661", "", from("0", "5.8.3"))
	precise := entry("WF-1", `"CVE-2022-21661"`, from("5.6", "5.6.7")+","+from("5.7", "5.7.5")+","+from("5.8", "5.8.3"))
	ranges := entry("CVE-2022-21661", "", from("5.7", "5.7.6")+","+from("5.8", "5.8.3"))
	// both is a record with the affected entries of two.
	both := func(a, b string) string {
		_, entries, _ := strings.Cut(b, `"affected":[`)
		return strings.TrimSuffix(a, "]}") + "," + entries
	}
	for _, tt := range []struct {
		name    string
		version string
		records []string
		found   bool
		fixed   string
	}{
		{"the coarse record alone", "5.7.5", []string{coarse}, true, "5.8.3"},
		{"fixed in the branch", "5.7.5", []string{coarse, precise}, false, ""},
		{"fixed in the branch, written with two numbers", "5.7", []string{coarse, entry("WF-1", `"CVE-2022-21661"`, from("5.7", "5.7")+","+from("5.8", "5.8.3"))}, false, ""},
		{"affected in the branch", "5.7.4", []string{coarse, precise}, true, "5.8.3"},
		{"a branch that the other record does not have", "5.5.9", []string{coarse, precise}, true, "5.8.3"},
		{"another record has ranges of its own", "5.7.5", []string{ranges, precise}, true, "5.7.6"},
		{"before the range of its branch", "5.7.1", []string{coarse, entry("WF-1", `"CVE-2022-21661"`, from("5.7.3", "5.7.5")+","+from("5.8", "5.8.3"))}, true, "5.8.3"},
		{"the coarse record ends in the branch", "5.7.5", []string{entry("CVE-2022-21661", "", from("0", "5.7.6")), precise}, true, "5.7.6"},
		{"another entry of the same record", "5.7.5", []string{both(coarse, precise)}, true, "5.8.3"},
		{"after all ranges", "5.8.3", []string{coarse, precise}, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var all []advisory.Advisory
			for i, text := range tt.records {
				a, err := advisory.Parse([]byte(text))
				if err != nil {
					t.Fatal(err)
				}
				a.Source = [...]string{"cve", "wordfence"}[i]
				all = append(all, a)
			}
			inv := inventory.Inventory{Packages: []inventory.Package{{Type: "wordpress", Name: "core", Version: tt.version}}}
			res, err := match.Inventory(inv, index.NewMemory(all, nil), nil, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case len(res.Findings) != 0 != tt.found:
				t.Errorf("%d findings, want %t", len(res.Findings), tt.found)
			case tt.found && res.Findings[0].Fixed != tt.fixed:
				t.Errorf("fixed in %q, want %q", res.Findings[0].Fixed, tt.fixed)
			}
		})
	}
}

// TestDecidedElsewhere: a record that cannot be evaluated does not count where another
// source's record of the vulnerability can be.
func TestDecidedElsewhere(t *testing.T) {
	entry := func(id, alias, end string) string {
		return `{"id":"` + id + `","aliases":[` + alias + `],"modified":"2024-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"WordPress","name":"plugin/p"},
			"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"last_affected":"` + end + `"}]}]}]}`
	}
	unclear := entry("CVE-2023-4252", "", "n/a")
	for _, tt := range []struct {
		name, other, source string
		gaps, findings      int
	}{
		{"alone", "", "", 1, 0},
		{"another source says that it is not affected", entry("WF-1", `"CVE-2023-4252"`, "3.3.2"), "wordfence", 0, 0},
		{"another source says that it is affected", entry("WF-1", `"CVE-2023-4252"`, "4.1"), "wordfence", 0, 1},
		{"another source has another vulnerability", entry("WF-1", `"CVE-2023-4253"`, "3.3.2"), "wordfence", 1, 0},
		{"another source cannot be evaluated either", entry("WF-1", `"CVE-2023-4252"`, "unknown"), "wordfence", 2, 0},
		{"another record of the same source", entry("X-1", `"CVE-2023-4252"`, "3.3.2"), "cve", 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var all []advisory.Advisory
			for text, source := range map[string]string{unclear: "cve", tt.other: tt.source} {
				if text == "" {
					continue
				}
				a, err := advisory.Parse([]byte(text))
				if err != nil {
					t.Fatal(err)
				}
				a.Source = source
				all = append(all, a)
			}
			inv := inventory.Inventory{Packages: []inventory.Package{{Type: "wordpress", Name: "plugin/p", Version: "4.0"}}}
			res, err := match.Inventory(inv, index.NewMemory(all, nil), nil, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			if len(res.NotEvaluated) != tt.gaps || len(res.Findings) != tt.findings {
				t.Errorf("%d gaps and %d findings, want %d and %d: %+v", len(res.NotEvaluated), len(res.Findings), tt.gaps, tt.findings, res.NotEvaluated)
			}
		})
	}
}

// TestDecidedByOthers: which sources do not decide about a record that cannot be evaluated.
func TestDecidedByOthers(t *testing.T) {
	const unclear, old = `[{"introduced":"0"},{"last_affected":"n/a"}]`, `[{"introduced":"0"},{"fixed":"1.0"}]`
	entry := func(events, specific string) string {
		return `{"package":{"ecosystem":"WordPress","name":"plugin/p"},"ranges":[{"type":"ECOSYSTEM","events":` + events + `}]` + specific + `}`
	}
	notice := `,"database_specific":{"informational":"notice"}`
	type record struct{ source, id, aliases, entries string }
	cve := func(source, entries string) record { return record{source, "CVE-2023-4252", "", entries} }
	wordfence := func(entries string) record { return record{"wordfence", "WF-1", `"CVE-2023-4252"`, entries} }
	for _, tt := range []struct {
		name    string
		records []record
		gaps    int
	}{
		{"another source", []record{cve("cve", entry(unclear, "")), wordfence(entry(old, ""))}, 0},
		{"a notice", []record{cve("cve", entry(unclear, "")), wordfence(entry(old, notice))}, 1},
		{"another source in part", []record{cve("cve", entry(unclear, "")), wordfence(entry(old, "") + "," + entry(unclear, ""))}, 2},
		{"two records of one id, of which one is evaluated in part", []record{cve("cve", entry(unclear, "")+","+entry(old, "")), cve("nvd", entry(unclear, ""))}, 1},
		{"two records of one id, and another source", []record{cve("cve", entry(unclear, "")+","+entry(old, "")), cve("nvd", entry(unclear, "")), wordfence(entry(old, ""))}, 0},
		{"NVD for its overrides", []record{cve("nvd", entry(old, "")), cve("nvd-overrides", entry(unclear, ""))}, 1},
		{"the overrides for NVD", []record{cve("nvd", entry(unclear, "")), cve("nvd-overrides", entry(old, ""))}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var all []advisory.Advisory
			for _, r := range tt.records {
				a, err := advisory.Parse([]byte(`{"id":"` + r.id + `","aliases":[` + r.aliases + `],"modified":"2024-01-01T00:00:00Z","affected":[` + r.entries + `]}`))
				if err != nil {
					t.Fatal(err)
				}
				a.Source = r.source
				all = append(all, a)
			}
			inv := inventory.Inventory{Packages: []inventory.Package{{Type: "wordpress", Name: "plugin/p", Version: "4.0"}}}
			res, err := match.Inventory(inv, index.NewMemory(all, nil), nil, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			if len(res.NotEvaluated) != tt.gaps || len(res.Findings) != 0 {
				t.Errorf("%d gaps and %d findings, want %d and none: %+v", len(res.NotEvaluated), len(res.Findings), tt.gaps, res.NotEvaluated)
			}
		})
	}
}

// TestOverriddenBranches: an entry of NVD that the overrides replace has no effect on
// theirs.
func TestOverriddenBranches(t *testing.T) {
	var all []advisory.Advisory
	for source, ranges := range map[string]string{
		"nvd":           `{"type":"ECOSYSTEM","events":[{"introduced":"5.7"},{"fixed":"5.7.5"}]},{"type":"ECOSYSTEM","events":[{"introduced":"5.8"},{"fixed":"5.8.3"}]}`,
		"nvd-overrides": `{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"5.8.3"}]}`,
	} {
		a, err := advisory.Parse([]byte(`{"id":"CVE-2022-21661","modified":"2024-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"WordPress","name":"core"},"ranges":[` + ranges + `]}]}`))
		if err != nil {
			t.Fatal(err)
		}
		a.Source = source
		all = append(all, a)
	}
	inv := inventory.Inventory{Packages: []inventory.Package{{Type: "wordpress", Name: "core", Version: "5.7.5"}}}
	res, err := match.Inventory(inv, index.NewMemory(all, nil), nil, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Findings) != 1 || res.Findings[0].Fixed != "5.8.3" {
		t.Errorf("findings %+v, want one that is fixed in 5.8.3", res.Findings)
	}
}
