package index_test

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/service/advisory"
	"assay/service/index"
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
		{"package":{"ecosystem":"Debian:12","name":"odd"},"versions":["1"],"ecosystem_specific":{"urgency":["x"]}},
		{"package":{"ecosystem":"Debian:12","name":"clean"},"ecosystem_specific":{"status":"not affected"}},
		{"package":{"ecosystem":"Debian:12","name":"old"},"versions":["1"],"ecosystem_specific":{"urgency":"end-of-life"}}]}`)
	early, late := time.Unix(1000, 0), time.Unix(2000, 0)
	seen := func(ecosystem, pkg, version string) time.Time {
		return map[string]time.Time{"Debian:12 P 2": late, "Debian:12 P 4": early}[ecosystem+" "+pkg+" "+version]
	}
	want := []index.Entry{
		{Key: index.Key{Ecosystem: "Debian:12", Name: "P"}, Affected: index.Affected{
			Advisory: a.ID, Versions: []string{"1"}, Severity: []advisory.Severity{{Type: "CVSS_V3", Score: "x"}}, Urgency: "low",
			Ranges: []index.Range{{Type: "ECOSYSTEM", FirstSeen: early, Events: []advisory.Event{{Introduced: "0"}, {Fixed: "2"}, {Introduced: "3"}, {Fixed: "4"}}}}}},
		{Key: index.Key{Ecosystem: "PyPI", Name: "foo-bar"}, Affected: index.Affected{
			Advisory: a.ID, Ranges: []index.Range{{Type: "SEMVER", Events: []advisory.Event{{Introduced: "1"}}}}}},
		{Key: index.Key{Ecosystem: "Ubuntu:22.04:LTS", Name: "P"}, Affected: index.Affected{Advisory: a.ID, Versions: []string{"1"}, Urgency: "medium"}},
		{Key: index.Key{Ecosystem: "Debian:12", Name: "odd"}, Affected: index.Affected{Advisory: a.ID, Versions: []string{"1"}}},
		{Key: index.Key{Ecosystem: "Debian:12", Name: "clean"}, Affected: index.Affected{Advisory: a.ID, Status: advisory.StatusNotAffected}},
		{Key: index.Key{Ecosystem: "Debian:12", Name: "old"}, Affected: index.Affected{Advisory: a.ID, Versions: []string{"1"}, Status: advisory.StatusWontFix}},
	}
	if got := index.Entries(a, seen); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := index.Entries(a, nil); len(got) != len(want) || !got[0].Affected.Ranges[0].FirstSeen.IsZero() {
		t.Errorf("without first seen: %+v", got)
	}
	a.Withdrawn = &late
	if got := index.Entries(a, seen); got != nil {
		t.Errorf("withdrawn: %+v", got)
	}
}

func TestDescribe(t *testing.T) {
	for record, want := range map[string]index.Vulnerability{
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
		if got := index.Describe(parse(t, record)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", record, got, want)
		}
	}
	for _, text := range []string{strings.Repeat("é ", 1<<16), strings.Repeat(" ", 1<<16) + "x", strings.Repeat("x", 1<<16)} {
		if got := index.Describe(advisory.Advisory{Details: text}).Summary; len(got) > 300 || strings.ToValidUTF8(got, "") != got {
			t.Errorf("summary of %d bytes: %.50q", len(got), got)
		}
	}
}

// TestDescribeGenuine: the notices among RustSec's records, and GitHub's word.
func TestDescribeGenuine(t *testing.T) {
	for id, notice := range map[string]bool{
		"RUSTSEC-2017-0007": true, "RUSTSEC-2020-0071": false, "ALBA-2019_0973": true, "ALSA-2024_0265": false,
	} {
		if got := index.Describe(sampleRecord(t, id)); got.Notice != notice {
			t.Errorf("%s: notice %v", id, got.Notice)
		}
	}
	if got := index.Describe(sampleRecord(t, "GHSA-qgc7-mgm3-q253")).Severity; len(got) != 1 || got[0].Score != "LOW" {
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
		{"Root:PyPI", "rootio_Foo", "rootio-foo"},
		{"crates.io", "Remove_Dir-all", "remove-dir-all"},
		{"Maven", "Org.Slf4j:Slf4j-api", "Org.Slf4j:Slf4j-api"},
		{"RubyGems", "RedCloth", "RedCloth"},
		{"Packagist", "Symfony/Http-Kernel", "symfony/http-kernel"},
		{"Packagist:https://packages.drupal.org/8", "Drupal/Core", "drupal/core"},
		{"NuGet", "Newtonsoft.Json", "newtonsoft.json"},
		{"Go", "github.com/RobotsAndPencils/go-saml", "github.com/robotsandpencils/go-saml"},
		{"Go", "github.com/!burnt!sushi/toml", "github.com/burntsushi/toml"},
		{"SwiftURL", "https://github.com/Apple/swift-nio.git", "github.com/apple/swift-nio"},
		{"GitHub Actions", "Actions/Checkout", "actions/checkout"},
		{"Bitnami", "PostgreSQL", "postgresql"},
		{"AlmaLinux:8", "NetworkManager", "NetworkManager"},
		{"CRAN", "readxl", "readxl"},
		{"Julia", "OpenSSL_jll", "OpenSSL_jll"},
		{"Root:", "A", "A"},
	} {
		if got := index.NormalName(tt.ecosystem, tt.name); got != tt.want {
			t.Errorf("%s %s: %s", tt.ecosystem, tt.name, got)
		}
	}
}

// TestEntriesSpecific: what databases say in fields of their own.
func TestEntriesSpecific(t *testing.T) {
	const fixed = `"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"2"}]}]`
	entry := func(fields string) string {
		return `{"id":"X-1","affected":[{"package":{"ecosystem":"Go","name":"m"},` + fields + `}]}`
	}
	for _, tt := range []struct {
		name, record string
		arches       string // "-" where there is no entry
		ranges       string
	}{
		{"nothing", entry(fixed), "", "[0 2)"},
		{"another system", entry(fixed + `,"ecosystem_specific":{"imports":[{"path":"a","goos":["windows"]},{"path":"b","goos":["darwin","js"]}]}`), "-", ""},
		{"Linux among others", entry(fixed + `,"ecosystem_specific":{"imports":[{"path":"a","goos":["windows","linux"]}]}`), "", "[0 2)"},
		{"one import on all systems", entry(fixed + `,"ecosystem_specific":{"imports":[{"path":"a","goos":["windows"],"goarch":["386"]},{"path":"b"}]}`), "", "[0 2)"},
		{"architectures", entry(fixed + `,"ecosystem_specific":{"imports":[{"path":"a","goarch":["s390x","amd64"]},{"path":"b","goarch":["amd64"]},{"path":"c","goos":["windows"],"goarch":["386"]}]}`), "amd64 s390x", "[0 2)"},
		{"one import on all architectures", entry(fixed + `,"ecosystem_specific":{"imports":[{"path":"a"},{"path":"b","goarch":["amd64"]}]}`), "", "[0 2)"},
		{"a crate of another system", entry(fixed + `,"ecosystem_specific":{"affects":{"os":["windows"],"arch":[]}}`), "-", ""},
		{"a crate's architectures", entry(fixed + `,"ecosystem_specific":{"affects":{"os":["linux"],"arch":["x86_64","x86","aarch64"]}}`), "386 amd64 arm64", "[0 2)"},
		{"fields in another form", entry(fixed + `,"ecosystem_specific":{"imports":"all","affects":[]}`), "", "[0 2)"},
		{"tags in place of a range without an end", entry(`"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}],
			"ecosystem_specific":{"custom_ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2.1"}]}]}`), "", "[0 2.1)"},
		{"tags from a version on", entry(`"ranges":[{"type":"SEMVER","events":[{"introduced":"1.3.0"}]}],
			"ecosystem_specific":{"custom_ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2.1"},{"introduced":"3"},{"fixed":"3.1"}]}]}`), "", "[1.3.0 2.1)[3 3.1)"},
		{"tags that begin late", entry(`"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}],
			"ecosystem_specific":{"custom_ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"2"},{"fixed":"2.1"}]}]}`), "", "[2 2.1) [0 0.0.0]"},
		{"tags among pseudo-versions", entry(`"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}],
			"ecosystem_specific":{"custom_ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0.0.0-2020"},{"fixed":"0.0.0-2025"},{"introduced":"4"}]}]}`), "", "[0.0.0-2020 0.0.0-2025)[4"},
		{"tags and a range that ends", entry(fixed + `,"ecosystem_specific":{"custom_ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2.1"}]}]}`), "", "[0 2)"},
	} {
		got := index.Entries(parse(t, tt.record), nil)
		if tt.arches == "-" {
			if len(got) > 0 {
				t.Errorf("%s: %+v", tt.name, got)
			}
			continue
		}
		if len(got) != 1 {
			t.Errorf("%s: %d entries", tt.name, len(got))
			continue
		}
		var ranges []string
		for _, r := range got[0].Affected.Ranges {
			text := ""
			for _, e := range r.Events {
				switch {
				case e.Introduced != "":
					text += "[" + e.Introduced
				case e.Fixed != "":
					text += " " + e.Fixed + ")"
				case e.LastAffected != "":
					text += " " + e.LastAffected + "]"
				}
			}
			ranges = append(ranges, text)
		}
		if arches := strings.Join(got[0].Affected.Arches, " "); arches != tt.arches || strings.Join(ranges, " ") != tt.ranges {
			t.Errorf("%s: architectures %q, ranges %q", tt.name, arches, ranges)
		}
	}
}

