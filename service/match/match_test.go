package match_test

import (
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/index"
	"assay/service/match"
	"assay/verdict"
)

// parse reads a record written as JSON.
func parse(t testing.TB, record string) advisory.Advisory {
	t.Helper()
	// A time in the record replaces this one.
	a, err := advisory.Parse([]byte(strings.Replace(record, "{", `{"modified":"0001-01-01T00:00:00Z",`, 1)))
	if err != nil {
		t.Fatalf("%v in %s", err, record)
	}
	return a
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

// some has other advisories of the systems, without which they are not evaluated.
var some = `{"id":"DEBIAN-CVE-2000-0001","affected":[` + affects("Debian:12", "other", "1") + `,` + affects("Ubuntu:22.04:LTS", "other", "1") + `]}`

func pkg(name, version string) inventory.Package {
	return inventory.Package{Type: "deb", Name: name, Version: version, Arch: "amd64", Source: name, SourceVersion: version}
}

func ubuntu(version string, pkgs ...inventory.Package) inventory.Inventory {
	return inventory.Inventory{System: inventory.System{ID: "ubuntu", IDLike: []string{"debian"}, VersionID: version}, Packages: pkgs}
}

func findings(t testing.TB, inv inventory.Inventory, ix match.Index) []match.Finding {
	t.Helper()
	res, err := match.Inventory(inv, ix, nil, day)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.NotEvaluated) > 0 {
		t.Errorf("not evaluated: %+v", res.NotEvaluated)
	}
	return res.Findings
}

func only(t testing.TB, inv inventory.Inventory, ix match.Index) match.Finding {
	t.Helper()
	all := findings(t, inv, ix)
	if len(all) != 1 {
		t.Fatalf("%d findings, want one: %+v", len(all), all)
	}
	return all[0]
}

func ids(findings []match.Finding) []string {
	var all []string
	for _, f := range findings {
		all = append(all, f.ID)
	}
	return all
}

func TestFindingWhole(t *testing.T) {
	seen := time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC)
	ix := index.NewMemory([]advisory.Advisory{
		parse(t, `{"id":"DEBIAN-CVE-2024-0727","published":"2024-01-26T09:15:00Z","upstream":["CVE-2024-0727"],"details":"A NULL\n  dereference.",
			"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:L/AC:L/PR:N/UI:R/S:U/C:N/I:N/A:H"}],
			"database_specific":{"known_exploited":{"date_added":"2024-02-02"}},
			"affected":[`+affects("Debian:12", "openssl", "3.0.13-1")+`]}`),
		parse(t, `{"id":"GHSA-9v9h-cgj8-h64p","aliases":["CVE-2024-0727"],
			"affected":[`+affects("PyPI", "cryptography", "42.0.2")+`]}`),
	}, func(id, ecosystem, pkg, version string) time.Time {
		if id+" "+ecosystem+" "+pkg+" "+version == "DEBIAN-CVE-2024-0727 Debian:12 openssl 3.0.13-1" {
			return seen
		}
		return time.Time{}
	})
	got := only(t, debian12([]inventory.Package{{
		Type: "deb", Name: "libssl3", Version: "3.0.11-1+b1", Arch: "arm64", Source: "openssl", SourceVersion: "3.0.11-1",
		Evidence: []inventory.Evidence{{Path: "var/lib/dpkg/status", Kind: "dpkg"}},
	}}), ix)
	want := match.Finding{Match: &match.Match{Finding: verdict.Finding{
		ID:             "CVE-2024-0727",
		Advisories:     []string{"DEBIAN-CVE-2024-0727"},
		Aliases:        []string{"GHSA-9v9h-cgj8-h64p"},
		Summary:        "A NULL dereference.",
		Fixed:          "3.0.13-1",
		FirstSeen:      &seen,
		Severity:       verdict.Medium,
		SeveritySource: "DEBIAN-CVE-2024-0727: CVSS 3.1",
		Score:          5.5,
		Vector:         "CVSS:3.1/AV:L/AC:L/PR:N/UI:R/S:U/C:N/I:N/A:H",
		KnownExploited: true,
		Why:            "DEBIAN-CVE-2024-0727: Debian:12 openssl 3.0.11-1 < fixed 3.0.13-1",
	}, Published: time.Date(2024, 1, 26, 9, 15, 0, 0, time.UTC)},
		Package: &verdict.Package{
			Type: "deb", Name: "libssl3", Version: "3.0.11-1+b1", Arch: "arm64", Source: "openssl", SourceVersion: "3.0.11-1",
			PURL:  "pkg:deb/debian/libssl3@3.0.11-1%2Bb1?arch=arm64&distro=debian-12&upstream=openssl%403.0.11-1",
			Paths: []string{"var/lib/dpkg/status"},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v of %+v\nwant %+v of %+v", got.Match.Finding, got.Package, want.Match.Finding, want.Package)
	}
}

