package match

import (
	"encoding/csv"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/inspect/inventory"
)

func TestJudgedAs(t *testing.T) {
	type system = inventory.System
	tests := []struct {
		name       string
		system     system
		ecosystems string // separated by commas
		reason     string
	}{
		{"debian", system{ID: "debian", VersionID: "12"}, "Debian:12,Debian", ""},
		{"debian point release", system{ID: "debian", VersionID: "12.5"}, "Debian:12,Debian", ""},
		{"debian before os-release had a codename", system{ID: "debian", VersionID: "8"}, "Debian:8,Debian", ""},
		{"debian testing", system{ID: "debian", Codename: "forky", PrettyName: "Debian GNU/Linux forky/sid"}, "Debian:14,Debian", ""},
		{"debian stable by its name", system{ID: "debian", Codename: "trixie"}, "Debian:13,Debian", ""},
		{"debian testing of a later day", system{ID: "debian", Codename: "duke"}, "Debian:15,Debian", ""},
		{"debian testing by its pretty name", system{ID: "debian", PrettyName: "Debian GNU/Linux buster/sid"}, "Debian:10,Debian", ""},
		{"debian unstable", system{ID: "debian", Codename: "sid"}, "", "debian's advisories are kept by release, and unstable (sid) is none"},
		{"debian of an unknown name", system{ID: "debian", Codename: "zurg"}, "", `no release of debian is known as "zurg"`},
		{"debian without anything", system{ID: "debian"}, "", `no release of debian is known as ""`},
		{"debian of no number", system{ID: "debian", VersionID: "12\x1b[1m"}, "", `debian's advisories are kept by release, and "12\\u001b[1m" is none`},
		{"ubuntu long term", system{ID: "ubuntu", VersionID: "22.04"}, "Ubuntu:22.04:LTS,Ubuntu,Ubuntu:Pro:22.04:LTS", ""},
		{"ubuntu of an odd year", system{ID: "ubuntu", VersionID: "23.04"}, "Ubuntu:23.04,Ubuntu,Ubuntu:Pro:23.04", ""},
		{"ubuntu of october", system{ID: "ubuntu", VersionID: "24.10"}, "Ubuntu:24.10,Ubuntu,Ubuntu:Pro:24.10", ""},
		{"ubuntu of no number", system{ID: "ubuntu", VersionID: "22"}, "", `ubuntu's advisories are kept by release, and "22" is none`},
		{"ubuntu without a version", system{ID: "ubuntu"}, "", `ubuntu's advisories are kept by release, and "" is none`},
		{"a derivative of debian", system{ID: "raspbian", IDLike: []string{"debian"}, VersionID: "12"}, "", "raspbian 12 derives from debian, whose advisories do not speak of its packages"},
		{"kali", system{ID: "kali", IDLike: []string{"debian"}, VersionID: "2024.1"}, "", "kali 2024.1 derives from debian, whose advisories do not speak of its packages"},
		{"a derivative of ubuntu", system{ID: "linuxmint", IDLike: []string{"ubuntu", "debian"}, VersionID: "21"}, "", "linuxmint 21 derives from ubuntu and debian, whose advisories do not speak of its packages"},
		{"alpine", system{ID: "alpine", VersionID: "3.19.1"}, "Alpine:v3.19", ""},
		{"alpine by its pretty name", system{ID: "alpine", PrettyName: "Alpine Linux v3.15"}, "Alpine:v3.15", ""},
		{"alpine edge", system{ID: "alpine", VersionID: "3.22.0_alpha20250108"}, "", `alpine's advisories are kept by release, and "3.22.0_alpha20250108" is none`},
		{"alpine edge, before 3.20", system{ID: "alpine", VersionID: "3.19_alpha20230901"}, "", `alpine's advisories are kept by release, and "3.19_alpha20230901" is none`},
		{"alpaquita", system{ID: "alpaquita", VersionID: "23"}, "Alpaquita:23", ""},
		{"wolfi", system{ID: "wolfi", VersionID: "20230201"}, "Wolfi", ""},
		{"chainguard", system{ID: "chainguard", VersionID: "20230214"}, "Chainguard", ""},
		{"minimos", system{ID: "minimos", VersionID: "20241031"}, "MinimOS", ""},
		{"echo", system{ID: "echo", VersionID: "1"}, "Echo", ""},
		{"almalinux", system{ID: "almalinux", IDLike: []string{"rhel"}, VersionID: "9.4"}, "AlmaLinux:9", ""},
		{"rocky", system{ID: "rocky", VersionID: "8.4"}, "Rocky Linux:8", ""},
		{"oracle", system{ID: "ol", VersionID: "8.10"}, "Oracle Linux:8", ""},
		{"amazon", system{ID: "amzn", VersionID: "2023"}, "Amazon Linux:2023", ""},
		{"fedora", system{ID: "fedora", VersionID: "42"}, "Fedora:42", ""},
		{"mageia", system{ID: "mageia", VersionID: "9"}, "Mageia:9", ""},
		{"azure linux", system{ID: "azurelinux", VersionID: "3.0"}, "Azure Linux:3", ""},
		{"mariner", system{ID: "mariner", VersionID: "2.0"}, "Azure Linux:2", ""},
		{"photon", system{ID: "photon", VersionID: "4.0"}, "Photon OS:4.0,Photon OS:4", ""},
		{"leap", system{ID: "opensuse-leap", VersionID: "15.5"}, "openSUSE:Leap 15.5", ""},
		{"tumbleweed", system{ID: "opensuse-tumbleweed", VersionID: "20220412"}, "openSUSE:Tumbleweed", ""},
		{"sle micro", system{ID: "sle-micro", VersionID: "5.3"}, "SUSE:Linux Enterprise Micro 5.3", ""},
		{"openeuler", system{ID: "openEuler", VersionID: "24.03", PrettyName: "openEuler 24.03 (LTS-SP1)"}, "openEuler:24.03-LTS-SP1", ""},
		{"openeuler without a service pack", system{ID: "openEuler", VersionID: "23.09", PrettyName: "openEuler 23.09"}, "openEuler:23.09", ""},
		{"centos stream", system{ID: "centos", VersionID: "9", PrettyName: "CentOS Stream 9"}, "", "centos stream is ahead of rhel, whose advisories do not speak of its packages"},
		{"rhel without a version", system{ID: "rhel"}, "", `rhel's advisories are kept by release, and "" is none`},
		{"a derivative of rhel", system{ID: "scientific", IDLike: []string{"rhel", "centos", "fedora"}, VersionID: "7.5"}, "", "scientific 7.5 derives from rhel and centos and fedora, whose advisories do not speak of its packages"},
		{"a derivative of alpine", system{ID: "postmarketos", IDLike: []string{"alpine"}, VersionID: "v25.06"}, "", "postmarketos v25.06 derives from alpine, whose advisories do not speak of its packages"},
		{"a system without a version", system{ID: "arch"}, "", "no advisories for arch are held"},
		{"none", system{}, "", "no operating system was recognised"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := judgedAs(inventory.Inventory{System: tt.system}, time.Now())
			if s := strings.Join(got.ecosystems, ","); s != tt.ecosystems || got.reason != tt.reason {
				t.Errorf("as %q, reason %q", s, got.reason)
			}
			if first, _, _ := strings.Cut(tt.ecosystems, ","); got.system.Ecosystem != first {
				t.Errorf("ecosystem %q", got.system.Ecosystem)
			}
			if got.system.ID != tt.system.ID || got.system.VersionID != tt.system.VersionID || got.system.PrettyName != tt.system.PrettyName {
				t.Errorf("system %+v", got.system)
			}
		})
	}
}