// TestEntriesModules: the streams that a summary names, if the fix is a module's
// build.
func TestEntriesModules(t *testing.T) {
	for _, tt := range []struct{ summary, fixed, want string }{
		{"Important: nodejs:18 security update", "1:18.1-1.module_el8.9.0+1+a", "nodejs:18"},
		{"Red Hat Security Advisory: python39:3.9 and python39-devel:3.9 security update", "0:5.4.1-1.module+el8.5.0+10613+59a13ec4", "python39-devel:3.9 python39:3.9"},
		{"Important: httpd:2.4/mod_http2, (php:8.2) security update", "1-1.module_el8.9.0+1+a", "httpd:2.4 php:8.2"},
		{"Moderate: container-tools security update", "1-1.module_el8.9.0+1+a", ""},
		{"Important: pam:1.5.1 security update", "1.5.1-22.el9", ""},
	} {
		got := index.Entries(parse(t, `{"id":"ALSA-1","summary":"`+tt.summary+`","affected":[`+affects("AlmaLinux:8", "p", tt.fixed)+`]}`), nil)
		if len(got) != 1 || strings.Join(got[0].Affected.Modules, " ") != tt.want {
			t.Errorf("%s: %+v", tt.summary, got)
		}
	}
}

// TestEntriesModularity: the stream in an entry's own field takes precedence over those in
// the summary.
func TestEntriesModularity(t *testing.T) {
	const entry = `{"package":{"ecosystem":"Rocky Linux:8","name":"p"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},` +
		`{"fixed":"1-1.module+el8.5.0+1+a"}]}],"ecosystem_specific":{"rpm_modularity":%s}}`
	for field, want := range map[string]string{
		`"ruby:2.6"`: "ruby:2.6", `""`: "ruby:2.5", `7`: "ruby:2.5", `null`: "ruby:2.5", `"` + strings.Repeat("x", 200) + `"`: "ruby:2.5",
	} {
		record := `{"id":"RLSA-2019:1972","summary":"Important: ruby:2.5 security update","affected":[` + fmt.Sprintf(entry, field) + `]}`
		if got := index.Entries(parse(t, record), nil); len(got) != 1 || !slices.Equal(got[0].Affected.Modules, []string{want}) {
			t.Errorf("%s: %+v, want %s", field, got, want)
		}
	}
}

