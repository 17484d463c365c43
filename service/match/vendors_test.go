package match_test

import (
	"testing"

	"assay/inspect/inventory"
	"assay/service/match"
)

// TestVendors: packages that another vendor built, by versions and maintainers of
// real packages.
func TestVendors(t *testing.T) {
	const mine = ""
	debian, ubuntu := system("debian", "12"), system("ubuntu", "22.04")
	alpine, alma, leap, ol, centos := system("alpine", "3.19.1"), system("almalinux", "9.4"), system("opensuse-leap", "15.5"), system("ol", "9.4"),
		inventory.System{ID: "centos", VersionID: "8", PrettyName: "CentOS Linux 8"}
	sles := system("sles", "15.5")
	ix := indexOf(t, some,
		`{"id":"X-1","affected":[`+affects("Alpine:v3.19", "other", "1")+`,`+affects("AlmaLinux:9", "other", "1")+`,`+affects("openSUSE:Leap 15.5", "other", "1")+`,`+
			affects("Oracle Linux:9", "other", "1")+`,`+affects("SUSE:Linux Enterprise Server 15 SP5", "other", "1")+`,`+affects("Red Hat:enterprise_linux:8::baseos", "other", "1")+`]}`)
	for _, tt := range []struct {
		system               inventory.System
		typ, version, vendor string
		want                 string
	}{
		{debian, "deb", "1.25.3-1~bookworm", "NGINX Packaging <nginx-packaging@f5.com>", "built by nginx.org, not by Debian"},
		{debian, "deb", "1.25.3-1~bookworm", "", "built by another vendor, not by Debian"},
		{debian, "deb", "18.20.4-1nodesource1", "Ivan Iguaran <ivan.iguaran@nodesource.com>", "built by NodeSource, not by Debian"},
		{debian, "deb", "16.18.1-deb-1nodesource1", "", "built by NodeSource, not by Debian"},
		{debian, "deb", "13.4-1.pgdg110+1", "Debian PostgreSQL Maintainers <team+postgresql@tracker.debian.org>", "built by apt.postgresql.org, not by Debian"},
		{debian, "deb", "1:10.10.2+maria~deb10", "MariaDB Developers <developers@lists.mariadb.org>", "built by mariadb.org, not by Debian"},
		{debian, "deb", "8.0.35-1debian12", "MySQL Release Engineering <mysql-build@oss.oracle.com>", "built by Oracle, not by Debian"},
		{debian, "deb", "5:24.0.7-1~debian.12~bookworm", "Docker <support@docker.com>", "built by Docker, not by Debian"},
		{debian, "deb", "1.6.25-1", "Containerd team <help@containerd.io>", mine}, // not recognised
		{debian, "deb", "2.36-9+rpt2+deb12u3", "GNU Libc Maintainers <debian-glibc@lists.debian.org>", "built by Raspberry Pi, not by Debian"},
		{debian, "deb", "8.2.12-1+0~20231026.35+debian12~1.gbpd1d93b", "Debian PHP Maintainers <team+pkg-php@tracker.debian.org>", "built by deb.sury.org, not by Debian"},
		{ubuntu, "deb", "1.1.1f-1ubuntu2.fips.7.1", "Ubuntu Developers <ubuntu-devel-discuss@lists.ubuntu.com>", "built by Ubuntu Pro FIPS, not by Ubuntu"},
		{ubuntu, "deb", "3.0.2-0ubuntu1.18+Fips1", "Ubuntu Developers <ubuntu-devel-discuss@lists.ubuntu.com>", "built by Ubuntu Pro FIPS, not by Ubuntu"},
		{ubuntu, "deb", "7.4.3-4+ubuntu22.04.1+deb.sury.org+1", "", "built by deb.sury.org, not by Ubuntu"},
		{ubuntu, "deb", "1:16~++20221206052858+46db90cc71d1-1~exp1~20221206172959.469", "", "built by apt.llvm.org, not by Ubuntu"},
		{ubuntu, "deb", "1:2.38.1-0ppa1~ubuntu22.04.1", "Ubuntu Git Maintainers <git-core@lists.launchpad.net>", "built by a PPA, not by Ubuntu"},
		{ubuntu, "deb", "2.12.10-1ppa~focal", "", "built by a PPA, not by Ubuntu"},
		{ubuntu, "deb", "3.11.9-1+jammy1", "", "built by a PPA, not by Ubuntu"},
		{debian, "deb", "2.28.1+dfsg-1", debianPython, mine},
		{debian, "deb", "1.46.2-2", "Theodore Y. Ts'o <tytso@mit.edu>", mine},
		{debian, "deb", "10.3+deb10u6", "nobody@google.com", mine}, // distroless
		{debian, "deb", "1.7.2~bpo12+1", debianPython, mine},
		{debian, "deb", "0.9.1~happa-1", debianPython, mine},
		{ubuntu, "deb", "6.0-9ubuntu1~22.04.1", "Ubuntu Developers <ubuntu-devel-discuss@lists.ubuntu.com>", mine},
		{ubuntu, "deb", "1.12.0-1~ubuntu16.04.3", "", mine},
		{debian, "deb", "1.0", "", mine},
		{debian, "deb", "1.0-1", "A Team <a-team@lists.launchpad.net>", mine},
		{ubuntu, "deb", "1.0-1", "A Team <a-team@lists.launchpad.net>", "built by a PPA, not by Ubuntu"},
		{alpine, "apk", "1.25.3-r1", "NGINX Packaging <nginx-packaging@f5.com>", "built by nginx.org, not by Alpine"},
		{alpine, "apk", "1.25.3-r1", "Someone <someone@microsoft.com>", mine},
		{alma, "rpm", "1.0-1.el9", "AlmaLinux", mine},
		{alma, "rpm", "1.0-1.el9", "", mine},
		{alma, "rpm", "1.0-1.el9", "(none)", mine},
		{alma, "rpm", "1.0-1.el9", "Fedora Project", "built by Fedora Project, not by AlmaLinux"},
		{leap, "rpm", "1.0-1.1", "SUSE LLC <https://www.suse.com/>", mine},
		{leap, "rpm", "1.0-1.1", "openSUSE", mine},
		{leap, "rpm", "1.0-1.1", "obs://build.opensuse.org/devel:languages:python", "built by obs://build.opensuse.org/devel:languages:python, not by openSUSE"},
		{sles, "rpm", "1.0-1.1", "openSUSE", mine}, // of Package Hub
		{sles, "rpm", "1.0-1.1", "SUSE LLC <https://www.suse.com/>", mine},
		{ol, "rpm", "1.0-1.el9", "Oracle America", mine},
		{ol, "rpm", "8.0.35-1.el9", "Oracle and/or its affiliates", "built by Oracle and/or its affiliates, not by Oracle Linux"},
		{centos, "rpm", "1.0-1.el8", "CentOS", mine},
		{centos, "rpm", "1.0-1.el8", "Fedora Project", "built by Fedora Project, not by CentOS"},
	} {
		p := onePackage(tt.typ, "p", tt.version)
		p.Vendor = tt.vendor
		res, err := match.Inventory(inventory.Inventory{System: tt.system, Packages: []inventory.Package{p}}, ix, nil, day)
		if err != nil {
			t.Fatal(err)
		}
		reason := mine
		for _, u := range res.NotEvaluated {
			if u.Cause != match.CauseVendor || u.Packages != 1 {
				t.Errorf("%s of %s: %+v", tt.version, tt.vendor, u)
			}
			reason = u.Reason
		}
		if reason != tt.want || (res.Evaluated == 1) != (tt.want == mine) {
			t.Errorf("%s of %s: %q, evaluated %d", tt.version, tt.vendor, reason, res.Evaluated)
		}
	}
}