func TestRedHat(t *testing.T) {
	sets := func(names ...string) []inventory.Package {
		return []inventory.Package{{Type: "rpm", Name: "a"}, {Type: "rpm", Name: "b", ContentSets: names}}
	}
	for _, tt := range []struct {
		name     string
		system   inventory.System
		packages []inventory.Package
		has      string // ends of ecosystems, separated by blanks
		not      string
	}{
		{"by its number", inventory.System{ID: "rhel", VersionID: "9.4", CPE: "cpe:/o:redhat:enterprise_linux:9::baseos"}, nil,
			"enterprise_linux:9 enterprise_linux:9::baseos enterprise_linux:9::appstream enterprise_linux:9::crb", "rhel_eus:9.4::baseos enterprise_linux:9.4::baseos"},
		{"7", inventory.System{ID: "rhel", VersionID: "7.9"}, nil, "enterprise_linux:7::server enterprise_linux:7::computenode", "enterprise_linux:9::baseos"},
		{"10", inventory.System{ID: "rhel", VersionID: "10.1"}, nil, "enterprise_linux:10.1 enterprise_linux:10.2::baseos enterprise_linux:10::appstream", ""},
		{"extended support by its CPE", inventory.System{ID: "rhel", VersionID: "9.2", CPE: "cpe:/o:redhat:rhel_eus:9.2::baseos"}, nil,
			"rhel_eus:9.2 rhel_eus:9.2::appstream enterprise_linux:9::baseos", "rhel_eus:9.4::baseos"},
		{"extended support by its content sets", inventory.System{ID: "rhel", VersionID: "8.6"},
			sets("rhel-8-for-x86_64-baseos-aus-rpms", "rhel-8-for-x86_64-appstream-tus-rpms"), "rhel_aus:8.6::baseos rhel_tus:8.6::appstream enterprise_linux:8::baseos", "rhel_eus:8.6::baseos"},
		{"content sets without", inventory.System{ID: "rhel", VersionID: "8.6"}, sets("rhel-8-for-x86_64-baseos-rpms"), "enterprise_linux:8::baseos", "rhel_aus:8.6::baseos"},
		{"centos", inventory.System{ID: "centos", VersionID: "7", PrettyName: "CentOS Linux 7 (Core)"}, nil, "enterprise_linux:7::server", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := judgedAs(inventory.Inventory{System: tt.system, Packages: tt.packages}, time.Now())
			if got.reason != "" || got.ranked {
				t.Errorf("reason %q, ranked %v", got.reason, got.ranked)
			}
			for _, e := range strings.Fields(tt.has) {
				if !slices.Contains(got.ecosystems, "Red Hat:"+e) {
					t.Errorf("not as %s", e)
				}
			}
			for _, e := range strings.Fields(tt.not) {
				if slices.Contains(got.ecosystems, "Red Hat:"+e) {
					t.Errorf("as %s", e)
				}
			}
		})
	}
}

