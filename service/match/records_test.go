package match_test

import (
	"archive/zip"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/inspect"
	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/index"
	"assay/service/match"
	"assay/service/version/dpkg"
	"assay/verdict"
)

// pick reads records of a folder of osv/ by their ids.
func pick(t testing.TB, folder string, ids ...string) *index.Memory {
	t.Helper()
	z, err := zip.OpenReader(testkit.Path(t, "osv", folder, "all.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var found []advisory.Advisory
	for _, id := range ids {
		i := slices.IndexFunc(z.File, func(f *zip.File) bool { return f.Name == id+".json" })
		if i < 0 {
			t.Fatalf("there is no %s", id)
		}
		found = append(found, readRecord(t, z.File[i]))
	}
	return index.NewMemory(found, nil)
}

func system(id, version string) inventory.System {
	return inventory.System{ID: id, VersionID: version}
}

// onePackage returns a package that is its own source, if its type has sources.
func onePackage(typ, name, version string) inventory.Package {
	p := inventory.Package{Type: typ, Name: name, Version: version}
	switch typ {
	case "deb", "apk", "rpm":
		p.Source, p.SourceVersion = name, version
	}
	return p
}

// on evaluates packages of a system and returns the ids of the findings.
func on(t testing.TB, ix match.Index, s inventory.System, pkgs ...inventory.Package) []string {
	t.Helper()
	return ids(findings(t, inventory.Inventory{System: s, Packages: pkgs}, ix))
}

// TestRecords has records of the public data that matchers are known to get wrong, with
// packages on both sides of their edges.
func TestRecords(t *testing.T) {
	bookworm := system("debian", "12")
	alma8, none := system("almalinux", "8.10"), inventory.System{}
	type check struct {
		system   inventory.System
		pkg      inventory.Package
		findings string // ids, separated by blanks
	}
	deb := func(name, version, source, sourceVersion string) inventory.Package {
		return inventory.Package{Type: "deb", Name: name, Version: version, Source: source, SourceVersion: sourceVersion}
	}
	modular := func(name, version, label string) inventory.Package {
		p := onePackage("rpm", name, version)
		p.Module = label
		return p
	}
	const squid = "CVE-2026-32748 CVE-2026-33526"
	tests := []struct {
		name    string
		folder  string
		records []string
		checks  []check
	}{
		{"a backport sorts below the unstable fix", "Debian", []string{"DEBIAN-CVE-2026-114938"}, []check{
			{bookworm, onePackage("deb", "openjdk-17", "17.0.21.1+2-1~deb12u1"), ""},
			{bookworm, onePackage("deb", "openjdk-17", "17.0.21+10-1~deb12u1"), "CVE-2026-114938"},
		}},
		{"sources have versions of their own", "Debian", []string{"DEBIAN-CVE-2024-28085"}, []check{
			{bookworm, deb("bsdutils", "1:2.38.1-5", "util-linux", "2.38.1-5"), "CVE-2024-28085"},
			{bookworm, deb("bsdutils", "1:2.38.1-5+deb12u3", "util-linux", "2.38.1-5+deb12u3"), ""},
		}},
		{"a rebuild of the binary alone", "Debian", []string{"DEBIAN-CVE-2023-4911"}, []check{
			{bookworm, deb("libc6", "2.36-9+deb12u3+b2", "glibc", "2.36-9+deb12u3"), ""},
			{bookworm, deb("libc6", "2.36-9+b2", "glibc", "2.36-9"), "CVE-2023-4911"},
		}},
		{"a fix without a mark of the release", "Debian", []string{"DEBIAN-CVE-2022-40982"}, []check{
			{bookworm, onePackage("deb", "linux", "6.1.38-2"), "CVE-2022-40982"},
			{bookworm, onePackage("deb", "linux", "6.1.38-3"), ""},
			{bookworm, onePackage("deb", "linux", "6.1.52-1"), ""},
		}},
		{"a version that is really another", "Debian", []string{"DSA-5288-1"}, []check{
			{system("debian", "11"), onePackage("deb", "graphicsmagick", "1.4+really1.3.36+hg16481-2"), "CVE-2022-1270"},
			{system("debian", "11"), onePackage("deb", "graphicsmagick", "1.4+really1.3.36+hg16481-2+deb11u1"), ""},
			{system("debian", "11"), onePackage("deb", "graphicsmagick", "1.4+really1.3.40-2"), ""},
		}},
		{"a package repeated for each release", "Debian", []string{"DSA-4098-1"}, []check{
			{system("debian", "8"), onePackage("deb", "curl", "7.38.0-4+deb8u9"), ""},
			{system("debian", "9"), onePackage("deb", "curl", "7.38.0-4+deb8u9"), "CVE-2018-1000007"},
			{system("debian", "9"), onePackage("deb", "curl", "7.52.1-5+deb9u4"), ""},
		}},
		{"a CVE that later uploads name again", "Debian", []string{"DEBIAN-CVE-2023-4911"}, []check{
			{bookworm, onePackage("deb", "glibc", "2.36-9+deb12u2"), "CVE-2023-4911"},
			{bookworm, onePackage("deb", "glibc", "2.36-9+deb12u3"), ""},
		}},
		{"a record with several builds of one package", "AlmaLinux", []string{"ALSA-2026:8317"}, []check{
			{alma8, modular("libecap-devel", "1.0.1-2.module_el8.6.0+2741+01592ae8", "squid:4:8060020220105124137:d63f516d"), ""},
			{alma8, modular("libecap-devel", "1.0.1-2.module_el8.6.0+3048+383bc947", "squid:4:8060020220105124137:d63f516d"), ""},
			{alma8, modular("libecap-devel", "1.0.1-2.module_el8.4.0+2000+01592ae8", "squid:4:8040020220105124137:d63f516d"), squid},
			{alma8, modular("libecap-devel", "1.0.1-1.module_el8.9.0+9999+01592ae8", ""), squid},
			{alma8, modular("libecap-devel", "1.0.1-1.module_el8.6.0+2741+01592ae8", "other:4:8060020220105124137:d63f516d"), ""},
			{alma8, modular("libecap-devel", "1.0.1-1.el8", ""), ""}, // not a module build
			{alma8, modular("squid", "7:4.15-10.module_el8.10.0+4163+e77fcdac.10", "squid:4:8100020240105124137:d63f516d"), squid},
			{alma8, modular("squid", "7:4.15-10.module_el8.10.0+4163+e77fcdac.11", "squid:4:8100020240105124137:d63f516d"), ""},
		}},
		{"a notice without any CVE", "AlmaLinux", []string{"ALBA-2019:0973", "ALSA-2026:8317"}, []check{
			{alma8, modular("oci-umount", "2:2.3.3-1.module_el8.0.0+1+9a9ec082", "container-tools:rhel8:80:9a9ec082"), ""},
		}},
		{"one id for two releases", "AlmaLinux", []string{"ALSA-2025:18824"}, []check{
			{system("almalinux", "10.0"), onePackage("rpm", "java-21-openjdk", "1:21.0.8.0.9-1.el10"), "CVE-2025-53057 CVE-2025-53066 CVE-2025-61748"},
			{system("almalinux", "10.0"), onePackage("rpm", "java-21-openjdk", "1:21.0.9.0.10-1.el10.alma.1"), ""},
			{system("almalinux", "9.6"), onePackage("rpm", "java-21-openjdk", "1:21.0.8.0.9-1.el9"), "CVE-2025-53057 CVE-2025-53066 CVE-2025-61748"},
		}},
		{"a Go range that includes every version", "Go", []string{"GO-2023-2385"}, []check{
			{none, onePackage("golang", "github.com/pubnub/go/v5", "v5.0.3"), "CVE-2023-26154"},
			{none, onePackage("golang", "github.com/pubnub/go/v5", "v5.0.4-0.20231016150650-428517fef5b9"), "CVE-2023-26154"},
			{none, onePackage("golang", "github.com/pubnub/go/v5", "v5.0.4-0.20231016150651-428517fef5b9"), ""},
			{none, onePackage("golang", "github.com/pubnub/go/v5", "v5.1.0"), ""},
			{none, onePackage("golang", "github.com/pubnub/go", "v4.10.0+incompatible"), "CVE-2023-26154"},
			{none, onePackage("golang", "github.com/pubnub/go/v7", "v7.2.0"), ""},
			{none, onePackage("golang", "github.com/pubnub/go/v7", "v7.1.0"), "CVE-2023-26154"},
		}},
		{"tags that begin late, and pseudo-versions", "Go", []string{"GO-2026-5672"}, []check{
			{none, onePackage("golang", "github.com/nezhahq/nezha", "v0.0.0-20250101000000-428517fef5b9"), "CVE-2026-49397"},
			{none, onePackage("golang", "github.com/nezhahq/nezha", "v2.0.13"), "CVE-2026-49397"},
			{none, onePackage("golang", "github.com/nezhahq/nezha", "v2.0.14"), ""},
			{none, onePackage("golang", "github.com/nezhahq/nezha", "v1.9.0"), ""},
		}},
		{"the standard library", "Go", []string{"GO-2021-0067", "GO-2021-0068"}, []check{
			{none, onePackage("golang", "stdlib", "go1.16"), "CVE-2021-27919"},
			{none, onePackage("golang", "stdlib", "1.16rc1"), "CVE-2021-27919"},
			{none, onePackage("golang", "stdlib", "go1.16.1"), ""},
			{none, onePackage("golang", "stdlib", "v1.15.15"), ""},
			{none, onePackage("golang", "toolchain", "go1.14"), ""}, // Windows only
		}},
		{"incompatible versions and paths in upper case", "Go", []string{"GO-2021-0072", "GO-2020-0047"}, []check{
			{none, onePackage("golang", "github.com/docker/distribution", "v2.6.2+incompatible"), "CVE-2017-11468"},
			{none, onePackage("golang", "github.com/docker/distribution", "v2.7.0-rc.0+incompatible"), ""},
			{none, onePackage("golang", "github.com/docker/distribution", "v2.7.1+incompatible"), ""},
			{none, onePackage("golang", "github.com/RobotsAndPencils/go-saml", "v0.0.0-20170520135329-fb13cb52a46b"), "CVE-2020-36563"},
			{none, onePackage("golang", "github.com/robotsandpencils/go-saml", "v0.0.0-20170520135329-fb13cb52a46b"), "CVE-2020-36563"},
			{none, onePackage("golang", "github.com/!robots!and!pencils/go-saml", "v0.0.0-20170520135329-fb13cb52a46b"), "CVE-2020-36563"},
		}},
		{"notices, and records for one system", "crates.io", []string{"RUSTSEC-2016-0004", "RUSTSEC-2016-0002"}, []check{
			{none, onePackage("cargo", "libusb", "0.3.0"), ""},
			{none, onePackage("cargo", "hyper", "0.9.3"), ""}, // Windows only
		}},
		{"ranges of commits and of versions", "PyPI", []string{"PYSEC-2021-579", "PYSEC-2018-100"}, []check{
			{none, onePackage("pypi", "tensorflow-cpu", "2.3.3"), "CVE-2021-37666"},
			{none, onePackage("pypi", "TensorFlow_CPU", "2.4.2"), "CVE-2021-37666"},
			{none, onePackage("pypi", "tensorflow-cpu", "2.3.4"), ""},
			{none, onePackage("pypi", "tensorflow-cpu", "2.2.0"), ""},
			{none, onePackage("pypi", "tensorflow-cpu", "be7a4de6adfbd303ce08be4332554dff70362612"), ""},
			{none, onePackage("pypi", "rope", "0.3m1"), "CVE-2014-3539"}, // not a version by PEP 440
			{none, onePackage("pypi", "rope", "0.11.0"), ""},
		}},
		{"versions alone, and nothing at all", "PyPI", []string{"PYSEC-2024-1", "PYSEC-2022-15"}, []check{
			{none, onePackage("pypi", "gratient", "0.5"), "PYSEC-2024-1"},
			{none, onePackage("pypi", "gratient", "0.5.0"), "PYSEC-2024-1"}, // the same release to PEP 440
			{none, onePackage("pypi", "gratient", "0.4"), ""},
			{none, onePackage("pypi", "loguru", "0.5.3"), ""},
		}},
		{"a range of one version", "Bitnami", []string{"BIT-django-2023-31047"}, []check{
			{none, onePackage("bitnami", "django", "4.2.0"), "CVE-2023-31047"},
			{none, onePackage("bitnami", "django", "4.2.0-0"), "CVE-2023-31047"},
			{none, onePackage("bitnami", "django", "4.2.1"), ""},
			{none, onePackage("bitnami", "django", "4.1.9"), ""},
			{none, onePackage("bitnami", "django", "4.1.8-12"), "CVE-2023-31047"},
		}},
		{"a fix in the build metadata", "Julia", []string{"JLSEC-2025-10", "JLSEC-2026-216"}, []check{
			{none, onePackage("julia", "Bzip2_jll", "1.0.6+5"), "CVE-2016-3189"},
			{none, onePackage("julia", "Bzip2_jll", "1.0.7+0"), ""},
			{none, onePackage("julia", "OpenSSL_jll", "1.1.1+1"), "CVE-2019-1551"},
			{none, onePackage("julia", "OpenSSL_jll", "1.1.1+2"), ""},
			{none, onePackage("julia", "OpenSSL_jll", "1.1.1+10"), ""},
		}},
		{"a fix with an invalid version", "Alpine", []string{"ALPINE-CVE-2018-10981", "ALPINE-CVE-2016-6258"}, []check{
			{system("alpine", "3.11.13"), onePackage("apk", "xen", "4.9.2-r0"), "CVE-2018-10981"},
			{system("alpine", "3.11.13"), onePackage("apk", "xen", "4.13.0-r3"), ""},
			{system("alpine", "3.10.9"), onePackage("apk", "xen", "4.10.1-r0"), "CVE-2018-10981"},
			{system("alpine", "3.10.9"), onePackage("apk", "xen", "4.10.1-r1"), ""},
			{system("alpine", "3.4.6"), onePackage("apk", "xen", "4.6.3-r0"), "CVE-2016-6258 CVE-2018-10981"},
		}},
		{"a key in the package database", "AlmaLinux", []string{"ALSA-2026:8317"}, []check{
			{alma8, inventory.Package{Type: "rpm", Name: "gpg-pubkey", Version: "8483c65d-5ccc5b19"}, ""},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ix := pick(t, tt.folder, tt.records...)
			for _, c := range tt.checks {
				got := strings.Join(on(t, ix, c.system, c.pkg), " ")
				if got != c.findings {
					t.Errorf("%s %s %s: %q, want %q", c.pkg.Name, c.pkg.Version, c.pkg.Module, got, c.findings)
				}
			}
		})
	}
}

// TestBackportOrder checks that the first case of TestRecords is a hard one: by version
// alone the fixed backport is older than the fix.
func TestBackportOrder(t *testing.T) {
	if c, err := dpkg.Compare("17.0.21.1+2-1~deb12u1", "17.0.21.1+2-1"); c != -1 || err != nil {
		t.Errorf("%d, %v", c, err)
	}
}

// TestKernelHeaders checks that the vulnerabilities of the kernel's headers are marked.
func TestKernelHeaders(t *testing.T) {
	f := only(t, debian12([]inventory.Package{{Type: "deb", Name: "linux-libc-dev", Version: "6.1.38-2", Source: "linux", SourceVersion: "6.1.38-2"}}),
		pick(t, "Debian", "DEBIAN-CVE-2022-40982"))
	if !f.Kernel || f.ID != "CVE-2022-40982" {
		t.Errorf("%s, kernel %v", f.ID, f.Kernel)
	}
}

// TestRedHatRecord has a record of Red Hat, in which the ecosystem is the end of a CPE
// and versions have an epoch.
func TestRedHatRecord(t *testing.T) {
	ix := index.NewMemory([]advisory.Advisory{sampleRecord(t, "RHSA-2024_4546")}, nil)
	aus := inventory.System{ID: "rhel", VersionID: "8.6", CPE: "cpe:/o:redhat:rhel_aus:8.6::baseos"}
	for version, want := range map[string]string{"2.13.3-3.el8_6": "CVE-2023-45288", "2.13.3-3.el8_6.1": "", "0:2.13.3-3.el8_6.1": "", "0:2.13.3-2.el8": "CVE-2023-45288"} {
		if got := strings.Join(on(t, ix, aus, onePackage("rpm", "git-lfs", version)), " "); got != want {
			t.Errorf("%s: %q, want %q", version, got, want)
		}
	}
	bySets := onePackage("rpm", "git-lfs", "2.13.3-2.el8")
	bySets.ContentSets = []string{"rhel-8-for-x86_64-appstream-e4s-rpms"}
	if got := on(t, ix, system("rhel", "8.6"), bySets); len(got) != 1 {
		t.Errorf("by content sets: %v", got)
	}
	// Without extended support, its fixes cannot be installed.
	res, err := match.Inventory(inventory.Inventory{System: system("rhel", "8.6"), Packages: []inventory.Package{onePackage("rpm", "git-lfs", "2.13.3-2.el8")}}, ix, nil, day)
	if err != nil || len(res.Findings) != 0 || len(res.NotEvaluated) != 1 || res.NotEvaluated[0].Reason != "this service has no advisories for Red Hat:enterprise_linux:8" {
		t.Errorf("%+v, %v", res, err)
	}
}

// TestSeverityOfRecords has records with a rating in the affected entry, or with
// several CVSS vectors.
func TestSeverityOfRecords(t *testing.T) {
	for _, tt := range []struct {
		folder, record    string
		pkg               inventory.Package
		severity          verdict.Severity
		source            string
		score             float64
		wantVectorVersion string
	}{
		{"Bitnami", "BIT-joomla-2026-30894", onePackage("bitnami", "joomla", "5.4.5"), verdict.Medium, "BIT-joomla-2026-30894: CVSS 4.0", 6.9, "CVSS:4.0"},
		{"Julia", "JLSEC-2026-216", onePackage("julia", "OpenSSL_jll", "1.1.1+1"), verdict.Medium, "JLSEC-2026-216: CVSS 3.1", 5.3, "CVSS:3.1"},
	} {
		f := only(t, inventory.Inventory{Packages: []inventory.Package{tt.pkg}}, pick(t, tt.folder, tt.record))
		if f.Severity != tt.severity || f.SeveritySource != tt.source || f.Score != tt.score || !strings.HasPrefix(f.Vector, tt.wantVectorVersion) {
			t.Errorf("%s: %s by %q, %v, %s", tt.record, f.Severity, f.SeveritySource, f.Score, f.Vector)
		}
	}
}

// TestInvalidVersionInRecord checks that a range with an invalid version counts as not
// evaluated.
func TestInvalidVersionInRecord(t *testing.T) {
	ix := pick(t, "Bitnami", "BIT-mastodon-2026-47777")
	res, err := match.Inventory(inventory.Inventory{Packages: []inventory.Package{onePackage("bitnami", "mastodon", "4.5.9")}}, ix, nil, day)
	want := match.NotEvaluated{
		Ecosystem: "Bitnami", Type: "bitnami", Packages: 1, Cause: match.CauseVersion,
		Reason: `BIT-mastodon-2026-47777 of mastodon: version "nightly.2026-03-10.0" does not begin with a number`,
	}
	if err != nil || len(res.Findings) != 0 || !slices.Equal(res.NotEvaluated, []match.NotEvaluated{want}) || res.Evaluated != 1 {
		t.Errorf("%+v, %v", res, err)
	}
}

// TestNotInstalled checks that packages in dpkg's database that are not installed are not
// evaluated.
func TestNotInstalled(t *testing.T) {
	for _, database := range []string{"trivy-valid", "scalibr-statusfield"} {
		inv, err := inspect.Inspect(t.Context(), testkit.Path(t, "pkgdb", "dpkg", database), inspect.Options{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(testkit.Path(t, "pkgdb", "dpkg", database, "expected.json"))
		if err != nil {
			t.Fatal(err)
		}
		var rows []struct{ Name, Status string }
		if err := json.Unmarshal(b, &rows); err != nil {
			t.Fatal(err)
		}
		gone := 0
		for _, r := range rows {
			has := slices.ContainsFunc(inv.Packages, func(p inventory.Package) bool { return p.Name == r.Name })
			if installed := r.Status == "installed" || r.Status == "unpacked"; has != installed {
				t.Errorf("%s: %s is %s, in the inventory %v", database, r.Name, r.Status, has)
			} else if !installed {
				gone++
			}
		}
		if gone == 0 {
			t.Errorf("%s has nothing that is gone", database)
		}
	}
}

// TestUnratedRecords checks that most of Debian's records have no rating, and that their
// findings are unrated.
func TestUnratedRecords(t *testing.T) {
	all := readZip(t, "osv", "Debian", "all.zip")
	var records []advisory.Advisory
	var pkgs []inventory.Package
	seen := map[string]bool{}
	for _, a := range all {
		if !strings.HasPrefix(a.ID, "DEBIAN-CVE-") || len(a.Affected) != 1 || len(records) == 500 {
			continue
		}
		records = append(records, a)
		if name := a.Affected[0].Package.Name; !seen[name] {
			seen[name] = true
			pkgs = append(pkgs, onePackage("deb", name, "0"))
		}
	}
	found := map[string]match.Finding{}
	for _, f := range findings(t, debian12(pkgs), index.NewMemory(all, nil)) {
		for _, id := range f.Advisories {
			found[id] = f
		}
	}
	rated, unrated := 0, 0
	for _, a := range records {
		f, ok := found[a.ID]
		if !ok {
			t.Fatalf("%s is not found", a.ID)
		}
		if f.Severity == verdict.Unrated {
			unrated++
		} else if len(a.Severity) > 0 {
			rated++
		}
	}
	if unrated < 200 {
		t.Errorf("%d rated, %d unrated", rated, unrated)
	}
}

// TestArchitecturesOfBuilds: a record with a fix for each architecture is evaluated with the
// image's, even if the other architecture's is closer to the installed version.
func TestArchitecturesOfBuilds(t *testing.T) {
	entry := func(fixed, arch string) string {
		return strings.TrimSuffix(affects("AlmaLinux:8", "p", fixed), "}") + `,"ecosystem_specific":{"affects":{"arch":["` + arch + `"]}}}`
	}
	ix := indexOf(t, `{"id":"ALSA-2024:1","related":["CVE-2024-1111"],"affected":[`+entry("1.2-4.el8", "x86_64")+","+entry("1.3-1.el8", "aarch64")+`]}`)
	for arch, want := range map[string]int{"x86_64": 0, "aarch64": 1} {
		p := onePackage("rpm", "p", "1.2-4.el8")
		p.Arch = arch
		if got := on(t, ix, system("almalinux", "8.10"), p); len(got) != want {
			t.Errorf("%s: %q", arch, got)
		}
	}
}

// TestArchitectures checks that records about other architectures are ignored if the
// system's architecture is known.
func TestArchitectures(t *testing.T) {
	ix := pick(t, "Go", "GO-2025-3447", "GO-2022-0187")
	for arch, want := range map[string]string{"ppc64el": "CVE-2025-22866", "amd64": "CVE-2017-8932", "": "CVE-2017-8932 CVE-2025-22866"} {
		s := onePackage("deb", "base-files", "12")
		s.Arch = arch
		inv := inventory.Inventory{System: system("debian", "12"), Packages: []inventory.Package{s, onePackage("golang", "stdlib", "go1.8.1")}}
		res, err := match.Inventory(inv, ix, nil, day)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(ids(res.Findings), " "); got != want {
			t.Errorf("on %q: %q, want %q", arch, got, want)
		}
	}
}