// TestUbuntuGenuine matches every Ubuntu record of the samples at each of its
// edges: the last version listed, the fix, and what lies around them.
func TestUbuntuGenuine(t *testing.T) {
	const pro = "+esm1" // of another package: the subscription
	tests := []struct {
		record, release, source string
		subscribed              bool
		affected, not           string
		fixed                   string
		severity                verdict.Severity
		unimportant             bool
	}{
		{"USN-5614-1", "18.04", "wayland", false, "1.14.0-1 1.16.0-1ubuntu1.1~18.04.3", "1.16.0-1ubuntu1.1~18.04.4 1.17", "1.16.0-1ubuntu1.1~18.04.4", verdict.Unrated, false},
		{"USN-5614-1", "20.04", "wayland", false, "1.17.0-1build2 1.18.0-1", "1.18.0-1ubuntu0.1", "1.18.0-1ubuntu0.1", verdict.Unrated, false},
		{"USN-5614-1", "22.04", "wayland", false, "1.19.0-2build1 1.20.0-1", "1.20.0-1ubuntu0.1 1.22", "1.20.0-1ubuntu0.1", verdict.Unrated, false},
		{"UBUNTU-CVE-2021-3782", "22.04", "wayland", false, "1.20.0-1", "1.20.0-1ubuntu0.1", "1.20.0-1ubuntu0.1", verdict.Medium, false},
		{"UBUNTU-CVE-2021-3782", "16.04", "wayland", true, "1.8.1-1 1.12.0-1~ubuntu16.04.3", "1.12.0-1~ubuntu16.04.3+esm1", "1.12.0-1~ubuntu16.04.3+esm1", verdict.Medium, false},
		{"UBUNTU-CVE-2014-9913", "16.04", "unzip", false, "6.0-20ubuntu1", "6.0-20ubuntu1.1", "6.0-20ubuntu1.1", verdict.Negligible, true},
		{"UBUNTU-CVE-2014-9913", "14.04", "unzip", true, "6.0-9ubuntu1 6.0-9ubuntu1.5", "6.0-9ubuntu1.6", "6.0-9ubuntu1.6", verdict.Negligible, true},
		{"UBUNTU-CVE-2016-20013", "22.04", "glibc", false, "2.35-0ubuntu3.13 2.35-0ubuntu3.1 2.36", "", "", verdict.Negligible, true},
		{"UBUNTU-CVE-2016-20013", "24.04", "syslinux", false, "3:6.04~git20190206.bf6db5b4+dfsg1-3ubuntu3", "", "", verdict.Negligible, true},
		{"UBUNTU-CVE-2016-20013", "20.04", "glibc", true, "2.31-0ubuntu9.18 2.31-0ubuntu9.18+esm1", "", "", verdict.Negligible, true},
		{"UBUNTU-CVE-2022-24823", "22.04", "netty", true, "1:4.1.48-4+deb11u2build0.22.04.1", "1:4.1.48-4+deb11u2ubuntu0.1~esm1", "1:4.1.48-4+deb11u2ubuntu0.1~esm1", verdict.Low, false},
		{"UBUNTU-CVE-2022-24823", "25.10", "netty", false, "1:4.1.48-10ubuntu0.25.10.2", "", "", verdict.Low, false},
		{"UBUNTU-CVE-2025-38094", "14.04", "linux", true, "3.11.0-12.19 3.13.0-206.257", "", "", verdict.Medium, false},
		{"UBUNTU-CVE-2026-1403", "16.04", "gitlab", false, "8.4.3+dfsg-9 8.5.8+dfsg-5", "", "", verdict.Medium, false},
		// Withdrawn.
		{"UBUNTU-CVE-2013-2208", "14.04", "tpp", false, "", "1.3.1-2", "", "", false},
		{"UBUNTU-CVE-2020-36325", "14.04", "jansson", false, "", "2.5-2", "", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.record+" "+tt.release+" "+tt.source, func(t *testing.T) {
			record := sampleRecord(t, tt.record)
			release := "Ubuntu:" + tt.release
			if year := tt.release[1]; strings.HasSuffix(tt.release, ".04") && year%2 == 0 {
				release += ":LTS"
			}
			ix := index.NewMemory([]advisory.Advisory{record,
				parse(t, `{"id":"UBUNTU-CVE-2000-0001","affected":[`+affects(release, "other", "1")+`]}`)}, nil)
			for _, v := range strings.Fields(tt.affected) {
				pkgs := []inventory.Package{pkg(tt.source, v)}
				if tt.subscribed {
					if !strings.Contains(v, "esm") {
						f := only(t, ubuntu(tt.release, pkgs...), ix)
						if want := map[bool]string{true: "Ubuntu Pro"}[tt.fixed != ""]; f.Fixed != "" || f.Subscription != want || f.FirstSeen != nil {
							t.Errorf("%s without a subscription: fixed %q, needs %q", v, f.Fixed, f.Subscription)
						}
					}
					pkgs = append(pkgs, pkg("mark", "1"+pro))
				}
				f := only(t, ubuntu(tt.release, pkgs...), ix)
				if want := "CVE-" + strings.TrimPrefix(tt.record, "UBUNTU-CVE-"); tt.record != "USN-5614-1" && f.ID != want {
					t.Errorf("%s: id %s, want %s", v, f.ID, want)
				}
				if tt.record == "USN-5614-1" && f.ID != "CVE-2021-3782" {
					t.Errorf("%s: id %s", v, f.ID)
				}
				if f.Fixed != tt.fixed || f.Severity != tt.severity || f.Unimportant != tt.unimportant || f.Kernel != (tt.source == "linux") {
					t.Errorf("%s: fixed %q, severity %s, unimportant %v, kernel %v", v, f.Fixed, f.Severity, f.Unimportant, f.Kernel)
				}
			}
			for _, v := range strings.Fields(tt.not) {
				inv := ubuntu(tt.release, pkg(tt.source, v))
				if tt.subscribed {
					inv.Packages = append(inv.Packages, pkg("mark", "1"+pro))
				}
				if got := findings(t, inv, ix); len(got) != 0 {
					t.Errorf("%s: %v", v, ids(got))
				}
			}
		})
	}
}

