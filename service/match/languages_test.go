package match_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/inspect/distro/chisel"
	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/index"
	"assay/service/match"
)

// TestLanguages checks that each purl type is evaluated by its ecosystem, its names and its
// order of versions.
func TestLanguages(t *testing.T) {
	for _, tt := range []struct {
		typ, ecosystem, name, fixed string // of the advisory
		installed                   string // name
		affected, not               string // versions
	}{
		{"bioconductor", "Bioconductor", "limma", "3.50.0", "limma", "3.9.1", "3.50.0"},
		{"bitnami", "Bitnami", "postgresql", "16.1.0", "PostgreSQL", "16.0.9-3", "16.1.0-11"},
		{"cargo", "crates.io", "remove_dir_all", "0.8.0", "remove-dir-all", "0.7.0 0.8.0-rc.1", "0.8.0"},
		{"composer", "Packagist", "Symfony/http-kernel", "6.4.2", "symfony/http-kernel", "v6.4.1 6.4 6.4.2-RC1", "v6.4.2 6.5.x-dev"},
		{"composer", "Packagist", "v/p", "4.4.0", "v/p", "v4.3.9", "4.4"},
		{"composer", "Packagist:https://packages.drupal.org/8", "drupal/core", "10.2.0", "drupal/core", "10.1.9", "10.2.0"},
		{"conan", "ConanCenter", "openssl", "3.0.8", "openssl", "3.0.7", "3.0.8"},
		{"cran", "CRAN", "readxl", "1.1.0", "readxl", "1.0-9", "1.1.0"},
		{"gem", "RubyGems", "rack", "2.2.3", "rack", "2.2.2 2.2.3.rc1 2.2.3-1", "2.2.3 2.2.10"},
		{"githubactions", "GitHub Actions", "tj-actions/changed-files", "46.0.1", "tj-actions/Changed-Files", "v45.0.7", "v46.0.1"},
		{"golang", "Go", "golang.org/x/net", "0.23.0", "golang.org/x/net", "v0.22.1-0.20240301000000-abcdefabcdef v0.9.0", "v0.23.0"},
		{"hackage", "Hackage", "aeson", "2.0.1.0", "aeson", "2.0.0.9", "2.0.1.0"},
		{"hex", "Hex", "phoenix", "1.6.14", "phoenix", "1.6.13", "1.6.14"},
		{"julia", "Julia", "Bzip2_jll", "1.0.7+0", "Bzip2_jll", "1.0.6+5", "1.0.7+0"},
		{"maven", "Maven", "org.slf4j:slf4j-api", "2.0.0", "org.slf4j:slf4j-api", "2.0.0-alpha1 1.7.36", "2.0.0 2.0.0.Final"},
		{"npm", "npm", "@babel/traverse", "7.23.2", "@babel/traverse", "7.23.2-beta.1 7.9.9", "7.23.2"},
		{"nuget", "NuGet", "Newtonsoft.Json", "13.0.1", "newtonsoft.json", "13.0.0 13.0.1-beta", "13.0.1.0"},
		{"pub", "Pub", "dio", "5.0.0", "dio", "4.0.6", "5.0.0"},
		{"pypi", "PyPI", "Zope.Interface", "5.0", "zope_interface", "5.0rc1 4.9.9 5.0.dev1", "5.0 5.0.0 5.0.post1"},
		{"swift", "SwiftURL", "github.com/apple/swift-nio", "2.42.0", "github.com/apple/swift-nio", "2.41.9", "2.42.0"},
		{"npm", "Root:npm", "@rootio/json-schema", "0.2.3-root.io.1", "@rootio/json-schema", "0.2.3-root.io.0", "0.2.3-root.io.1"},
		{"maven", "Root:Maven", "io.root.org.x:y", "5.3.40-root.io.2", "io.root.org.x:y", "5.3.40-root.io.1", "5.3.40-root.io.2"},
	} {
		t.Run(tt.typ+" "+tt.name, func(t *testing.T) {
			ix := indexOf(t, `{"id":"GHSA-1","affected":[`+affects(tt.ecosystem, tt.name, tt.fixed)+`]}`,
				`{"id":"GHSA-2","affected":[`+affects(tt.ecosystem, "other", "")+`]}`)
			for _, v := range strings.Fields(tt.affected) {
				f := only(t, inventory.Inventory{Packages: []inventory.Package{{Type: tt.typ, Name: tt.installed, Version: v}}}, ix)
				if f.ID != "GHSA-1" || f.Fixed != tt.fixed || f.Kernel || f.Owned {
					t.Errorf("%s: %+v", v, f)
				}
			}
			for _, v := range strings.Fields(tt.not) {
				if got := on(t, ix, inventory.System{}, inventory.Package{Type: tt.typ, Name: tt.installed, Version: v}); len(got) > 0 {
					t.Errorf("%s: %v", v, got)
				}
			}
		})
	}
}

