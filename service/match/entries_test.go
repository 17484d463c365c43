package match_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"assay/service/advisory"
	"assay/service/match"
)

func TestEntries(t *testing.T) {
	a := parse(t, `{"id":"DEBIAN-CVE-2024-1111","affected":[
		{"package":{"ecosystem":"Debian:12","name":"P"},"versions":["1"],"severity":[{"type":"CVSS_V3","score":"x"}],
		 "ecosystem_specific":{"urgency":"Low**"},
		 "ranges":[{"type":"GIT","events":[{"introduced":"0"},{"fixed":"abc"}]},
			{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2"},{"introduced":"3"},{"fixed":"4"}]},
			{"type":"ECOSYSTEM","events":[]}]},
		{"package":{"ecosystem":"PyPI","name":"Foo_.Bar"},"ranges":[{"type":"SEMVER","events":[{"introduced":"1"}]}]},
		{"package":{"ecosystem":"Debian:12","name":"git"},"ranges":[{"type":"GIT","events":[{"introduced":"0"}]}]},
		{"package":{"ecosystem":"Debian:12","name":"nothing"}},
		{"package":{"ecosystem":"Debian:12"},"versions":["1"]},
		{"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}]},
		{"package":{"ecosystem":"Ubuntu:22.04:LTS","name":"P"},"versions":["1"],"ecosystem_specific":{"ubuntu_priority":"medium"}},
		{"package":{"ecosystem":"Debian:12","name":"odd"},"versions":["1"],"ecosystem_specific":{"urgency":["x"]}}]}`)
	early, late := time.Unix(1000, 0), time.Unix(2000, 0)
	seen := func(ecosystem, pkg, version string) time.Time {
		return map[string]time.Time{"Debian:12 P 2": late, "Debian:12 P 4": early}[ecosystem+" "+pkg+" "+version]
	}
	want := []match.Entry{
		{Ecosystem: "Debian:12", Name: "P", Affected: match.Affected{
			Advisory: a.ID, Versions: []string{"1"}, Severity: []advisory.Severity{{Type: "CVSS_V3", Score: "x"}}, Urgency: "low",
			Ranges: []match.Range{{Type: "ECOSYSTEM", FirstSeen: early, Events: []advisory.Event{{Introduced: "0"}, {Fixed: "2"}, {Introduced: "3"}, {Fixed: "4"}}}}}},
		{Ecosystem: "PyPI", Name: "foo-bar", Affected: match.Affected{
			Advisory: a.ID, Ranges: []match.Range{{Type: "SEMVER", Events: []advisory.Event{{Introduced: "1"}}}}}},
		{Ecosystem: "Ubuntu:22.04:LTS", Name: "P", Affected: match.Affected{Advisory: a.ID, Versions: []string{"1"}, Urgency: "medium"}},
		{Ecosystem: "Debian:12", Name: "odd", Affected: match.Affected{Advisory: a.ID, Versions: []string{"1"}}},
	}
	if got := match.Entries(a, seen); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := match.Entries(a, nil); len(got) != 4 || !got[0].Affected.Ranges[0].FirstSeen.IsZero() {
		t.Errorf("without first seen: %+v", got)
	}
	a.Withdrawn = &late
	if got := match.Entries(a, seen); got != nil {
		t.Errorf("withdrawn: %+v", got)
	}
}

