package match_test

import (
	"slices"
	"strings"
	"testing"

	"assay/inspect/inventory"
	"assay/service/match"
)

// source is an rpm package that was built from a source of another name or version.
func source(name, version, of, sourceVersion string) inventory.Package {
	return inventory.Package{Type: "rpm", Name: name, Version: version, Source: of, SourceVersion: sourceVersion}
}

// TestSourceVersions: a source package is known by a file name without an epoch, which
// a package of its version knows.
func TestSourceVersions(t *testing.T) {
	ix := indexOf(t, `{"id":"RLSA-2024:1","related":["CVE-2024-1111"],"affected":[`+affects("Rocky Linux:8", "perl", "4:5.26.3-422.el8")+`]}`)
	errno := func(sourceVersion string) inventory.Package {
		return source("perl-Errno", "1.28-421.el8", "perl", sourceVersion)
	}
	for _, tt := range []struct {
		name string
		pkgs []inventory.Package
		want int
	}{
		{"its own", []inventory.Package{source("perl-libs", "4:5.26.3-421.el8", "perl", "5.26.3-421.el8")}, 1},
		{"its own, fixed", []inventory.Package{source("perl-libs", "4:5.26.3-422.el8", "perl", "5.26.3-422.el8")}, 0},
		{"of another package", []inventory.Package{errno("5.26.3-422.el8"), source("perl-libs", "4:5.26.3-422.el8", "perl", "5.26.3-422.el8")}, 0},
		{"of another package, affected", []inventory.Package{errno("5.26.3-421.el8"), source("perl-libs", "4:5.26.3-421.el8", "perl", "5.26.3-421.el8")}, 2},
		{"no package of the source", []inventory.Package{errno("5.26.3-422.el8")}, 0},
		{"no package of the source, affected", []inventory.Package{errno("5.26.3-421.el8")}, 1},
		{"named with the source", []inventory.Package{errno("4:5.26.3-422.el8")}, 0},
	} {
		if got := on(t, ix, system("rocky", "8.9"), tt.pkgs...); len(got) != tt.want {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}

// TestOtherBuilds: builds of a package under one name that have nothing to do with
// each other.
func TestOtherBuilds(t *testing.T) {
	ol, amzn, alma, rhel := system("ol", "9.4"), system("amzn", "2"), system("almalinux", "8.10"), system("rhel", "8.10")
	const module = ".module_el8.6.0+2741+01592ae8"
	for _, tt := range []struct {
		name      string
		system    inventory.System
		ecosystem string
		id, fixed string
		installed string
		want      bool
	}{
		{"a validated build for ordinary ones", ol, "Oracle Linux:9", "ELSA-2024-1", "10:3.0.7-18.0.1.el9_2_fips", "1:3.0.7-16.el9", false},
		{"a validated build for validated ones", ol, "Oracle Linux:9", "ELSA-2024-1", "10:3.0.7-18.0.1.el9_2_fips", "10:3.0.7-17.el9_2_fips", true},
		{"an ordinary build for validated ones", ol, "Oracle Linux:9", "ELSA-2024-1", "11:3.0.7-18.el9", "10:3.0.7-17.el9_2_fips", false},
		{"a patch in memory for ordinary builds", ol, "Oracle Linux:9", "ELSA-2024-1", "2:2.28-236.0.1.ksplice1.el9", "2:2.28-225.el9", false},
		{"a patch in memory for its kind", ol, "Oracle Linux:9", "ELSA-2024-1", "2:2.28-236.0.1.ksplice1.el9", "2:2.28-225.0.1.ksplice1.el9", true},
		{"a patch in memory for another kind", ol, "Oracle Linux:9", "ELSA-2024-1", "2:2.28-236.0.1.ksplice1.el9", "2:2.28-225.0.1.ksplice2.el9", false},
		{"an extra's fix for the core", amzn, "Amazon Linux:2", "ALAS2POSTGRESQL14-2023-003", "14.8-1.amzn2.0.1", "9.2.24-8.amzn2.0.1", false},
		{"an extra's fix for the extra", amzn, "Amazon Linux:2", "ALAS2POSTGRESQL14-2023-003", "14.8-1.amzn2.0.1", "14.7-1.amzn2.0.1", true},
		{"an extra's fix for another extra", amzn, "Amazon Linux:2", "ALAS2POSTGRESQL14-2023-003", "14.8-1.amzn2.0.1", "13.9-1.amzn2.0.1", false},
		{"of longer numbers", amzn, "Amazon Linux:2", "ALAS2MARIADB10.5-2023-003", "3:10.5.18-1.amzn2", "3:10.50.1-1.amzn2", false},
		{"a kernel of an extra", amzn, "Amazon Linux:2", "ALASKERNEL-5.10-2024-049", "5.10.209-198.812.amzn2", "5.10.1-1.amzn2", true},
		{"a core kernel", amzn, "Amazon Linux:2", "ALASKERNEL-5.10-2024-049", "5.10.209-198.812.amzn2", "4.14.336-253.554.amzn2", false},
		{"an extra that no version names", amzn, "Amazon Linux:2", "ALAS2DOCKER-2023-003", "20.10.25-1.amzn2", "20.10.17-1.amzn2", true},
		{"an extra whose number is not a version of the package", amzn, "Amazon Linux:2", "ALAS2CORRETTO8-2023-003", "1:1.8.0_392-1.amzn2", "1:1.8.0_382-1.amzn2", true},
		{"the core", amzn, "Amazon Linux:2", "ALAS2-2023-2453", "9.2.24-9.amzn2", "9.2.24-8.amzn2", true},
		{"the core under its old name", amzn, "Amazon Linux:2", "ALAS-2018-1050", "9.2.24-9.amzn2", "9.2.24-8.amzn2", true},
		{"a later system has no extras", system("amzn", "2023"), "Amazon Linux:2023", "ALAS2023-2024-1", "16.1-1.amzn2023", "15.2-1.amzn2023", true},
		{"a module's build without a label", alma, "AlmaLinux:8", "ALSA-2024:1", "1.1-1" + module, "1.0-1" + module, true},
		{"an ordinary fix for it", alma, "AlmaLinux:8", "ALSA-2024:1", "1.1-1.el8", "1.0-1" + module, false},
		{"no fix for it", rhel, "Red Hat:enterprise_linux:8::appstream", "RHSA-2024:1", "", "1.0-1.module+el8.6.0+2741+01592ae8", false},
	} {
		ix := indexOf(t, `{"id":"`+tt.id+`","related":["CVE-2024-1111"],"affected":[`+affects(tt.ecosystem, "p", tt.fixed)+`]}`)
		res, err := match.Inventory(inventory.Inventory{System: tt.system, Packages: []inventory.Package{onePackage("rpm", "p", tt.installed)}}, ix, nil, day)
		if err != nil || (len(res.Findings) == 1) != tt.want || res.Evaluated != 1 {
			t.Errorf("%s: %d findings, %v", tt.name, len(res.Findings), err)
		}
		for _, f := range res.Findings {
			if got := strings.Contains(f.Why, "; uncertain"); got != strings.Contains(tt.installed, "module") {
				t.Errorf("%s: why %q", tt.name, f.Why)
			}
		}
	}
}

func TestSAP(t *testing.T) {
	const own, server = "SUSE:Linux Enterprise Server for SAP Applications 15 SP5", "SUSE:Linux Enterprise Module for Basesystem 15 SP5"
	ix := indexOf(t, `{"id":"SUSE-SU-2024:1-1","upstream":["CVE-2024-1111"],"affected":[`+affects(own, "p", "2")+`]}`,
		`{"id":"SUSE-SU-2024:2-1","upstream":["CVE-2024-2222"],"affected":[`+affects(server, "p", "2")+`]}`)
	for _, tt := range []struct {
		system inventory.System
		want   []string
	}{
		{inventory.System{ID: "sles_sap", VersionID: "15.5"}, []string{"CVE-2024-1111", "CVE-2024-2222"}},
		{inventory.System{ID: "sles", VersionID: "15.5", CPE: "cpe:/o:suse:sles_sap:15:sp5"}, []string{"CVE-2024-1111", "CVE-2024-2222"}},
		{inventory.System{ID: "sles", VersionID: "15.5", CPE: "cpe:/o:suse:sles:15:sp5"}, []string{"CVE-2024-2222"}},
	} {
		if got := on(t, ix, tt.system, onePackage("rpm", "p", "1")); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q", tt.system.CPE, got)
		}
	}
}

// TestOtherSpellings: versions that tools write in more ways than one.
func TestOtherSpellings(t *testing.T) {
	for _, tt := range []struct {
		typ, ecosystem, installed, fixed string
		want                             bool
	}{
		{"gem", "RubyGems", "1.13.6-x86_64-linux", "1.13.6", false},
		{"gem", "RubyGems", "1.13.5-x86_64-linux", "1.13.6", true},
		{"gem", "RubyGems", "1.13.6-java", "1.13.6", false},
		{"gem", "RubyGems", "1.13.6-arm64-darwin-23", "1.13.6", false},
		{"gem", "RubyGems", "1.13.6-rc1", "1.13.6", true},
		{"pypi", "PyPI", "2.6.0+cu124", "2.6.0", false},
		{"pypi", "PyPI", "2.5.1+cu124", "2.6.0", true},
		{"pypi", "PyPI", "2.6.0+cu118", "2.6.0+cu124", true},
		{"pypi", "PyPI", "2.6.0+cu124", "2.6.0+cu124", false},
		{"npm", "npm", "2.6.0+x", "2.6.0", false},
	} {
		ix := indexOf(t, `{"id":"GHSA-1","aliases":["CVE-2024-1111"],"affected":[`+affects(tt.ecosystem, "p", tt.fixed)+`]}`)
		if got := on(t, ix, inventory.System{}, onePackage(tt.typ, "p", tt.installed)); (len(got) == 1) != tt.want {
			t.Errorf("%s %s, fixed in %s: %q", tt.typ, tt.installed, tt.fixed, got)
		}
	}
	listed := indexOf(t, `{"id":"PYSEC-1","affected":[{"package":{"ecosystem":"PyPI","name":"p"},"versions":["2.5.0","2.6.0"]}]}`)
	if got := on(t, listed, inventory.System{}, onePackage("pypi", "p", "2.6.0+cu124")); len(got) != 1 {
		t.Errorf("listed: %q", got)
	}
}

// TestBounds checks the end of a range that GitHub gives in a field of its own.
func TestBounds(t *testing.T) {
	for _, tt := range []struct {
		events, bound, versions, installed string
		want                               bool
		fixed                              string
	}{
		{`{"introduced":"2.1.0"}`, "< 2.1.3", ``, "2.1.2", true, "2.1.3"},
		{`{"introduced":"2.1.0"}`, "< 2.1.3", ``, "2.1.3", false, ""},
		{`{"introduced":"0"}`, "<= 2.1.3", ``, "2.1.3", true, ""},
		{`{"introduced":"0"}`, "<= 2.1.3", ``, "2.1.4", false, ""},
		{`{"introduced":"0"}`, "< 2.1.3", `"2.1.2","2.1.3"`, "2.1.2", true, "2.1.3"},
		{`{"introduced":"0"}`, "< 2.1.3", `"2.1.2","2.1.3"`, "2.1.3", false, ""},
		{`{"introduced":"0"},{"fixed":"3"}`, "<= 2.1.3", ``, "2.9.0", true, "3"},
		{`{"introduced":"2.1.0"}`, "<= 1.0", ``, "2.1.2", true, ""},
		{`{"introduced":"2.1.0"}`, "< 1.0", ``, "2.1.2", true, ""},
		{`{"introduced":"0"}`, "= 2.1.3", ``, "3.0.0", true, ""},
		{`{"introduced":"0"}`, "< 2.1.3, > 1", ``, "3.0.0", true, ""},
		{`{"introduced":"0"}`, "", ``, "3.0.0", true, ""},
		{`{"introduced":"0"}`, "< no version", ``, "3.0.0", true, ""},
	} {
		ix := indexOf(t, `{"id":"GHSA-1","affected":[{"package":{"ecosystem":"npm","name":"p"},"versions":[`+tt.versions+`],
			"ranges":[{"type":"ECOSYSTEM","events":[`+tt.events+`]}],"database_specific":{"last_known_affected_version_range":"`+tt.bound+`"}}]}`)
		got := findings(t, inventory.Inventory{Packages: []inventory.Package{onePackage("npm", "p", tt.installed)}}, ix)
		if (len(got) == 1) != tt.want || len(got) == 1 && got[0].Fixed != tt.fixed {
			t.Errorf("%s of %s, %q: %+v", tt.installed, tt.events, tt.bound, got)
		}
	}
}