// TestExtendedSupport checks which records of the whole release of Red Hat apply to an image that
// stays at one of its minor releases.
func TestExtendedSupport(t *testing.T) {
	eus := inventory.System{ID: "rhel", VersionID: "8.4", CPE: "cpe:/o:redhat:rhel_eus:8.4::baseos"}
	base := func(fixed string) string { return affects("Red Hat:enterprise_linux:8::baseos", "p", fixed) }
	own := func(fixed string) string { return affects("Red Hat:rhel_eus:8.4::baseos", "p", fixed) }
	other := `{"id":"RHSA-2022:1","upstream":["CVE-2000-0001"],"affected":[` + affects("Red Hat:rhel_eus:8.4::baseos", "other", "1") + `]}`
	for _, tt := range []struct {
		name             string
		base, own        string
		published, fixed string // "-" for no finding
	}{
		{"of the main phase by its build", base("0:1.0-2.el8_4"), "", "2024-01-01", "0:1.0-2.el8_4"},
		{"of an earlier phase by its build", base("0:1.0-2.el8_2.1"), "", "2024-01-01", "0:1.0-2.el8_2.1"},
		{"of a later release by its build", base("0:1.0-2.el8_6"), "", "2021-06-01", "-"},
		{"of a later release of two digits", base("0:1.0-2.el8_10"), "", "2021-06-01", "-"},
		{"of the main phase by its day", base("0:1.0-2.el8"), "", "2021-11-08", "0:1.0-2.el8"},
		{"of a later release by its day", base("0:1.0-2.el8"), "", "2021-11-09", "-"},
		{"of an unknown day", base("0:1.0-2.el8"), "", "", "0:1.0-2.el8"},
		{"without a fix", base(""), "", "2021-06-01", ""},
		{"fixed by its own", base("0:1.0-2.el8_4"), own("0:1.0-1.el8_4"), "2021-06-01", "-"},
		{"with a fix of its own", base("0:1.0-2.el8_4"), own("0:1.0-1.el8_4.7"), "2021-06-01", "0:1.0-1.el8_4.7"},
	} {
		published := ""
		if tt.published != "" {
			published = `,"published":"` + tt.published + `T00:00:00Z"`
		}
		records := []string{other, `{"id":"RHSA-2021:1","upstream":["CVE-2021-1111"]` + published + `,"affected":[` + tt.base + `]}`}
		if tt.own != "" {
			records = append(records, `{"id":"RHSA-2022:2","upstream":["CVE-2021-1111","CVE-2021-2222"],"affected":[`+tt.own+`]}`)
		}
		got := "-"
		for _, f := range findings(t, inventory.Inventory{System: eus, Packages: []inventory.Package{onePackage("rpm", "p", "0:1.0-1.el8_4")}}, indexOf(t, records...)) {
			if f.ID == "CVE-2021-1111" {
				got = f.Fixed
			}
		}
		if got != tt.fixed {
			t.Errorf("%s: fixed %q, want %q", tt.name, got, tt.fixed)
		}
	}
	// Without any of its own nothing can be said.
	res, err := match.Inventory(inventory.Inventory{System: eus, Packages: []inventory.Package{onePackage("rpm", "p", "0:1.0-1.el8_4")}},
		indexOf(t, `{"id":"RHSA-2021:1","upstream":["CVE-2021-1111"],"affected":[`+base("0:1.0-2.el8_4")+`]}`), nil, day)
	if err != nil || res.Evaluated != 0 || len(res.NotEvaluated) != 1 || res.NotEvaluated[0].Cause != match.CauseSystem {
		t.Errorf("%+v, %v", res, err)
	}
}