func TestSUSE(t *testing.T) {
	for version, want := range map[string]string{
		"15.5": "SUSE:Linux Enterprise Module for Basesystem 15 SP5",
		"15":   "SUSE:Linux Enterprise Module for Server Applications 15",
		"12.5": "SUSE:Linux Enterprise Server 12 SP5",
	} {
		got := judgedAs(inventory.Inventory{System: inventory.System{ID: "sles", VersionID: version}}, time.Now())
		if !slices.Contains(got.ecosystems, want) {
			t.Errorf("%s: %q", version, got.ecosystems)
		}
	}
}

func TestSubscribed(t *testing.T) {
	for version, want := range map[string]bool{
		"6.0-9ubuntu1.5": false, "6.0-9ubuntu1.5+esm1": true, "1:4.0.34-1ubuntu0.1~esm2": true,
	} {
		for _, p := range []inventory.Package{{Type: "deb", Version: version}, {Type: "deb", Version: "1", SourceVersion: version}} {
			inv := inventory.Inventory{System: inventory.System{ID: "ubuntu", VersionID: "14.04"}, Packages: []inventory.Package{p}}
			got := judgedAs(inv, time.Time{})
			if (got.ecosystems[0] == "Ubuntu:Pro:14.04:LTS") != want || got.system.Ecosystem != "Ubuntu:14.04:LTS" {
				t.Errorf("%s: %+v", version, got)
			}
		}
	}
	inv := inventory.Inventory{System: inventory.System{ID: "ubuntu", VersionID: "14.04"}, Packages: []inventory.Package{{Type: "npm", Version: "1.0.0-esm.1"}}}
	if got := judgedAs(inv, time.Time{}); got.ecosystems[0] != "Ubuntu:14.04:LTS" {
		t.Errorf("a package of another type: %+v", got)
	}
}