// TestLanguagesNotEvaluated: what has no version, and types of which nothing is held.
func TestLanguagesNotEvaluated(t *testing.T) {
	ix := indexOf(t, `{"id":"GO-1","affected":[`+affects("Go", "m", "2")+`]}`, `{"id":"P-1","affected":[`+affects("Packagist", "v/p", "2")+`]}`,
		`{"id":"M-1","affected":[`+affects("Maven", "g:a", "2")+`]}`)
	overwritten := onePackage("maven", "a", "1.0")
	overwritten.Owner = &inventory.Owner{Package: "liba-java", Digest: inventory.DigestDifferent}
	// Which package of the system it belongs to is unknown.
	systems := onePackage("golang", "m", "1.0.0")
	systems.Owner = &inventory.Owner{Digest: inventory.DigestUnknown}
	const unidentified = "Java archives without a group and an artifact"
	for _, tt := range []struct {
		p    inventory.Package
		want match.NotEvaluated
	}{
		{onePackage("golang", "m", "(devel)"), match.NotEvaluated{Ecosystem: "Go", Type: "golang", Packages: 1, Cause: match.CauseVersion,
			Reason: `m: version "(devel)" does not begin with a number`}},
		{onePackage("golang", "m", ""), match.NotEvaluated{Ecosystem: "Go", Type: "golang", Packages: 1, Cause: match.CauseVersion, Reason: `m: version "" is empty`}},
		{onePackage("composer", "v/p", "dev-main"), match.NotEvaluated{Ecosystem: "Packagist", Type: "composer", Packages: 1, Cause: match.CauseVersion,
			Reason: `v/p: version "dev-main": names a branch`}},
		{onePackage("maven", "a", "1.0"), match.NotEvaluated{Ecosystem: "Maven", Type: "maven", Packages: 1, Cause: match.CauseName, Reason: unidentified}},
		{overwritten, match.NotEvaluated{Ecosystem: "Maven", Type: "maven", Packages: 1, Cause: match.CauseName, Reason: unidentified}},
		{systems, match.NotEvaluated{Ecosystem: "Go", Type: "golang", Packages: 1, Cause: match.CauseOwner,
			Reason: "the owner is unknown, because the system's packages have no lists of files"}},
		{onePackage("npm", "x", "1.0.0"), match.NotEvaluated{Type: "npm", Packages: 1, Cause: match.CauseType, Reason: "this service has no advisories for npm packages"}},
		{onePackage("generic", "x", "1.0.0"), match.NotEvaluated{Type: "generic", Packages: 1, Cause: match.CauseUncovered, Reason: "no public source has advisories for generic packages without a CPE"}},
		{onePackage("golang", "@rootio/x", "1.0.0"), match.NotEvaluated{Type: "golang", Packages: 1, Cause: match.CauseType, Reason: "this service has no advisories for golang packages"}},
	} {
		res, err := match.Inventory(inventory.Inventory{Packages: []inventory.Package{tt.p}}, ix, nil, day)
		if err != nil || res.Evaluated != 0 || len(res.NotEvaluated) != 1 || res.NotEvaluated[0] != tt.want {
			t.Errorf("%s %s: %+v, %v", tt.p.Name, tt.p.Version, res, err)
		}
	}
}