func TestMemory(t *testing.T) {
	ix := indexOf(t,
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
	if vs, _ := ix.Vulnerabilities("C"); len(vs) != 0 {
		t.Error("a withdrawn record is there")
	}
	if vs, _ := ix.Vulnerabilities("A"); len(vs) != 1 || vs[0].Aliases[0] != "W" {
		t.Errorf("A: %+v", vs)
	}
}

func parse(t testing.TB, record string) advisory.Advisory {
	t.Helper()
	// A time in the record replaces this one.
	a, err := advisory.Parse([]byte(strings.Replace(record, "{", `{"modified":"0001-01-01T00:00:00Z",`, 1)))
	if err != nil {
		t.Fatalf("%v in %s", err, record)
	}
	return a
}

func sampleRecord(t testing.TB, id string) advisory.Advisory {
	t.Helper()
	b, err := os.ReadFile(testkit.Path(t, "osv-samples", id+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(b))
}

// indexOf returns the index of records written as JSON.
func indexOf(t testing.TB, records ...string) *index.Memory {
	t.Helper()
	var all []advisory.Advisory
	for _, r := range records {
		all = append(all, parse(t, r))
	}
	return index.NewMemory(all, nil)
}

// affects is the JSON of an affected entry with one range.
func affects(ecosystem, name, fixed string) string {
	end := ""
	if fixed != "" {
		end = `,{"fixed":"` + fixed + `"}`
	}
	return `{"package":{"ecosystem":"` + ecosystem + `","name":"` + name + `"},
		"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}` + end + `]}]}`
}