func TestDescribe(t *testing.T) {
	for record, want := range map[string]match.Vulnerability{
		`{"id":"A","aliases":["B"],"upstream":["C"],"related":["D"],"summary":"s","details":"d","severity":[{"type":"CVSS_V2","score":"x"}],
			"database_specific":{"severity":"HIGH"}}`: {
			ID: "A", Aliases: []string{"B"}, Upstream: []string{"C"}, Related: []string{"D"}, Summary: "s",
			Severity: []advisory.Severity{{Type: "CVSS_V2", Score: "x"}}},
		`{"id":"A","details":" one\n\ttwo ","database_specific":{"severity":"HIGH","known_exploited":true}}`: {
			ID: "A", Summary: "one two", KnownExploited: true, Severity: []advisory.Severity{{Type: "word", Score: "HIGH"}}},
		`{"id":"A","database_specific":{"known_exploited":false,"severity":3}}`: {ID: "A"},
		`{"id":"A","database_specific":{"known_exploited":null}}`:               {ID: "A"},
		`{"id":"A","database_specific":{"known_exploited":{}}}`:                 {ID: "A", KnownExploited: true},
		`{"id":"A","database_specific":[]}`:                                     {ID: "A"},
		`{"id":"A","affected":[{"database_specific":{"informational":"unmaintained"}}]}`: {
			ID: "A", Notice: true},
		`{"id":"A","affected":[{"database_specific":{"informational":"unsound"}}]}`: {ID: "A"},
		`{"id":"ALBA-1","summary":"s"}`:                                             {ID: "ALBA-1", Summary: "s", Notice: true},
		`{"id":"ALSA-1"}`:                                                           {ID: "ALSA-1"},
		`{"id":"RLBA-1","related":["CVE-2024"]}`:                                    {ID: "RLBA-1", Related: []string{"CVE-2024"}, Notice: true},
	} {
		if got := match.Describe(parse(t, record)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", record, got, want)
		}
	}
	for _, text := range []string{strings.Repeat("é ", 1<<16), strings.Repeat(" ", 1<<16) + "x", strings.Repeat("x", 1<<16)} {
		if got := match.Describe(advisory.Advisory{Details: text}).Summary; len(got) > 300 || strings.ToValidUTF8(got, "") != got {
			t.Errorf("summary of %d bytes: %.50q", len(got), got)
		}
	}
}

// TestDescribeGenuine: the notices among RustSec's records, and GitHub's word.
func TestDescribeGenuine(t *testing.T) {
	for id, notice := range map[string]bool{
		"RUSTSEC-2017-0007": true, "RUSTSEC-2020-0071": false, "ALBA-2019_0973": true, "ALSA-2024_0265": false,
	} {
		if got := match.Describe(sampleRecord(t, id)); got.Notice != notice {
			t.Errorf("%s: notice %v", id, got.Notice)
		}
	}
	if got := match.Describe(sampleRecord(t, "GHSA-qgc7-mgm3-q253")).Severity; len(got) != 1 || got[0].Score != "LOW" {
		t.Errorf("GHSA-qgc7-mgm3-q253: %v", got)
	}
}

func TestNormalName(t *testing.T) {
	for _, tt := range []struct{ ecosystem, name, want string }{
		{"Debian:12", "libstdc++6", "libstdc++6"},
		{"Debian:12", "A_b.C", "A_b.C"},
		{"npm", "@Types/Node", "@Types/Node"},
		{"PyPI", "Zope.Interface", "zope-interface"},
		{"PyPI", "a__b-._c", "a-b-c"},
	} {
		if got := match.NormalName(tt.ecosystem, tt.name); got != tt.want {
			t.Errorf("%s %s: %s", tt.ecosystem, tt.name, got)
		}
	}
}

func TestMemory(t *testing.T) {
	ix := index(t,
		`{"id":"B","upstream":["U"],"aliases":["U","V"],"affected":[`+affects("E", "p", "2")+`,`+affects("E", "p", "3")+`,`+affects("F", "p", "")+`]}`,
		`{"id":"A","aliases":["V"],"affected":[`+affects("E", "p", "1")+`]}`,
		`{"id":"C","withdrawn":"2024-01-01T00:00:00Z","aliases":["V"],"affected":[`+affects("E", "p", "1")+`]}`,
		`{"id":"A","aliases":["W"],"affected":[`+affects("E", "p", "4")+`]}`, // a later version
	)
	entries, err := ix.Affected("E", "p")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Advisory+e.Ranges[0].Events[1].Fixed)
	}
	if want := []string{"A4", "B2", "B3"}; !reflect.DeepEqual(got, want) {
		t.Errorf("affected %q, want %q", got, want)
	}
	for ecosystem, want := range map[string]int{"E": 2, "F": 1, "G": 0} {
		if n, err := ix.Records(ecosystem); n != want || err != nil {
			t.Errorf("%s: %d records, %v", ecosystem, n, err)
		}
	}
	for name, want := range map[string][]string{"U": {"B"}, "V": {"B"}, "W": {"A"}, "X": nil} {
		if refs, err := ix.Referrers(name); !reflect.DeepEqual(refs, want) || err != nil {
			t.Errorf("referrers of %s: %q, %v", name, refs, err)
		}
	}
	if _, ok, _ := ix.Vulnerability("C"); ok {
		t.Error("a withdrawn record is there")
	}
	if v, ok, _ := ix.Vulnerability("A"); !ok || v.Aliases[0] != "W" {
		t.Errorf("A: %+v, %v", v, ok)
	}
}