func TestEndOfLife(t *testing.T) {
	on := func(day string) time.Time {
		d, err := time.Parse(time.RFC3339, day)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	tests := []struct {
		id, version, today, day string
		ended                   bool
	}{
		{"debian", "11", "2026-08-31T23:59:59Z", "2026-08-31", false},
		{"debian", "11", "2026-09-01T00:00:00Z", "2026-08-31", true},
		{"debian", "11", "2026-09-01T00:30:00+02:00", "2026-08-31", false},
		{"debian", "12", "2026-11-24T12:00:00Z", "2028-06-30", false},
		{"debian", "7", "2026-11-24T12:00:00Z", "2018-05-31", true},
		{"debian", "14", "2026-11-24T12:00:00Z", "", false},
		{"ubuntu", "20.04", "2026-11-24T12:00:00Z", "2025-05-29", true},
		{"ubuntu", "24.04", "2026-11-24T12:00:00Z", "2029-05-31", false},
		{"ubuntu", "27.04", "2026-11-24T12:00:00Z", "", false},
		{"alpine", "3.1", "2026-11-24T12:00:00Z", "", false},
		{"alpine", "3.20.2", "2026-11-24T12:00:00Z", "2026-04-01", true},
		{"alpine", "3.22", "2026-11-24T12:00:00Z", "2027-05-01", false},
		{"centos", "8", "2021-12-31T12:00:00Z", "2021-12-31", false},
		{"rhel", "7.9", "2026-11-24T12:00:00Z", "2024-06-30", true},
		{"almalinux", "9.4", "2026-11-24T12:00:00Z", "2032-05-31", false},
		{"rocky", "10.0", "2026-11-24T12:00:00Z", "", false},
		{"photon", "4.0", "2026-11-24T12:00:00Z", "", false},
	}
	for _, tt := range tests {
		got := judgedAs(inventory.Inventory{System: inventory.System{ID: tt.id, VersionID: tt.version}}, on(tt.today)).system
		if got.EndOfLife != tt.day || got.Ended != tt.ended {
			t.Errorf("%s %s on %s: %q, ended %v", tt.id, tt.version, tt.today, got.EndOfLife, got.Ended)
		}
	}
}

// TestEndOfLifeNative holds the table against Debian's package distro-info-data.
func TestEndOfLifeNative(t *testing.T) {
	tests := []struct {
		file, column string
		endOfLife    func(string) string
		since        string // of the release
	}{
		{"debian.csv", "eol-lts", debianEndOfLife, "2011-01-01"},
		{"ubuntu.csv", "eol", ubuntuEndOfLife, "2012-01-01"},
	}
	for _, tt := range tests {
		f, err := os.Open("/usr/share/distro-info/" + tt.file)
		if err != nil {
			testkit.Missing(t, "the package distro-info-data: %v", err)
		}
		r := csv.NewReader(f)
		r.FieldsPerRecord = -1
		rows, err := r.ReadAll()
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		version, release, column := slices.Index(rows[0], "version"), slices.Index(rows[0], "release"), slices.Index(rows[0], tt.column)
		known := 0
		for _, row := range rows[1:] {
			if len(row) <= column || row[release] < tt.since || row[column] == "" {
				continue
			}
			v := strings.TrimSuffix(strings.TrimSuffix(row[version], " LTS"), ".0")
			got := tt.endOfLife(v)
			if got == "" { // a later edition of the package
				continue
			}
			known++
			if got != row[column] {
				t.Errorf("%s %s: %s, distro-info says %s", tt.file, v, got, row[column])
			}
		}
		if known < 6 {
			t.Errorf("%s: only %d releases", tt.file, known)
		}
	}
}

func TestKernelPackage(t *testing.T) {
	for _, tt := range []struct {
		typ, name, source string
		want              bool
	}{
		{"deb", "linux-libc-dev", "linux", true},
		{"deb", "kernel", "kernel", false},
		{"rpm", "kernel-headers", "kernel", true},
		{"rpm", "kernel-core", "kernel", true},
		{"rpm", "kernel-rt", "kernel-rt", true},
		{"rpm", "kernel-uek", "kernel-uek", true},
		{"rpm", "kernel6.12", "kernel6.12", true},
		{"rpm", "kernel-macros", "kernel-srpm-macros", false},
		{"rpm", "linux-esx", "linux-esx", true},
		{"rpm", "kernelshark", "kernelshark", false},
		{"rpm", "linux-firmware", "linux-firmware", false},
		{"apk", "linux-headers", "linux-headers", true},
		{"apk", "linux-virt", "linux-lts", true},
		{"apk", "linux-pam", "linux-pam", false},
		{"npm", "linux-lts", "linux-lts", false},
	} {
		if got := kernelPackage(tt.typ, tt.name, tt.source); got != tt.want {
			t.Errorf("%s %s of %s: %v", tt.typ, tt.name, tt.source, got)
		}
	}
}

func TestKernelSource(t *testing.T) {
	for source, want := range map[string]bool{
		"linux": true, "linux-6.1": true, "linux-5.10": true, "linux-signed-amd64": true, "linux-latest": true,
		"linux-aws": true, "linux-aws-5.15": true, "linux-meta-hwe-5.15": true, "linux-signed-azure": true,
		"linux-lts-xenial": true, "linux-oem-6.5": true, "linux-intel-iotg": true, "linux-restricted-modules": true,
		"linux-libc-dev": true,

		"linux-ftpd": false, "linux-atm": false, "linux-base": false, "linux-firmware": false, "linux-igd": false,
		"linux-": false, "linux-show-player": false, "linuxptp": false, "util-linux": false, "syslinux": false, "": false,
	} {
		if got := kernelSource(source); got != want {
			t.Errorf("%q: %v", source, got)
		}
	}
}
