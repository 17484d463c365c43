package match_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"assay/inspect/inventory"
	"assay/service/distro"
	"assay/service/match"
)

// publishes makes "own" the source of the distribution of an inventory, for one test.
func publishes(t testing.TB, inv inventory.Inventory) {
	t.Helper()
	r, reason := distro.Of(inv)
	if reason != "" {
		t.Fatal(reason)
	}
	before := r.Distribution.Publisher
	t.Cleanup(func() { r.Distribution.Publisher = before })
	r.Distribution.Publisher = "own"
}

// TestPublisher checks when the distribution's own source decides in the place of osv.
func TestPublisher(t *testing.T) {
	debian := debian12([]inventory.Package{pkg("p", "1")})
	withPro := ubuntu("22.04", pkg("p", "1"), pkg("q", "1+esm1"))
	noPro := ubuntu("22.04", pkg("p", "1"))
	rhel := inventory.Inventory{System: system("rhel", "9.2"), Packages: []inventory.Package{onePackage("rpm", "p", "0:1-1.el9")}}
	extended := rhel
	extended.System.CPE = "cpe:/o:redhat:rhel_eus:9.2::baseos"
	module := rhel
	module.Packages = []inventory.Package{onePackage("rpm", "p", "0:1-1.module+el9.1.0+1+a")}
	module.Packages[0].Module = "p:1:9010020220101000000:a"

	record := func(source, id, upstream string, entries ...string) string {
		return source + ` {"id":"` + id + `","upstream":["` + strings.ReplaceAll(upstream, " ", `","`) + `"],"affected":[` + strings.Join(entries, ",") + `]}`
	}
	tracker := func(source string, entries ...string) string {
		return record(source, "DEBIAN-CVE-2024-1111", "CVE-2024-1111", entries...)
	}
	deb := func(fixed string) string { return affects("Debian:12", "p", fixed) }
	with := func(entry, more string) string { return strings.TrimSuffix(entry, "}") + `,` + more + `}` }
	not := `{"package":{"ecosystem":"Debian:12","name":"p"},"ecosystem_specific":{"status":"not affected"}}`
	notice := func(entry string) string { return with(entry, `"database_specific":{"informational":"notice"}`) }
	withdrawn := func(record string) string {
		return strings.Replace(record, "{", `{"withdrawn":"2024-02-01T00:00:00Z",`, 1)
	}
	std := func(fixed string) string { return affects("Ubuntu:22.04:LTS", "p", fixed) }
	pro := func(fixed string) string { return affects("Ubuntu:Pro:22.04:LTS", "p", fixed) }
	base := func(fixed string) string { return affects("Red Hat:enterprise_linux:9::baseos", "p", fixed) }
	eus := func(fixed string) string { return affects("Red Hat:rhel_eus:9.2::baseos", "p", fixed) }
	const bad = "0-" // a version that cannot be compared
	const eight = "CVE-2024-1111 CVE-2024-2222 CVE-2024-3333"

	for _, tt := range []struct {
		name    string
		inv     inventory.Inventory
		records []string
		want    string // findings as "ID fix" without the common prefix, and gaps as "!"
	}{
		{"osv alone", debian, []string{tracker("osv", deb("2"))}, "1111 2"},
		{"the publisher alone", debian, []string{tracker("own", deb("2"))}, "1111 2"},
		{"an older fix", debian, []string{tracker("osv", deb("3")), tracker("own", deb("2"))}, "1111 2"},
		{"no fix", debian, []string{tracker("osv", deb("3")), tracker("own", deb(""))}, "1111 -"},
		{"fixed before", debian, []string{tracker("osv", deb("3")), tracker("own", deb("1"))}, ""},
		{"not affected", debian, []string{tracker("osv", deb("3")), tracker("own", not)}, ""},
		{"affected, and osv is not", debian, []string{tracker("osv", deb("1")), tracker("own", deb("2"))}, "1111 2"},
		{"another vulnerability", debian, []string{tracker("osv", deb("3")), record("own", "DEBIAN-CVE-2024-2222", "CVE-2024-2222", deb("1"))}, "1111 3"},
		{"another package", debian, []string{tracker("osv", deb("3")), tracker("own", affects("Debian:12", "q", "1"))}, "1111 3"},
		{"another release", debian, []string{tracker("osv", deb("3")), tracker("own", affects("Debian:11", "p", "1"))}, "1111 3"},
		{"a record without the package", debian, []string{tracker("osv", deb("3")), tracker("own")}, "1111 3"},

		{"an entry that fails", debian, []string{tracker("osv", deb("3")), tracker("own", deb(bad))}, "1111 3!"},
		{"one of two entries fails", debian, []string{tracker("osv", deb("3")), tracker("own", deb("1"), deb(bad))}, "1111 3!"},
		{"one of two records fails", debian, []string{tracker("osv", deb("3")), tracker("own", deb("1")), record("own", "DSA-1-1", eight, deb(bad))}, "1111 3!"},
		{"the copy fails", debian, []string{tracker("osv", deb(bad)), tracker("own", deb("2"))}, "1111 2"},
		{"the copy fails, not affected", debian, []string{tracker("osv", deb(bad)), tracker("own", not)}, ""},
		{"both fail", debian, []string{tracker("osv", deb(bad)), tracker("own", deb(bad))}, "!"},
		{"the copy fails, about another vulnerability", debian, []string{record("osv", "DSA-1-1", eight, deb(bad)), tracker("own", deb("1"))}, "!"},
		{"an imported file fails", debian, []string{tracker("import", deb(bad)), tracker("own", deb("1"))}, "!"},

		{"withdrawn", debian, []string{tracker("osv", deb("3")), withdrawn(tracker("own", deb("1")))}, "1111 3"},
		{"a notice", debian, []string{tracker("osv", deb("3")), tracker("own", notice(deb("1")))}, "1111 3"},
		{"a notice with a finding", debian, []string{tracker("osv", deb("3")), tracker("own", notice(deb("2")))}, "1111 3"},
		{"the copy is a notice", debian, []string{tracker("osv", notice(deb("3"))), tracker("own", deb("2"))}, "1111 2"},

		{"an imported file adds", debian, []string{tracker("osv", deb("4")), tracker("own", deb("1")), tracker("import", deb("3"))}, "1111 3"},
		{"an imported file does not decide", debian, []string{tracker("osv", deb("3")), tracker("import", deb("1"))}, "1111 3"},

		{"errata of several CVEs", debian, []string{record("osv", "DSA-1-1", eight, deb("3")), record("own", "DSA-1-1", eight, deb("2"))}, "1111 2, 2222 2, 3333 2"},
		{"an erratum of several CVEs, fixed before", debian, []string{record("osv", "DSA-1-1", eight, deb("3")), record("own", "DSA-1-1", eight, deb("1"))}, ""},
		{"another erratum of several CVEs, fixed before", debian, []string{record("osv", "DSA-1-1", eight, deb("3")), record("own", "DSA-2-1", eight, deb("1"))}, ""},
		{"an erratum of some CVEs", debian, []string{record("osv", "DSA-1-1", eight, deb("3")), record("own", "DSA-2-1", "CVE-2024-1111 CVE-2024-3333", deb("1"))}, "2222 3"},
		{"a record of one of several CVEs", debian, []string{record("osv", "DSA-1-1", eight, deb("3")), tracker("own", not)}, "2222 3, 3333 3"},
		{"an erratum for the copy of a record", debian, []string{tracker("osv", deb("3")), record("own", "DSA-2-1", eight, deb("1"))}, ""},
		{"a failing erratum decides about none of its CVEs", debian, []string{record("osv", "DSA-1-1", eight, deb("3")), record("own", "DSA-2-1", eight, deb(bad))}, "1111 3, 2222 3, 3333 3!"},
		{"an id that contradicts its alias", debian, []string{tracker("osv", deb("3")), `own {"id":"DEBIAN-CVE-2024-1111","aliases":["CVE-2024-9999"],"affected":[` + deb("1") + `]}`}, "9999 3"},

		{"Pro without a subscription", noPro, []string{record("osv", "UBUNTU-CVE-2024-1111", "", std("3")), record("own", "UBUNTU-CVE-2024-1111", "", pro("1"))}, "1111 3"},
		{"Pro without a subscription, affected", noPro, []string{record("osv", "UBUNTU-CVE-2024-1111", "", std("3")), record("own", "UBUNTU-CVE-2024-1111", "", pro("2"))}, "1111 3"},
		{"the release for a copy about Pro", noPro, []string{record("osv", "UBUNTU-CVE-2024-1111", "", pro("3")), record("own", "UBUNTU-CVE-2024-1111", "", std("1"))}, ""},
		{"Pro with a subscription", withPro, []string{record("osv", "UBUNTU-CVE-2024-1111", "", std("3")), record("own", "UBUNTU-CVE-2024-1111", "", pro("1"))}, ""},
		{"the release for a copy about Pro, with a subscription", withPro, []string{record("osv", "UBUNTU-CVE-2024-1111", "", pro("3")), record("own", "UBUNTU-CVE-2024-1111", "", std("1"))}, "1111 3"},
		{"an entry for all releases", debian, []string{tracker("osv", deb("3")), tracker("own", affects("Debian", "p", "1"))}, "1111 3"},

		{"extended support", extended, []string{record("osv", "RHSA-1", eight, eus("2-1.el9_2")), record("own", "REDHAT-CVE-2024-1111", "CVE-2024-1111", eus("1-1.el9"))}, "2222 2-1.el9_2, 3333 2-1.el9_2"},
		{"the whole release does not decide for extended support", extended, []string{record("osv", "RHSA-1", "CVE-2024-1111", eus("2-1.el9_2")), record("own", "REDHAT-CVE-2024-1111", "CVE-2024-1111", base("1-1.el9"))}, "1111 2-1.el9_2"},
		{"extended support decides for the whole release", extended, []string{record("osv", "RHSA-1", "CVE-2024-1111", base("2-1.el9_2")), record("own", "REDHAT-CVE-2024-1111", "CVE-2024-1111", eus("1-1.el9"))}, ""},
		{"the fix of another build", module, []string{record("osv", "RHSA-1", "CVE-2024-1111", base("2-1.module+el9.2.0+2+b")), record("own", "REDHAT-CVE-2024-1111", "CVE-2024-1111", base("1-1.el9"))}, "1111 2-1.module+el9.2.0+2+b"},
		{"the fix of the module build", module, []string{record("osv", "RHSA-1", "CVE-2024-1111", base("2-1.module+el9.2.0+2+b")), record("own", "REDHAT-CVE-2024-1111", "CVE-2024-1111", base("1-1.module+el9.0.0+0+c"))}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			publishes(t, tt.inv)
			main := `osv {"id":"X-CVE-2000-0001","affected":[` + base("1") + `,` + eus("1") + `]}`
			records := append(slices.Clone(tt.records), main)
			var last match.Result
			for _, order := range [][]string{records, reversed(records)} {
				res, err := match.Inventory(tt.inv, from(t, order...), nil, day)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, f := range res.Findings {
					fixed := f.Fixed
					if fixed == "" {
						fixed = "-"
					}
					got = append(got, strings.TrimPrefix(f.ID, "CVE-2024-")+" "+fixed)
				}
				text := strings.Join(got, ", ")
				if len(res.NotEvaluated) > 0 {
					text += "!"
				}
				if text != tt.want {
					t.Errorf("got %q, want %q; not evaluated: %+v", text, tt.want, res.NotEvaluated)
				}
				last = res
			}
			// A memo gives the same.
			memo, ix := match.NewMemo(), from(t, records...)
			for range 2 {
				res, err := match.Inventory(tt.inv, ix, memo, day)
				if err != nil || len(res.Findings) != len(last.Findings) || len(res.NotEvaluated) != len(last.NotEvaluated) {
					t.Errorf("with a memo: %v, %+v", err, res)
				}
			}
		})
	}
}