// TestSystemNames: which name of a package of a system its advisories use.
func TestSystemNames(t *testing.T) {
	for _, tt := range []struct {
		system    inventory.System
		typ       string
		ecosystem string
		binary    bool // advisories under the package's own name are heard
		source    bool // and those under its source's
	}{
		{system("debian", "12"), "deb", "Debian:12", false, true},
		{system("echo", "1"), "deb", "Echo", false, true},
		{system("alpine", "3.19.1"), "apk", "Alpine:v3.19", false, true},
		{system("wolfi", "2023"), "apk", "Wolfi", true, true},
		{system("chainguard", "2023"), "apk", "Chainguard", true, true},
		{system("minimos", "2024"), "apk", "MinimOS", true, true},
		{system("arch", ""), "alpm", "Arch Linux", true, false},
		{system("almalinux", "9.4"), "rpm", "AlmaLinux:9", true, false},
		{system("rocky", "9.4"), "rpm", "Rocky Linux:9", false, true},
		{system("ol", "9.4"), "rpm", "Oracle Linux:9", true, false},
		{system("amzn", "2"), "rpm", "Amazon Linux:2", true, false},
		{system("azurelinux", "3.0"), "rpm", "Azure Linux:3", false, true},
		{system("photon", "4.0"), "rpm", "Photon OS:4.0", true, true},
		{system("mageia", "9"), "rpm", "Mageia:9", false, true},
		{system("openEuler", "24.03"), "rpm", "openEuler:24.03", true, true},
		{system("opensuse-leap", "15.5"), "rpm", "openSUSE:Leap 15.5", false, true},
		{system("sles", "15.5"), "rpm", "SUSE:Linux Enterprise Module for Basesystem 15 SP5", false, true},
		{system("rhel", "9.4"), "rpm", "Red Hat:enterprise_linux:9::appstream", true, false},
		{inventory.System{ID: "centos", VersionID: "7", PrettyName: "CentOS Linux 7"}, "rpm", "Red Hat:enterprise_linux:7::server", true, false},
	} {
		p := inventory.Package{Type: tt.typ, Name: "libssl3", Version: "3.0.1-r1", Source: "openssl", SourceVersion: "3.0.1-r1"}
		for name, want := range map[string]bool{"libssl3": tt.binary, "openssl": tt.source} {
			ix := indexOf(t, `{"id":"X-1","affected":[`+affects(tt.ecosystem, name, "3.0.1-r2")+`]}`)
			if got := on(t, ix, tt.system, p); (len(got) == 1) != want {
				t.Errorf("%s: %s found: %v, want %v", tt.system.ID, name, got, want)
			}
			res, err := match.Inventory(inventory.Inventory{System: tt.system, Packages: []inventory.Package{p}}, ix, nil, day)
			if err != nil || res.System.Ecosystem != tt.ecosystem || res.Evaluated != 1 {
				t.Errorf("%s: evaluated as %s, %d, %v", tt.system.ID, res.System.Ecosystem, res.Evaluated, err)
			}
		}
	}
}

// TestSourceEpoch: the source of an rpm is known by a file name, which has no
// epoch; its packages have it.
func TestSourceEpoch(t *testing.T) {
	ix := indexOf(t, `{"id":"AZL-1","affected":[`+affects("Azure Linux:3", "openssl", "1:3.3.2-1.azl3")+`]}`)
	for version, want := range map[string]int{"1:3.3.2-1.azl3": 0, "1:3.3.1-1.azl3": 1, "3.3.2-1.azl3": 1} {
		p := inventory.Package{Type: "rpm", Name: "openssl-libs", Version: version, Source: "openssl", SourceVersion: strings.TrimPrefix(version, "1:")}
		if got := on(t, ix, system("azurelinux", "3.0"), p); len(got) != want {
			t.Errorf("%s: %v", version, got)
		}
	}
}