// sampleRecord reads one genuine record.
func sampleRecord(t testing.TB, id string) advisory.Advisory {
	t.Helper()
	b, err := os.ReadFile(testkit.Path(t, "osv-samples", id+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(b))
}

// TestUbuntuMerged: the erratum and the tracker's record of one vulnerability
// are one finding, rated by the tracker.
func TestUbuntuMerged(t *testing.T) {
	ix := index.NewMemory([]advisory.Advisory{sampleRecord(t, "USN-5614-1"), sampleRecord(t, "UBUNTU-CVE-2021-3782")}, nil)
	f := only(t, ubuntu("22.04", pkg("wayland", "1.20.0-1")), ix)
	if f.ID != "CVE-2021-3782" || !slices.Equal(f.Advisories, []string{"UBUNTU-CVE-2021-3782", "USN-5614-1"}) || f.Aliases != nil {
		t.Errorf("%s: advisories %v, aliases %v", f.ID, f.Advisories, f.Aliases)
	}
	if f.Severity != verdict.Medium || f.SeveritySource != "ubuntu: medium" || f.Score != 6.6 {
		t.Errorf("severity %s by %q, score %v", f.Severity, f.SeveritySource, f.Score)
	}
	want := "UBUNTU-CVE-2021-3782: Ubuntu:22.04:LTS wayland 1.20.0-1 < fixed 1.20.0-1ubuntu0.1; " +
		"USN-5614-1: Ubuntu:22.04:LTS wayland 1.20.0-1 < fixed 1.20.0-1ubuntu0.1"
	if f.Why != want {
		t.Errorf("why %q\nwant %q", f.Why, want)
	}
}

// TestVulnerabilities: which findings records give, by their names.
func TestVulnerabilities(t *testing.T) {
	on := `"affected":[` + affects("Debian:12", "p", "2") + `]`
	tests := []struct {
		name    string
		records []string
		want    []string // "id advisories | aliases"
	}{
		{
			"a record alone", []string{`{"id":"DLA-1-1",` + on + `}`},
			[]string{"DLA-1-1 [DLA-1-1] | []"},
		}, {
			"a record with an upstream that is not held", []string{`{"id":"DEBIAN-CVE-2024-1111","upstream":["CVE-2024-1111"],` + on + `}`},
			[]string{"CVE-2024-1111 [DEBIAN-CVE-2024-1111] | []"},
		}, {
			"a CVE in the id alone", []string{`{"id":"DEBIAN-CVE-2024-1111",` + on + `}`},
			[]string{"CVE-2024-1111 [DEBIAN-CVE-2024-1111] | []"},
		}, {
			"an erratum of several", []string{`{"id":"DSA-1-1","upstream":["CVE-2024-10000","CVE-2024-9999"],` + on + `}`},
			[]string{"CVE-2024-9999 [DSA-1-1] | []", "CVE-2024-10000 [DSA-1-1] | []"},
		}, {
			"an erratum that lists CVEs as aliases", []string{`{"id":"DSA-1-1","aliases":["CVE-2024-2222","CVE-2024-1111"],` + on + `}`},
			[]string{"CVE-2024-1111 [DSA-1-1] | []", "CVE-2024-2222 [DSA-1-1] | []"},
		}, {
			"an erratum and its tracker's records", []string{
				`{"id":"DSA-1-1","upstream":["CVE-2024-1111","CVE-2024-2222"],` + on + `}`,
				`{"id":"DEBIAN-CVE-2024-2222","upstream":["CVE-2024-2222"],` + on + `}`,
			},
			[]string{"CVE-2024-1111 [DSA-1-1] | []", "CVE-2024-2222 [DEBIAN-CVE-2024-2222 DSA-1-1] | []"},
		}, {
			"upstream of upstream", []string{
				`{"id":"USN-1-1","upstream":["X-1"],` + on + `}`, `{"id":"X-1","upstream":["X-2","CVE-2024-2222"]}`, `{"id":"X-2","upstream":["CVE-2024-1111"]}`,
			},
			[]string{"CVE-2024-1111 [USN-1-1] | []", "CVE-2024-2222 [USN-1-1] | []"},
		}, {
			"upstream in a circle", []string{
				`{"id":"X-1","upstream":["X-2"],` + on + `}`, `{"id":"X-2","upstream":["X-1"]}`,
			},
			[]string{"X-1 [X-1] | []"},
		}, {
			"an alias that says so itself", []string{
				`{"id":"DEBIAN-CVE-2024-1111","upstream":["CVE-2024-1111"],` + on + `}`, `{"id":"GHSA-1","aliases":["CVE-2024-1111"]}`,
			},
			[]string{"CVE-2024-1111 [DEBIAN-CVE-2024-1111] | [GHSA-1]"},
		}, {
			"aliases are transitive, and one finding", []string{
				`{"id":"A-1","aliases":["B-1"],` + on + `}`, `{"id":"C-1","aliases":["B-1"],` + on + `}`, `{"id":"D-1","aliases":["C-1","CVE-2024-1111"]}`,
			},
			[]string{"CVE-2024-1111 [A-1 C-1] | [A-1 B-1 C-1 D-1]"},
		}, {
			"of several CVEs each", []string{`{"id":"A-1","aliases":["CVE-2024-10000","CVE-2024-9999","CVE-2024-9999"],` + on + `}`},
			[]string{"CVE-2024-9999 [A-1] | [A-1]", "CVE-2024-10000 [A-1] | [A-1]"},
		}, {
			"two CVEs that one record names stay two", []string{
				`{"id":"A-1","aliases":["CVE-2024-1111","CVE-2024-2222","B-1","C-1"]}`, `{"id":"B-1","aliases":["CVE-2024-1111"],` + on + `}`,
				`{"id":"C-1","aliases":["CVE-2024-2222","B-1"],` + on + `}`,
			},
			[]string{"CVE-2024-1111 [B-1] | [A-1 B-1]", "CVE-2024-2222 [C-1] | [A-1 C-1]"},
		}, {
			"a CVE of the record goes before those of its aliases", []string{
				`{"id":"B-1","aliases":["CVE-2024-2222","A-1"],` + on + `}`, `{"id":"A-1","aliases":["CVE-2024-1111"]}`,
			},
			[]string{"CVE-2024-2222 [B-1] | [B-1]"},
		}, {
			"of GitHub's the CVE whose page it refers to", []string{
				`{"id":"GHSA-1","aliases":["CVE-2024-1111","CVE-2024-2222"],"references":[{"type":"ADVISORY","url":"https://nvd.nist.gov/vuln/detail/CVE-2024-2222"}],` + on + `}`,
			},
			[]string{"CVE-2024-2222 [GHSA-1] | [GHSA-1]"},
		}, {
			"aliases without a CVE", []string{`{"id":"B-1","aliases":["A-1"],` + on + `}`},
			[]string{"A-1 [B-1] | [B-1]"},
		}, {
			"related never merges", []string{`{"id":"A-1","related":["CVE-2024-1111"],` + on + `}`, `{"id":"B-1","related":["A-1"],` + on + `}`},
			[]string{"A-1 [A-1] | []", "B-1 [B-1] | []"},
		}, {
			"related of AlmaLinux and Rocky", []string{
				`{"id":"ALSA-2024:1","related":["CVE-2024-1111","CVE-2024-2222","RHBA-1"],` + on + `}`, `{"id":"RLSA-2024:1","related":["CVE-2024-2222"],` + on + `}`,
			},
			[]string{"CVE-2024-1111 [ALSA-2024:1] | []", "CVE-2024-2222 [ALSA-2024:1 RLSA-2024:1] | []"},
		}, {
			"a notice is not a finding", []string{
				`{"id":"RUSTSEC-1","affected":[{"package":{"ecosystem":"Debian:12","name":"p"},"ranges":[{"events":[{"introduced":"0"}]}],
				"database_specific":{"informational":"unmaintained"}}]}`, `{"id":"ALBA-2024:1","related":[],` + on + `}`,
			},
			nil,
		}, {
			"a bug fix notice with a CVE is one", []string{`{"id":"ALBA-2024:1","related":["CVE-2024-1111"],` + on + `}`},
			[]string{"CVE-2024-1111 [ALBA-2024:1] | []"},
		}, {
			"withdrawn", []string{`{"id":"DSA-1-1","withdrawn":"2024-01-01T00:00:00Z","upstream":["CVE-2024-1111"],` + on + `}`},
			nil,
		}, {
			"withdrawn does not make aliases", []string{
				`{"id":"A-1",` + on + `}`, `{"id":"B-1","withdrawn":"2024-01-01T00:00:00Z","aliases":["A-1","CVE-2024-1111"]}`,
			},
			[]string{"A-1 [A-1] | []"},
		}, {
			"one package twice in a record", []string{
				`{"id":"DEBIAN-CVE-2024-1111","affected":[` + affects("Debian:12", "p", "0.5") + `,` + affects("Debian:12", "p", "3") + `]}`,
			},
			[]string{"CVE-2024-1111 [DEBIAN-CVE-2024-1111] | []"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, f := range findings(t, debian12([]inventory.Package{pkg("p", "1")}), indexOf(t, append(tt.records, some)...)) {
				got = append(got, f.ID+" ["+strings.Join(f.Advisories, " ")+"] | ["+strings.Join(f.Aliases, " ")+"]")
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

// TestDecide checks which records decide whether a source is affected, and what fixes
// it.
func TestDecide(t *testing.T) {
	record := func(id, upstream, affected string) string {
		return `{"id":"` + id + `","upstream":["` + upstream + `"],"affected":[` + affected + `]}`
	}
	deb := func(fixed string) string { return affects("Debian:12", "p", fixed) }
	tests := []struct {
		name    string
		records []string
		fixed   string // "-" where there is no finding
	}{
		{"one record", []string{record("DEBIAN-CVE-2024-1111", "CVE-2024-1111", deb("2"))}, "2"},
		{"one record without a fix", []string{record("DEBIAN-CVE-2024-1111", "CVE-2024-1111", deb(""))}, ""},
		{"an erratum alone", []string{record("DSA-1-1", "CVE-2024-1111", deb("2"))}, "2"},
		{"the fix satisfies both", []string{record("DSA-1-1", "CVE-2024-1111", deb("2")), record("DEBIAN-CVE-2024-1111", "CVE-2024-1111", deb("3"))}, "3"},
		{"the fix satisfies two errata", []string{record("DSA-1-1", "CVE-2024-1111", deb("2")), record("DSA-1-2", "CVE-2024-1111", deb("2.1"))}, "2.1"},
		{"the tracker knows no fix", []string{record("DSA-1-1", "CVE-2024-1111", deb("2")), record("DEBIAN-CVE-2024-1111", "CVE-2024-1111", deb(""))}, ""},
		{"the tracker says that it was fixed before", []string{record("DSA-1-1", "CVE-2024-1111", deb("2")), record("DEBIAN-CVE-2024-1111", "CVE-2024-1111", deb("0.9"))}, "-"},
		{"the tracker says that the fix of the erratum is not a fix", []string{record("DSA-1-1", "CVE-2024-1111", deb("0.5")), record("DEBIAN-CVE-2024-1111", "CVE-2024-1111", deb("3"))}, "3"},
		{"the record of the tracker is about another package", []string{record("DSA-1-1", "CVE-2024-1111", deb("2")), record("DEBIAN-CVE-2024-1111", "CVE-2024-1111", affects("Debian:12", "q", "0.9"))}, "2"},
		{"the record of the tracker is about another vulnerability", []string{record("DSA-1-1", "CVE-2024-1111", deb("2")), record("DEBIAN-CVE-2024-2222", "CVE-2024-2222", deb("0.9"))}, "2"},
		{"another release", []string{record("DSA-1-1", "CVE-2024-1111", affects("Debian:11", "p", "2"))}, "-"},
		{"an entry for all releases", []string{record("DSA-1-1", "CVE-2024-1111", affects("Debian", "p", "2"))}, "2"},
		{"the release goes before all releases", []string{record("DEBIAN-CVE-2024-1111", "CVE-2024-1111", affects("Debian", "p", "2")+","+deb("0.9"))}, "-"},
		{"the release has its own fix", []string{record("DEBIAN-CVE-2024-1111", "CVE-2024-1111", affects("Debian", "p", "9")+","+deb("2"))}, "2"},
		{"the fix of one entry is affected by another", []string{`{"id":"DEBIAN-CVE-2024-1111","affected":[` + deb("2") + `,
			{"package":{"ecosystem":"Debian:12","name":"p"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"2"},{"fixed":"4"}]}]}]}`}, "4"},
		{"the fix of one entry is affected for ever", []string{`{"id":"DEBIAN-CVE-2024-1111","affected":[` + deb("2") + `,
			{"package":{"ecosystem":"Debian:12","name":"p"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"1.5"}]}]}]}`}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := "-"
			for _, f := range findings(t, debian12([]inventory.Package{pkg("p", "1")}), indexOf(t, append(tt.records, some)...)) {
				got = f.Fixed
				if f.ID != "CVE-2024-1111" {
					t.Errorf("finding %s", f.ID)
				}
			}
			if got != tt.fixed {
				t.Errorf("fixed %q, want %q", got, tt.fixed)
			}
		})
	}
}

// TestDecideUncomparable: a tracker's record that cannot be evaluated does not
// overrule the erratum, and is reported.
func TestDecideUncomparable(t *testing.T) {
	ix := indexOf(t, `{"id":"DSA-1-1","upstream":["CVE-2024-1111"],"affected":[`+affects("Debian:12", "p", "2")+`]}`,
		`{"id":"DEBIAN-CVE-2024-1111","affected":[`+affects("Debian:12", "p", "0-")+`]}`)
	res, err := match.Inventory(debian12([]inventory.Package{pkg("p", "1")}), ix, nil, day)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Findings) != 1 || res.Findings[0].ID != "CVE-2024-1111" || res.Findings[0].Fixed != "2" {
		t.Errorf("findings %+v", res.Findings)
	}
	if len(res.NotEvaluated) != 1 || res.NotEvaluated[0].Cause != match.CauseVersion {
		t.Errorf("not evaluated: %+v", res.NotEvaluated)
	}
}

// TestSubscription checks that with a subscription records of Ubuntu Pro take precedence over
// those of the standard release, and without one count only if there are no others.
func TestSubscription(t *testing.T) {
	ix := indexOf(t, `{"id":"UBUNTU-CVE-2024-1111","affected":[`+
		affects("Ubuntu:22.04:LTS", "p", "")+`,`+affects("Ubuntu:Pro:22.04:LTS", "p", "1.0+esm2")+`]}`)
	tests := []struct{ version, fixed string }{
		{"1.0", ""}, {"1.0+esm1", "1.0+esm2"}, {"1.0+esm2", "-"},
	}
	for _, tt := range tests {
		got := "-"
		for _, f := range findings(t, ubuntu("22.04", pkg("p", tt.version)), ix) {
			got = f.Fixed
		}
		if got != tt.fixed {
			t.Errorf("%s: fixed %q, want %q", tt.version, got, tt.fixed)
		}
	}
}

// TestWithoutSubscription checks which records of Ubuntu Pro are used in an image without it.
func TestWithoutSubscription(t *testing.T) {
	standard := func(fixed string) string { return affects("Ubuntu:22.04:LTS", "p", fixed) }
	pro := func(fixed string) string { return affects("Ubuntu:Pro:22.04:LTS", "p", fixed) }
	for _, tt := range []struct {
		name, affected string
		erratum        string
		want           string // fix and subscription
		why            string
	}{
		{"in Pro alone", pro("1.0+esm2"), "", ",Ubuntu Pro", "UBUNTU-CVE-2024-1111: Ubuntu:Pro:22.04:LTS p 1.0 < fixed 1.0+esm2, which needs Ubuntu Pro"},
		{"in Pro alone, without a fix", pro(""), "", ",", "UBUNTU-CVE-2024-1111: Ubuntu:Pro:22.04:LTS p 1.0 has no fix"},
		{"in both", standard("1.1") + "," + pro("1.0+esm2"), "", "1.1,", "UBUNTU-CVE-2024-1111: Ubuntu:22.04:LTS p 1.0 < fixed 1.1"},
		{"fixed in the standard release", standard("0.9") + "," + pro("1.0+esm2"), "", "none", ""},
		{"in an erratum for both", "", standard("1.1") + "," + pro("1.0+esm2"), "1.1,", "USN-1-1: Ubuntu:22.04:LTS p 1.0 < fixed 1.1"},
		{"in an erratum for Pro", "", pro("1.0+esm2"), ",Ubuntu Pro", "USN-1-1: Ubuntu:Pro:22.04:LTS p 1.0 < fixed 1.0+esm2, which needs Ubuntu Pro"},
		{"in Pro as fixed", pro("1.0"), pro("1.0+esm2"), "none", ""},
	} {
		records := []string{some}
		if tt.affected != "" {
			records = append(records, `{"id":"UBUNTU-CVE-2024-1111","affected":[`+tt.affected+`]}`)
		}
		if tt.erratum != "" {
			records = append(records, `{"id":"USN-1-1","upstream":["CVE-2024-1111"],"affected":[`+tt.erratum+`]}`)
		}
		got, why := "none", ""
		for _, f := range findings(t, ubuntu("22.04", pkg("p", "1.0")), indexOf(t, records...)) {
			got, why = f.Fixed+","+f.Subscription, f.Why
		}
		if got != tt.want || why != tt.why {
			t.Errorf("%s: %q, %q", tt.name, got, why)
		}
	}
}

func TestSeverity(t *testing.T) {
	const (
		v2   = `{"type":"CVSS_V2","score":"AV:N/AC:L/Au:N/C:C/I:C/A:C"}`
		v30  = `{"type":"CVSS_V3","score":"CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}`
		v31  = `{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}`
		v31l = `{"type":"CVSS_V3","score":"CVSS:3.1/AV:L/AC:H/PR:H/UI:N/S:U/C:L/I:N/A:N"}`
		v4   = `{"type":"CVSS_V4","score":"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:L/VI:L/VA:L/SC:N/SI:N/SA:N"}`
		none = `{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N"}`
		bad  = `{"type":"CVSS_V3","score":"CVSS:3.1/AV:X"}`
		word = `{"type":"Ubuntu","score":"low"}`
	)
	record := func(id, severity, own, specific, database string) string {
		affected := strings.TrimSuffix(affects("Debian:12", "p", "2"), "}") + `,"severity":[` + own + `],"ecosystem_specific":` + specific + `}`
		return `{"id":"` + id + `","severity":[` + severity + `],"database_specific":` + database + `,"affected":[` + affected + `]}`
	}
	const id = "DEBIAN-CVE-2024-1111"
	tests := []struct {
		name        string
		records     []string
		severity    verdict.Severity
		source      string
		score       float64
		unimportant bool
	}{
		{"no rating", []string{record(id, "", "", "{}", "{}")}, verdict.Unrated, "", 0, false},
		{"not yet assigned", []string{record(id, "", "", `{"urgency":"not yet assigned"}`, "{}")}, verdict.Unrated, "", 0, false},
		{"the record", []string{record(id, v31, "", "{}", "{}")}, verdict.Critical, id + ": CVSS 3.1", 9.8, false},
		{"the entry before the record", []string{record(id, v31, v30, "{}", "{}")}, verdict.High, id + ": CVSS 3.0", 7.5, false},
		{"version 4 before 3.1 before 3.0 before 2", []string{record(id, v2+","+v31+","+v4+","+v30, "", "{}", "{}")}, verdict.Medium, id + ": CVSS 4.0", 6.9, false},
		{"version 3.1 before 3.0 before 2", []string{record(id, v30+","+v31l+","+v2, "", "{}", "{}")}, verdict.Low, id + ": CVSS 3.1", 1.9, false},
		{"version 2", []string{record(id, v2, "", "{}", "{}")}, verdict.Critical, id + ": CVSS 2.0", 10, false},
		{"the worst of one version", []string{record(id, v31l+","+v31, "", "{}", "{}")}, verdict.Critical, id + ": CVSS 3.1", 9.8, false},
		{"a score of nothing", []string{record(id, none, "", "{}", "{}")}, verdict.Negligible, id + ": CVSS 3.1", 0, false},
		{"a vector that cannot be read", []string{record(id, bad, "", "{}", "{}")}, verdict.Unrated, "", 0, false},
		{"an invalid and a valid vector", []string{record(id, bad+","+v30, "", "{}", "{}")}, verdict.High, id + ": CVSS 3.0", 7.5, false},
		{"the distribution's word in the record, with the score", []string{record(id, v31+","+word, "", "{}", "{}")}, verdict.Low, "ubuntu: low", 9.8, false},
		{"the record before the urgency", []string{record(id, v31, "", `{"urgency":"low"}`, "{}")}, verdict.Critical, id + ": CVSS 3.1", 9.8, false},
		{"the urgency", []string{record(id, "", "", `{"urgency":"medium**"}`, "{}")}, verdict.Medium, "debian: medium", 0, false},
		{"unimportant before all", []string{record(id, v31, v30, `{"urgency":"unimportant"}`, "{}")}, verdict.Negligible, "debian: unimportant", 7.5, true},
		{"end of life is not a rating", []string{record(id, v31, "", `{"urgency":"end-of-life"}`, "{}")}, verdict.Critical, id + ": CVSS 3.1", 9.8, false},
		{"the CVE's own record", []string{record(id, "", "", "{}", "{}"), `{"id":"CVE-2024-1111","severity":[` + v30 + `]}`}, verdict.High, "CVE-2024-1111: CVSS 3.0", 7.5, false},
		{"an alias", []string{record(id, "", "", "{}", "{}"), `{"id":"GHSA-1","aliases":["CVE-2024-1111"],"database_specific":{"severity":"MODERATE"}}`}, verdict.Medium, "GHSA-1: moderate", 0, false},
		{"another distribution's score", []string{record(id, "", "", "{}", "{}"), `{"id":"UBUNTU-CVE-2024-1111","upstream":["CVE-2024-1111"],"severity":[` + word + "," + v30 + `]}`}, verdict.High, "UBUNTU-CVE-2024-1111: CVSS 3.0", 7.5, false},
		{"another distribution's word is not ours", []string{record(id, "", "", "{}", "{}"), `{"id":"UBUNTU-CVE-2024-1111","upstream":["CVE-2024-1111"],"severity":[` + word + `]}`}, verdict.Unrated, "", 0, false},
		{"the urgency before the CVE's score", []string{record(id, "", "", `{"urgency":"low"}`, "{}"), `{"id":"CVE-2024-1111","severity":[` + v31 + `]}`}, verdict.Low, "debian: low", 0, false},
		{"the worst of two records", []string{record(id, v30, "", "{}", "{}"), strings.Replace(record("DSA-1-1", v31, "", "{}", "{}"), `"id"`, `"upstream":["CVE-2024-1111"],"id"`, 1)}, verdict.Critical, "DSA-1-1: CVSS 3.1", 9.8, false},
		{"Red Hat's words", []string{record(id, "", "", "{}", `{"severity":"Important"}`)}, verdict.High, id + ": important", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := only(t, debian12([]inventory.Package{pkg("p", "1")}), indexOf(t, append(tt.records, some)...))
			if f.Severity != tt.severity || f.SeveritySource != tt.source || f.Score != tt.score || f.Unimportant != tt.unimportant {
				t.Errorf("%s by %q, score %v, unimportant %v", f.Severity, f.SeveritySource, f.Score, f.Unimportant)
			}
			if vector := strings.Contains(tt.source, "CVSS") || tt.score > 0; vector != (f.Vector != "") {
				t.Errorf("vector %q with score %v", f.Vector, f.Score)
			}
		})
	}
}

// TestStatus checks that a match has the status of its entry as long as there is no fix,
// whether the record or a word of the distribution says it.
func TestStatus(t *testing.T) {
	for specific, status := range map[string]advisory.Status{
		`"urgency":"end-of-life"`:             advisory.StatusWontFix,
		`"urgency":"ignored"`:                 advisory.StatusWontFix,
		`"ubuntu_priority":"Ignored"`:         advisory.StatusWontFix,
		`"status":"will not fix"`:             advisory.StatusWontFix,
		`"status":"fix deferred"`:             advisory.StatusFixDeferred,
		`"status":"under investigation"`:      advisory.StatusUnderInvestigation,
		`"status":"affected"`:                 advisory.StatusAffected,
		`"status":"open","urgency":"ignored"`: advisory.StatusWontFix,
		`"status":["will not fix"]`:           advisory.StatusAffected,
	} {
		for _, fixed := range []string{"", "2"} {
			entry := strings.TrimSuffix(affects("Debian:12", "p", fixed), "}") + `,"ecosystem_specific":{` + specific + `}}`
			f := only(t, debian12([]inventory.Package{pkg("p", "1")}), indexOf(t, `{"id":"DEBIAN-CVE-2024-1111","affected":[`+entry+`]}`))
			want := status
			if fixed != "" {
				want = advisory.StatusAffected
			}
			if f.Status != want || f.Unimportant || f.Severity != verdict.Unrated {
				t.Errorf("%s, fixed %q: %v, want %v; unimportant %v, severity %s", specific, fixed, f.Status, want, f.Unimportant, f.Severity)
			}
		}
	}
}

// TestNotAffected checks that an entry which says that a package is not affected has no
// match, with or without versions, and overrules an erratum.
func TestNotAffected(t *testing.T) {
	erratum := `{"id":"DSA-1-1","upstream":["CVE-2024-1111"],"affected":[` + affects("Debian:12", "p", "2") + `]}`
	for _, entry := range []string{affects("Debian:12", "p", "2"), `{"package":{"ecosystem":"Debian:12","name":"p"}}`} {
		entry = strings.TrimSuffix(entry, "}") + `,"ecosystem_specific":{"status":"not affected"}}`
		ix := indexOf(t, erratum, `{"id":"DEBIAN-CVE-2024-1111","upstream":["CVE-2024-1111"],"affected":[`+entry+`]}`)
		if got := findings(t, debian12([]inventory.Package{pkg("p", "1")}), ix); len(got) > 0 {
			t.Errorf("%s: %+v", entry, got)
		}
	}
}

func TestMalicious(t *testing.T) {
	on := `"affected":[` + affects("Debian:12", "p", "") + `]`
	for record, want := range map[string]bool{
		`{"id":"MAL-2024-1",` + on + `}`:                         true,
		`{"id":"GHSA-1","aliases":["MAL-2024-1"],` + on + `}`:    true,
		`{"id":"GHSA-1","aliases":["NORMAL-2024-1"],` + on + `}`: false,
	} {
		if f := only(t, debian12([]inventory.Package{pkg("p", "1")}), indexOf(t, record)); f.Malicious != want {
			t.Errorf("%s: malicious %v", record, f.Malicious)
		}
	}
}

// TestSource: Debian's advisories name sources, and each binary package of one
// has the finding.
func TestSource(t *testing.T) {
	ix := indexOf(t, `{"id":"DEBIAN-CVE-2024-28085","upstream":["CVE-2024-28085"],"affected":[`+affects("Debian:12", "util-linux", "2.38.1-5+deb12u1")+`]}`,
		`{"id":"DEBIAN-CVE-2024-1111","affected":[`+affects("Debian:12", "bsdutils", "2:0")+`]}`)
	binary := func(name, version, source, sourceVersion string) inventory.Package {
		return inventory.Package{Type: "deb", Name: name, Version: version, Source: source, SourceVersion: sourceVersion}
	}
	all := findings(t, debian12([]inventory.Package{
		binary("bsdutils", "1:2.38.1-5", "util-linux", "2.38.1-5"),
		binary("mount", "2.38.1-5+b1", "util-linux", "2.38.1-5"),
		binary("util-linux", "2.38.1-5+deb12u1", "util-linux", "2.38.1-5+deb12u1"),
		binary("util-linux", "2.37", "", ""), // a foreign inventory may not know sources
	}), ix)
	var got []string
	for _, f := range all {
		got = append(got, f.Package.Name+" "+f.Package.Version+" "+f.ID)
	}
	want := []string{"bsdutils 1:2.38.1-5 CVE-2024-28085", "mount 2.38.1-5+b1 CVE-2024-28085", "util-linux 2.37 CVE-2024-28085"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestSorted checks that the order of findings does not depend on the order of packages.
func TestSorted(t *testing.T) {
	ix := indexOf(t, `{"id":"DSA-1-1","upstream":["CVE-2024-10000","CVE-2024-9999"],"affected":[`+affects("Debian:12", "a", "")+`,`+affects("Debian:12", "b", "")+`]}`)
	foreign := pkg("a", "1")
	foreign.Arch = "i386"
	var got []string
	for _, f := range findings(t, debian12([]inventory.Package{pkg("b", "1"), pkg("a", "2"), pkg("a", "1"), foreign}), ix) {
		got = append(got, f.Package.Name+f.Package.Version+f.Package.Arch+" "+f.ID)
	}
	want := []string{
		"a1amd64 CVE-2024-9999", "a1i386 CVE-2024-9999", "a1amd64 CVE-2024-10000", "a1i386 CVE-2024-10000",
		"a2amd64 CVE-2024-9999", "a2amd64 CVE-2024-10000", "b1amd64 CVE-2024-9999", "b1amd64 CVE-2024-10000",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestWhy: what the reason quotes is bounded and harmless.
func TestWhy(t *testing.T) {
	long := strings.Repeat("9", 5000)
	var records []advisory.Advisory
	for _, id := range []string{"DSA-1-1", "DSA-1-2", "DSA-\x1b[31m\u202e", "DSA-3", "DSA-4"} {
		a := parse(t, `{"id":"A","upstream":["CVE-2024-1111"],"affected":[`+affects("Debian:12", "p", long)+`]}`)
		a.ID = id
		records = append(records, a)
	}
	f := only(t, debian12([]inventory.Package{pkg("p", "1")}), index.NewMemory(records, nil))
	if len(f.Why) > 1500 || !strings.HasSuffix(f.Why, "; and 2 more") {
		t.Errorf("%d bytes: %.100q…", len(f.Why), f.Why)
	}
	if i := strings.IndexFunc(f.Why, func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
		t.Errorf("byte %d of %q", i, f.Why)
	}
	for event, want := range map[string]string{
		`{"last_affected":"2"}`: "DSA-1-1: Debian:12 p 1 <= last affected 2",
		`{"limit":"2"}`:         "DSA-1-1: Debian:12 p 1 has no fix",
	} {
		f := only(t, debian12([]inventory.Package{pkg("p", "1")}), indexOf(t, `{"id":"DSA-1-1","affected":[{"package":{"ecosystem":"Debian:12","name":"p"},
			"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},`+event+`]}]}]}`))
		if f.Why != want {
			t.Errorf("why %q, want %q", f.Why, want)
		}
	}
	f = only(t, debian12([]inventory.Package{pkg("p", "1")}), indexOf(t, `{"id":"DSA-1-1","affected":[{"package":{"ecosystem":"Debian:12","name":"p"},"versions":["1"]}]}`))
	if want := "DSA-1-1: Debian:12 p 1 is listed as affected"; f.Why != want {
		t.Errorf("why %q, want %q", f.Why, want)
	}
}

func TestNotEvaluated(t *testing.T) {
	ix := indexOf(t, some, `{"id":"DSA-1-1","affected":[`+affects("Debian:12", "p", "2 3")+`]}`)
	other := func(typ string) inventory.Package {
		return inventory.Package{Type: typ, Name: "x", Version: "1"}
	}
	tests := []struct {
		name      string
		inv       inventory.Inventory
		want      []match.NotEvaluated
		evaluated int
	}{
		{"an advisory that cannot be compared", debian12([]inventory.Package{pkg("p", "1"), {Type: "deb", Name: "p-doc", Source: "p", SourceVersion: "1"}}), []match.NotEvaluated{
			{Ecosystem: "Debian:12", Type: "deb", Packages: 2, Cause: match.CauseVersion, Reason: `DSA-1-1 of p: version "2 3" has blanks inside`}}, 2},
		{"a package that cannot be compared", debian12([]inventory.Package{pkg("q", "1-")}), []match.NotEvaluated{
			{Ecosystem: "Debian:12", Type: "deb", Packages: 1, Cause: match.CauseVersion, Reason: `q: version "1-" has an empty revision`}}, 0},
		{"a package without a version", debian12([]inventory.Package{{Type: "deb", Name: "q"}}), []match.NotEvaluated{
			{Ecosystem: "Debian:12", Type: "deb", Packages: 1, Cause: match.CauseVersion, Reason: `q: version "" is empty`}}, 0},
		{"other types", debian12([]inventory.Package{other("pypi"), other("pypi"), other("npm"), other("apk")}), []match.NotEvaluated{
			{Type: "pypi", Packages: 2, Cause: match.CauseType, Reason: "this service has no advisories for pypi packages"},
			{Type: "apk", Packages: 1, Cause: match.CauseSystem, Reason: "apk packages do not belong to Debian:12"},
			{Type: "npm", Packages: 1, Cause: match.CauseType, Reason: "this service has no advisories for npm packages"}}, 0},
		{"no system", inventory.Inventory{Packages: []inventory.Package{pkg("p", "1")}}, []match.NotEvaluated{
			{Type: "deb", Packages: 1, Cause: match.CauseSystem, Reason: "no operating system was recognised"}}, 0},
		{"a release without advisories", inventory.Inventory{System: inventory.System{ID: "debian", VersionID: "13"}, Packages: []inventory.Package{pkg("p", "1")}}, []match.NotEvaluated{
			{Ecosystem: "Debian:13", Type: "deb", Packages: 1, Cause: match.CauseSystem, Reason: "this service has no advisories for Debian:13"}}, 0},
		{"another system", inventory.Inventory{System: inventory.System{ID: "alpine", VersionID: "3.19.1"}, Packages: []inventory.Package{other("apk")}}, []match.NotEvaluated{
			{Ecosystem: "Alpine:v3.19", Type: "apk", Packages: 1, Cause: match.CauseSystem, Reason: "this service has no advisories for Alpine:v3.19"}}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res, err := match.Inventory(tt.inv, ix, nil, day)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(res.NotEvaluated, tt.want) || len(res.Findings) > 0 {
				t.Errorf("got  %+v, findings %v\nwant %+v", res.NotEvaluated, ids(res.Findings), tt.want)
			}
			if res.Evaluated != tt.evaluated || res.Packages != len(tt.inv.Packages) {
				t.Errorf("evaluated %d of %d", res.Evaluated, res.Packages)
			}
		})
	}
}

// failing is an index that fails at the nth question.
type failing struct {
	match.Index
	left *int
}

var errIndex = errors.New("index is damaged")

func (f failing) fail() error {
	*f.left--
	if *f.left < 0 {
		return errIndex
	}
	return nil
}

func (f failing) Affected(ecosystem, name string) ([]index.Affected, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.Index.Affected(ecosystem, name)
}

func (f failing) Vulnerabilities(id string) ([]index.Vulnerability, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.Index.Vulnerabilities(id)
}

func (f failing) Referrers(id string) ([]string, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.Index.Referrers(id)
}

func (f failing) Records(ecosystem string) (int, error) {
	if err := f.fail(); err != nil {
		return 0, err
	}
	return f.Index.Records(ecosystem)
}

// TestIndexErrors: an index that fails at any question fails the match; half an
// answer would look like a good one.
func TestIndexErrors(t *testing.T) {
	ix := index.NewMemory([]advisory.Advisory{sampleRecord(t, "USN-5614-1"), sampleRecord(t, "UBUNTU-CVE-2021-3782")}, nil)
	inv := ubuntu("22.04", pkg("wayland", "1.20.0-1"))
	for n := range 100 {
		left := n
		res, err := match.Inventory(inv, failing{ix, &left}, nil, day)
		if err == nil {
			if n < 8 || len(res.Findings) != 1 {
				t.Errorf("no error and %d findings after %d questions", len(res.Findings), n)
			}
			return
		}
		if !errors.Is(err, errIndex) {
			t.Fatal(err)
		}
	}
	t.Error("the questions do not end")
}

// TestHostileNames: many and long chains of names end.
func TestHostileNames(t *testing.T) {
	var all []advisory.Advisory
	on := []advisory.Affected{{Package: advisory.Package{Ecosystem: "Debian:12", Name: "p"}, Versions: []string{"1"}}}
	name := func(kind string, i int) string {
		return kind + "-" + strings.Repeat("x", i%7) + time.Duration(i).String()
	}
	for i := range 3000 {
		all = append(all,
			advisory.Advisory{ID: name("A", i), Aliases: []string{name("A", i+1)}},
			advisory.Advisory{ID: name("U", i), Upstream: []string{name("U", i+1), "hub"}},
		)
	}
	all[0].Affected, all[1].Affected = on, on
	got := findings(t, debian12([]inventory.Package{pkg("p", "1")}), index.NewMemory(all, nil))
	if len(got) == 0 || len(got) > 10 {
		t.Errorf("%d findings", len(got))
	}
	for _, f := range got {
		if len(f.Aliases) > 100 {
			t.Errorf("%s has %d aliases", f.ID, len(f.Aliases))
		}
	}

	many := advisory.Advisory{ID: "DSA-1-1", Affected: on}
	for i := range 5000 {
		many.Upstream = append(many.Upstream, name("V", i))
	}
	got = findings(t, debian12([]inventory.Package{pkg("p", "1")}), index.NewMemory([]advisory.Advisory{many}, nil))
	if len(got) < 1000 || len(got) > 3000 {
		t.Errorf("%d findings of a record that names 5000", len(got))
	}
}

// TestTooMany: one package many times over ends before it fills the memory.
func TestTooMany(t *testing.T) {
	many := advisory.Advisory{ID: "DSA-1-1", Affected: []advisory.Affected{{Package: advisory.Package{Ecosystem: "Debian:12", Name: "p"}, Versions: []string{"1"}}}}
	for i := range 1000 {
		many.Upstream = append(many.Upstream, "V-"+time.Duration(i).String())
	}
	ix := index.NewMemory([]advisory.Advisory{many}, nil)
	if got := findings(t, debian12(slices.Repeat([]inventory.Package{pkg("p", "1")}, 100)), ix); len(got) != 100_000 {
		t.Errorf("%d findings", len(got))
	}
	if _, err := match.Inventory(debian12(slices.Repeat([]inventory.Package{pkg("p", "1")}, 101)), ix, nil, day); !errors.Is(err, match.ErrTooMany) {
		t.Errorf("error %v", err)
	}
}