func reversed(list []string) []string {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

// TestPublisherTraced checks that the trace names the record that decides.
func TestPublisherTraced(t *testing.T) {
	inv := debian12([]inventory.Package{pkg("p", "1")})
	publishes(t, inv)
	for _, tt := range []struct{ fixed, verdict string }{{"3", match.EntryAffects}, {"0-", match.EntryNotComparable}} {
		ix := from(t, `osv {"id":"DEBIAN-CVE-2024-1111","affected":[`+affects("Debian:12", "p", tt.fixed)+`]}`,
			`own {"id":"DSA-1-1","upstream":["CVE-2024-1111","CVE-2024-2222"],"affected":[`+affects("Debian:12", "p", "1")+`]}`)
		_, trace, err := match.InventoryTraced(inv, ix, day)
		if err != nil {
			t.Fatal(err)
		}
		entries := trace.Packages[0].Entries
		if len(entries) != 2 || entries[0].Verdict != tt.verdict || entries[1].Overruled != nil {
			t.Fatalf("entries %+v", entries)
		}
		const want = "DSA-1-1 takes precedence, because its source own is the distribution's own"
		if got := entries[0].Overruled["CVE-2024-1111"]; got != want {
			t.Errorf("%s: overruled: %q, want %q", tt.fixed, got, want)
		}
	}
}

// TestPublisherIndexErrors: errors of the index are returned, wherever they occur.
func TestPublisherIndexErrors(t *testing.T) {
	inv := debian12([]inventory.Package{pkg("p", "1")})
	publishes(t, inv)
	ix := from(t, `osv {"id":"DEBIAN-CVE-2024-1111","affected":[`+affects("Debian:12", "p", "3")+`]}`,
		`own {"id":"DSA-1-1","upstream":["CVE-2024-1111","CVE-2024-2222"],"affected":[`+affects("Debian:12", "p", "1")+`]}`)
	for n := range 100 {
		left := n
		_, err := match.Inventory(inv, failing{ix, &left}, nil, day)
		if err == nil {
			if n < 8 {
				t.Errorf("no error after %d questions", n)
			}
			return
		}
		if !errors.Is(err, errIndex) {
			t.Fatal(err)
		}
	}
	t.Error("the questions do not end")
}