// TestRoot checks that packages of Root are evaluated with its own advisories.
func TestRoot(t *testing.T) {
	ix := indexOf(t, some, `{"id":"ROOT-1","affected":[`+affects("Root:Debian:12", "rootio-jq", "1.6-2.1.root.io.2")+`]}`,
		`{"id":"ROOT-2","affected":[`+affects("Root:Alpine:3.18", "rootio-libuv", "1.44.2-r20071")+`]}`,
		`{"id":"ALPINE-CVE-2024-1111","affected":[`+affects("Alpine:v3.18", "other", "1")+`]}`)
	for _, tt := range []struct {
		s    inventory.System
		p    inventory.Package
		want int
	}{
		{system("debian", "12"), onePackage("deb", "rootio-jq", "1.6-2.1.root.io.1"), 1},
		{system("debian", "12"), onePackage("deb", "rootio-jq", "1.6-2.1.root.io.2"), 0},
		{system("alpine", "3.18.4"), onePackage("apk", "rootio-libuv", "1.44.2-r1"), 1},
	} {
		if got := on(t, ix, tt.s, tt.p); len(got) != tt.want {
			t.Errorf("%s %s: %v", tt.p.Name, tt.p.Version, got)
		}
	}
	res, err := match.Inventory(inventory.Inventory{System: system("debian", "12"), Packages: []inventory.Package{onePackage("deb", "rootio-jq", "1")}}, indexOf(t, some), nil, day)
	want := match.NotEvaluated{Ecosystem: "Debian:12", Type: "deb", Packages: 1, Cause: match.CauseSystem, Reason: "this service has no advisories of Root"}
	if err != nil || len(res.NotEvaluated) != 1 || res.NotEvaluated[0] != want {
		t.Errorf("%+v, %v", res, err)
	}
}

// TestBuilds: an advisory about one build of an rpm package says nothing about
// the others.
func TestBuilds(t *testing.T) {
	record := func(summary string, fixes ...string) string {
		var entries []string
		for _, f := range fixes {
			entries = append(entries, affects("AlmaLinux:8", "p", f))
		}
		return `{"id":"ALSA-1","summary":"` + summary + `","related":["CVE-2024-1111"],"affected":[` + strings.Join(entries, ",") + `]}`
	}
	const (
		a = "1:14.21.3-1.module_el8.7.0+100+aaaaaaaa"
		b = "1:16.20.2-1.module_el8.8.0+200+bbbbbbbb"
	)
	for _, tt := range []struct {
		name, record  string
		module        string
		affected, not string
	}{
		{"an ordinary build", record("x", "2.0-1.el8"), "", "1.9-1.el8 2.0-0.el8", "2.0-1.el8 1.9-1.module_el8.9.0+1+a"},
		{"a module's build", record("Important: nodejs:14 security update", a), "nodejs:14:1:c", "1:14.21.2-1.module_el8.7.0+90+cccccccc", a + " 1:14.21.2-1.el8"},
		{"another stream", record("Important: nodejs:16 security update", b), "nodejs:14:1:c", "", a},
		{"an unknown stream", record("Important: nodejs:16 security update", b), "", a, b},
		{"a summary without a stream", record("nodejs security update", b), "nodejs:14:1:c", a, b},
		{"two streams in one", record("nodejs security update", a, b), "",
			"1:14.21.2-1.module_el8.7.0+90+c 1:16.20.1-1.module_el8.7.0+90+c 1:15.0-1.module_el8.7.0+90+c", a + " 1:14.21.4-1.module_el8.9.0+900+c " + b},
		{"two repositories in one", record("x", "91.3.0-2.el8_4.alma", "91.3.0-2.el8_4.alma.plus"), "",
			"91.3.0-1.el8_4.alma 91.2.0-9.el8", "91.3.0-2.el8_4.alma 91.3.0-2.el8_4.alma.plus"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ix := indexOf(t, tt.record)
			for _, v := range append(strings.Fields(tt.affected), strings.Fields(tt.not)...) {
				p := onePackage("rpm", "p", v)
				p.Module = tt.module
				if !strings.Contains(v, ".module") {
					p.Module = ""
				}
				want := 0
				if strings.Contains(" "+tt.affected+" ", " "+v+" ") {
					want = 1
				}
				if got := on(t, ix, system("almalinux", "8.10"), p); len(got) != want {
					t.Errorf("%s: %v", v, got)
				}
			}
		})
	}
}

// TestUpstreamNames: other databases' names of a CVE beside it are no
// vulnerabilities of their own, unless their records say so.
func TestUpstreamNames(t *testing.T) {
	julia := `{"id":"JLSEC-1","upstream":["CVE-2024-1111","GHSA-1","EUVD-1"],"affected":[` + affects("Julia", "p", "2") + `]}`
	inv := inventory.Inventory{Packages: []inventory.Package{onePackage("julia", "p", "1")}}
	for _, tt := range []struct {
		records []string
		want    string
	}{
		{[]string{julia}, "CVE-2024-1111"},
		{[]string{julia, `{"id":"GHSA-1","aliases":["CVE-2024-1111"]}`}, "CVE-2024-1111"},
		{[]string{julia, `{"id":"GHSA-1","aliases":["CVE-2024-2222"]}`}, "CVE-2024-1111 CVE-2024-2222"},
		{[]string{`{"id":"JLSEC-1","upstream":["GHSA-1"],"affected":[` + affects("Julia", "p", "2") + `]}`}, "GHSA-1"},
	} {
		if got := strings.Join(ids(findings(t, inv, indexOf(t, tt.records...))), " "); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.records, got, tt.want)
		}
	}
}

// TestChisel: Chisel's manifest does not name the source packages that Ubuntu's
// advisories are about. The advisories name them.
func TestChisel(t *testing.T) {
	f, err := os.Open(testkit.Path(t, "faults", "inventory", "chisel-rock", chisel.ManifestFiles()[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rock := inventory.Inventory{System: system("ubuntu", "24.04")}
	if rock.Packages, err = chisel.ReadManifest(f, "manifest.wall"); err != nil {
		t.Fatal(err)
	}
	// What both of two records name, and what the second alone names.
	glibc := sampleRecord(t, "UBUNTU-CVE-2016-20013")
	openssl := parse(t, `{"id":"UBUNTU-CVE-2024-9143","affected":[{"package":{"ecosystem":"Ubuntu:24.04:LTS","name":"openssl"},
		"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"3.0.13-0ubuntu3.5"}]}],
		"ecosystem_specific":{"binaries":[{"binary_name":"openssl","binary_version":"3.0.13-0ubuntu3.5"},{"binary_name":"base-files","binary_version":"13"}]}}]}`)
	other := parse(t, `{"id":"UBUNTU-CVE-2024-0001","affected":[{"package":{"ecosystem":"Ubuntu:24.04:LTS","name":"openssl-fork"},
		"versions":["1"],"ecosystem_specific":{"binaries":[{"binary_name":"openssl","binary_version":"1"}]}}]}`)
	elsewhere := parse(t, `{"id":"UBUNTU-CVE-2024-0002","affected":[{"package":{"ecosystem":"Ubuntu:22.04:LTS","name":"base-files"},
		"versions":["1"],"ecosystem_specific":{"binaries":[{"binary_name":"base-files","binary_version":"1"},{"binary_name":"libssl3t64","binary_version":"1"}]}}]}`)
	const unknown = "neither the image nor the advisories say from which source packages they were built"
	for _, tt := range []struct {
		name         string
		records      []advisory.Advisory
		source       string // that the image names for libc6
		evaluated    int
		found        []string
		notEvaluated map[string]int // packages by reason
	}{
		{name: "one record", records: []advisory.Advisory{glibc}, evaluated: 1, found: []string{"CVE-2016-20013 libc6"}, notEvaluated: map[string]int{unknown: 3}},
		{name: "a source that the image names", records: []advisory.Advisory{glibc}, source: "other", evaluated: 1, notEvaluated: map[string]int{unknown: 3}},
		{name: "a fixed version, and a binary with a version of its own", records: []advisory.Advisory{glibc, openssl, elsewhere}, evaluated: 2, found: []string{"CVE-2016-20013 libc6"}, notEvaluated: map[string]int{unknown: 2}},
		{name: "two sources", records: []advisory.Advisory{glibc, openssl, other}, evaluated: 1, found: []string{"CVE-2016-20013 libc6"},
			notEvaluated: map[string]int{unknown: 2, "the advisories say that they were built from several source packages: openssl, openssl-fork": 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inv := rock
			inv.Packages = slices.Clone(rock.Packages)
			libc := &inv.Packages[slices.IndexFunc(inv.Packages, func(p inventory.Package) bool { return p.Name == "libc6" })]
			if tt.source != "" {
				libc.Source, libc.SourceVersion = tt.source, libc.Version
			}
			res, err := match.Inventory(inv, index.NewMemory(tt.records, nil), nil, day)
			if err != nil {
				t.Fatal(err)
			}
			var found []string
			for _, f := range res.Findings {
				found = append(found, f.ID+" "+f.Package.Name)
				if f.Package.Source != "" {
					t.Errorf("the finding says that the image names the source package %q", f.Package.Source)
				}
			}
			notEvaluated := map[string]int{}
			for _, u := range res.NotEvaluated {
				notEvaluated[u.Reason] = u.Packages
				if u.Cause != match.CauseSystem {
					t.Errorf("cause %v", u.Cause)
				}
			}
			if res.Evaluated != tt.evaluated || !slices.Equal(found, tt.found) || !maps.Equal(notEvaluated, tt.notEvaluated) {
				t.Errorf("evaluated %d, found %q, not evaluated %v", res.Evaluated, found, notEvaluated)
			}
		})
	}
}

// TestUnreadablePatterns: a package of Jenkins is not evaluated with an entry whose patterns
// have another form, unless another pattern matches.
func TestUnreadablePatterns(t *testing.T) {
	for _, tt := range []struct {
		name, patterns string
		gaps, findings int
	}{
		{"none matches", `["1[.].*"]`, 0, 0},
		{"one matches", `["5[.].*"]`, 0, 1},
		{"an empty one", `[""]`, 1, 0},
		{"a number", `["1[.].*",5]`, 1, 0},
		{"a number, and one matches", `[5,"5[.].*"]`, 0, 1},
		{"not a list", `"5[.].*"`, 1, 0},
		{"too many", `[` + strings.Repeat(`"1[.].*",`, 64) + `"5[.].*"]`, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, err := advisory.Parse([]byte(`{"id":"JENKINS-1","modified":"2024-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"Jenkins","name":"plugin/git"},
				"ecosystem_specific":{"patterns":` + tt.patterns + `}}]}`))
			if err != nil {
				t.Fatal(err)
			}
			inv := inventory.Inventory{Packages: []inventory.Package{{Type: "jenkins", Name: "plugin/git", Version: "5.2.2"}}}
			res, err := match.Inventory(inv, index.NewMemory([]advisory.Advisory{a}, nil), nil, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			if len(res.NotEvaluated) != tt.gaps || len(res.Findings) != tt.findings {
				t.Errorf("%d gaps and %d findings, want %d and %d: %+v", len(res.NotEvaluated), len(res.Findings), tt.gaps, tt.findings, res.NotEvaluated)
			}
		})
	}
}
