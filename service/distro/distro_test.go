package distro

import (
	"cmp"
	"encoding/csv"
	"os"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/version"
	"assay/verdict"
)

func TestOf(t *testing.T) {
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
		{"debian unstable", system{ID: "debian", Codename: "sid"}, "Debian:unstable", ""},
		{"debian unstable by its pretty name", system{ID: "debian", PrettyName: "Debian GNU/Linux sid"}, "Debian:unstable", ""},
		{"debian unstable by its repositories", system{ID: "debian", Codename: "forky", Repositories: []string{"unstable"}}, "Debian:unstable,Debian:14,Debian", ""},
		{"debian of an unknown name with sid", system{ID: "debian", Codename: "zurg", Repositories: []string{"sid"}}, "Debian:unstable", ""},
		{"debian stable with sid", system{ID: "debian", VersionID: "12", Repositories: []string{"bookworm", "sid"}}, "Debian:12,Debian", ""},
		{"debian of an unknown name", system{ID: "debian", Codename: "zurg"}, "", `unknown release of debian: "zurg"`},
		{"debian without anything", system{ID: "debian"}, "", `unknown release of debian: ""`},
		{"debian of no number", system{ID: "debian", VersionID: "12\x1b[1m"}, "", `debian has advisories for each release, and "12\\u001b[1m" is not a release`},
		{"ubuntu long term", system{ID: "ubuntu", VersionID: "22.04"}, "Ubuntu:22.04:LTS,Ubuntu,Ubuntu:Pro:22.04:LTS", ""},
		{"ubuntu of an odd year", system{ID: "ubuntu", VersionID: "23.04"}, "Ubuntu:23.04,Ubuntu,Ubuntu:Pro:23.04", ""},
		{"ubuntu of october", system{ID: "ubuntu", VersionID: "24.10"}, "Ubuntu:24.10,Ubuntu,Ubuntu:Pro:24.10", ""},
		{"ubuntu of no number", system{ID: "ubuntu", VersionID: "22"}, "", `ubuntu has advisories for each release, and "22" is not a release`},
		{"ubuntu without a version", system{ID: "ubuntu"}, "", `ubuntu has advisories for each release, and "" is not a release`},
		{"a derivative of debian", system{ID: "raspbian", IDLike: []string{"debian"}, VersionID: "12"}, "", "raspbian 12 derives from debian, whose advisories do not cover its packages"},
		{"kali", system{ID: "kali", IDLike: []string{"debian"}, VersionID: "2024.1"}, "", "kali 2024.1 derives from debian, whose advisories do not cover its packages"},
		{"a derivative of ubuntu", system{ID: "linuxmint", IDLike: []string{"ubuntu", "debian"}, VersionID: "21"}, "", "linuxmint 21 derives from ubuntu and debian, whose advisories do not cover its packages"},
		{"alpine", system{ID: "alpine", VersionID: "3.19.1"}, "Alpine:v3.19", ""},
		{"alpine by its pretty name", system{ID: "alpine", PrettyName: "Alpine Linux v3.15"}, "Alpine:v3.15", ""},
		{"alpine edge", system{ID: "alpine", VersionID: "3.22.0_alpha20250108"}, "Alpine:edge", ""},
		{"alpine edge, before 3.20", system{ID: "alpine", VersionID: "3.19_alpha20230901"}, "Alpine:edge", ""},
		{"alpine release candidate", system{ID: "alpine", VersionID: "3.22.0_rc1"}, "", `alpine has advisories for each release, and "3.22.0_rc1" is not a release`},
		{"secureos", system{ID: "secureos", VersionID: "v1"}, "SecureOS", ""},
		{"alpaquita", system{ID: "alpaquita", VersionID: "23"}, "Alpaquita:23", ""},
		{"wolfi", system{ID: "wolfi", VersionID: "20230201"}, "Wolfi", ""},
		{"chainguard", system{ID: "chainguard", VersionID: "20230214"}, "Chainguard", ""},
		{"minimos", system{ID: "minimos", VersionID: "20241031"}, "MinimOS", ""},
		{"echo", system{ID: "echo", VersionID: "1"}, "Echo", ""},
		{"almalinux", system{ID: "almalinux", IDLike: []string{"rhel"}, VersionID: "9.4"}, "AlmaLinux:9", ""},
		{"rocky", system{ID: "rocky", VersionID: "8.4"}, "Rocky Linux:8", ""},
		{"oracle", system{ID: "ol", VersionID: "8.10"}, "Oracle Linux:8", ""},
		{"amazon", system{ID: "amzn", VersionID: "2023"}, "Amazon Linux:2023", ""},
		{"amazon 2", system{ID: "amzn", VersionID: "2"}, "Amazon Linux:2", ""},
		{"amazon 1", system{ID: "amzn", VersionID: "2018.03"}, "Amazon Linux:1", ""},
		{"fedora", system{ID: "fedora", VersionID: "42"}, "Fedora:42", ""},
		{"mageia", system{ID: "mageia", VersionID: "9"}, "Mageia:9", ""},
		{"azure linux", system{ID: "azurelinux", VersionID: "3.0"}, "Azure Linux:3", ""},
		{"mariner", system{ID: "mariner", VersionID: "2.0"}, "Azure Linux:2", ""},
		{"photon", system{ID: "photon", VersionID: "4.0"}, "Photon OS:4.0,Photon OS:4", ""},
		{"leap", system{ID: "opensuse-leap", VersionID: "15.5"}, "openSUSE:Leap 15.5", ""},
		{"sles 16", system{ID: "sles", VersionID: "16.0"}, "SUSE:Linux Enterprise Server 16.0,SUSE:Linux Enterprise Server 16.0-LTSS", ""},
		{"sles 12", system{ID: "sles", VersionID: "12.5"}, "SUSE:Linux Enterprise Server 12 SP5,SUSE:Linux Enterprise Server 12 SP5-LTSS,SUSE:Linux Enterprise Software Development Kit 12 SP5", ""},
		{"tumbleweed", system{ID: "opensuse-tumbleweed", VersionID: "20220412"}, "openSUSE:Tumbleweed", ""},
		{"sle micro", system{ID: "sle-micro", VersionID: "5.3"}, "SUSE:Linux Enterprise Micro 5.3", ""},
		{"openeuler", system{ID: "openEuler", VersionID: "24.03", PrettyName: "openEuler 24.03 (LTS-SP1)"}, "openEuler:24.03-LTS-SP1", ""},
		{"openeuler without a service pack", system{ID: "openEuler", VersionID: "23.09", PrettyName: "openEuler 23.09"}, "openEuler:23.09", ""},
		{"hummingbird", system{ID: "hummingbird", IDLike: []string{"fedora", "rhel"}, VersionID: "20251124", CPE: "cpe:/a:redhat:hummingbird:1"}, "Red Hat:hummingbird:1", ""},
		{"centos stream", system{ID: "centos", VersionID: "9", PrettyName: "CentOS Stream 9"}, "", "centos stream is ahead of rhel, whose advisories do not cover its packages"},
		{"rhel without a version", system{ID: "rhel"}, "", `rhel has advisories for each release, and "" is not a release`},
		{"a derivative of rhel", system{ID: "scientific", IDLike: []string{"rhel", "centos", "fedora"}, VersionID: "7.5"}, "", "scientific 7.5 derives from rhel and centos and fedora, whose advisories do not cover its packages"},
		{"a derivative of alpine", system{ID: "postmarketos", IDLike: []string{"alpine"}, VersionID: "v25.06"}, "", "postmarketos v25.06 derives from alpine, whose advisories do not cover its packages"},
		{"arch", system{ID: "arch"}, "Arch Linux", ""},
		{"a system without a version", system{ID: "gentoo"}, "", "this service has no advisories for gentoo"},
		{"none", system{}, "", "no operating system was recognised"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, reason := Of(inventory.Inventory{System: tt.system})
			if s := strings.Join(names(got), ","); s != tt.ecosystems || reason != tt.reason {
				t.Errorf("ecosystems %q, reason %q", s, reason)
			}
			if first, _, _ := strings.Cut(tt.ecosystems, ","); MainEcosystem(got.Ecosystems) != first {
				t.Errorf("ecosystem %q", MainEcosystem(got.Ecosystems))
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
			got, reason := Of(inventory.Inventory{System: tt.system, Packages: tt.packages})
			if reason != "" {
				t.Errorf("reason %q", reason)
			}
			for _, e := range strings.Fields(tt.has) {
				if !slices.Contains(names(got), "Red Hat:"+e) {
					t.Errorf("not as %s", e)
				}
			}
			for _, e := range strings.Fields(tt.not) {
				if slices.Contains(names(got), "Red Hat:"+e) {
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
		got, _ := Of(inventory.Inventory{System: inventory.System{ID: "sles", VersionID: version}})
		if !slices.Contains(names(got), want) {
			t.Errorf("%s: %q", version, names(got))
		}
	}
}

func TestSubscribed(t *testing.T) {
	for version, want := range map[string]bool{
		"6.0-9ubuntu1.5": false, "6.0-9ubuntu1.5+esm1": true, "1:4.0.34-1ubuntu0.1~esm2": true,
	} {
		for _, p := range []inventory.Package{{Type: "deb", Version: version}, {Type: "deb", Version: "1", SourceVersion: version}} {
			inv := inventory.Inventory{System: inventory.System{ID: "ubuntu", VersionID: "14.04"}, Packages: []inventory.Package{p}}
			got, _ := Of(inv)
			if (names(got)[0] == "Ubuntu:Pro:14.04:LTS") != want || MainEcosystem(got.Ecosystems) != "Ubuntu:14.04:LTS" {
				t.Errorf("%s: %+v", version, got)
			}
		}
	}
	inv := inventory.Inventory{System: inventory.System{ID: "ubuntu", VersionID: "14.04"}, Packages: []inventory.Package{{Type: "npm", Version: "1.0.0-esm.1"}}}
	if got, _ := Of(inv); names(got)[0] != "Ubuntu:14.04:LTS" {
		t.Errorf("a package of another type: %+v", got)
	}
}

// TestEndOfLifeNative holds the table against Debian's package distro-info-data.
func TestEndOfLifeNative(t *testing.T) {
	tests := []struct {
		file, column string
		endOfLife    map[string]string
		since        string // of the release
	}{
		{"debian.csv", "eol-lts", debian.EndOfLife, "2011-01-01"},
		{"ubuntu.csv", "eol", ubuntu.EndOfLife, "2012-01-01"},
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
			got := tt.endOfLife[v]
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

// TestKernels has source packages, and for Alpine the names of packages, that are kernels
// and others that begin like them.
func TestKernels(t *testing.T) {
	for _, tt := range []struct {
		distribution *Distribution
		kernels, no  string // separated by spaces
	}{
		{&debian, "linux linux-6.1 linux-5.10 linux-signed-amd64 linux-latest linux-latest-4.19 linux-libc-dev",
			"kernel linux-ftpd linux-atm linux-base linux-firmware linux-igd linux- linux-show-player linuxptp util-linux syslinux"},
		{&ubuntu, "linux linux-6.1 linux-signed-azure linux-aws linux-aws-5.15 linux-meta-hwe-5.15 linux-lts-xenial linux-oem-6.5 " +
			"linux-intel-iotg linux-restricted-modules linux-backports-modules",
			"linux-ftpd linux-atm linux-base linux-firmware linux- linuxptp util-linux"},
		{&redHat, "kernel kernel-rt kernel-headers", "kernel-srpm-macros kernelshark linux-firmware linux"},
		{&oracleLinux, "kernel kernel-uek", "kernel-srpm-macros"},
		{&suseLinux, "kernel-default kernel-source", "kernelshark"},
		{&amazonLinux, "kernel kernel6.12", "kernelshark kernel-srpm-macros"},
		{&photon, "linux linux-esx linux-rt", "linux-firmware linux-PAM"},
		{&alpine, "linux-lts linux-virt linux-headers", "linux-pam linux-firmware"},
		{&wolfi, "linux-headers", "linux-pam"},
	} {
		for _, source := range strings.Fields(tt.kernels) {
			if !tt.distribution.Kernel("name", source) {
				t.Errorf("%s: %s is not a kernel", tt.distribution.Name, source)
			}
		}
		for _, source := range append(strings.Fields(tt.no), "") {
			if tt.distribution.Kernel("name", source) {
				t.Errorf("%s: %s is a kernel", tt.distribution.Name, source)
			}
		}
	}
	if !alpine.Kernel("linux-headers", "other") {
		t.Error("Alpine: the package linux-headers is not a kernel")
	}
}

// names returns the ecosystems of a release.
func names(r Release) []string {
	var all []string
	for _, e := range r.Ecosystems {
		all = append(all, e.Name)
	}
	return all
}

// TestList checks that every distribution of the list is complete, and that no two have
// the same id or erratum.
func TestList(t *testing.T) {
	ids, kinds := map[string]bool{}, map[string]bool{}
	for _, d := range list {
		if d.Name == "" || d.Ecosystem == "" || len(d.IDs) == 0 || d.Builds == nil || d.Kernel == nil {
			t.Errorf("incomplete: %+v", d)
			continue
		}
		for _, id := range d.IDs {
			if ids[id] {
				t.Errorf("%s: the id %q belongs to another distribution too", d.Name, id)
			}
			ids[id] = true
			testRelease(t, d, id)
		}
		for _, kind := range d.Errata {
			if kinds[kind] || Erratum(kind+"-2024:1") != d {
				t.Errorf("%s: the errata %q belong to another distribution too", d.Name, kind)
			}
			kinds[kind] = true
		}
		for _, kind := range d.Notices {
			if !IsNotice(kind + "-2024:1") {
				t.Errorf("%s: %q is not a notice", d.Name, kind)
			}
		}
	}
}

// testRelease checks that a release of a distribution is recognised by an id, and that the
// ecosystems of the release belong to it.
func testRelease(t *testing.T, d *Distribution, id string) {
	v := map[string]string{"ubuntu": "22.04", "alpine": "3.19.1", "openEuler": "24.03", "photon": "4.0", "opensuse-leap": "15.5"}[id]
	r, reason := Of(inventory.Inventory{System: inventory.System{ID: id, VersionID: cmp.Or(v, "12")}})
	if r.Distribution != d || reason != "" || MainEcosystem(r.Ecosystems) == "" {
		t.Errorf("%s %s: %+v, reason %q", id, v, r, reason)
	}
	testOrder(t, d.Format, d.Format)
	for _, e := range names(r) {
		if family, _, _ := strings.Cut(e, ":"); !strings.HasPrefix(d.Ecosystem, family) {
			t.Errorf("%s: ecosystem %q is not one of %s", id, e, d.Ecosystem)
		}
		if _, ok := version.For(e); ok { // assayd compare knows it
			testOrder(t, e, d.Format)
		}
	}
	if d.Release == nil && !Rolling(r.Ecosystems[0].Name) {
		t.Errorf("%s: not rolling", id)
	}
}

// testOrder checks that a name has the order of a package format, by versions that
// only this format orders so.
func testOrder(t *testing.T, name, format string) {
	pair, ok := map[string][2]string{
		Deb: {"1.0~rc1", "1.0"}, RPM: {"1.0~rc1", "1.0"}, Apk: {"1.0_rc1", "1.0"}, Alpm: {"1.0rc1", "1.0"},
	}[format]
	if !ok {
		t.Errorf("unknown package format %q", format)
	}
	order, _ := version.For(name)
	if c, err := order.Comparer()(pair[0], pair[1]); err != nil || c >= 0 {
		t.Errorf("%q orders %v as %d, %v", name, pair, c, err)
	}
}

// TestErratum has ids of each kind of record.
func TestErratum(t *testing.T) {
	for id, want := range map[string]string{
		"DSA-5500-1": "Debian", "USN-6000-1": "Ubuntu", "ALSA-2024:1": "AlmaLinux", "ALAS-2024-1": "Amazon Linux",
		"ALAS2POSTGRESQL14-2023-003": "Amazon Linux", "SUSE-SU-2024:1-1": "SUSE", "openSUSE-SU-2024:1-1": "SUSE",
		"CVE-2024-1": "", "DEBIAN-CVE-2024-1": "", "UBUNTU-CVE-2024-1": "", "GHSA-1-2-3": "", "AVG-1": "Arch Linux", "ASA-202401-1": "Arch Linux", "": "",
	} {
		got := ""
		if d := Erratum(id); d != nil {
			got = d.Name
		}
		if got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
}

// TestWords has each word with which a distribution or a database rates, and each that is
// a status.
func TestWords(t *testing.T) {
	for word, want := range map[string]verdict.Severity{
		"critical": verdict.Critical, "HIGH": verdict.High, "Important": verdict.High, "medium": verdict.Medium,
		"MODERATE": verdict.Medium, "low": verdict.Low, "negligible": verdict.Negligible, "unimportant": verdict.Negligible,
		"not yet assigned": verdict.Unrated, "untriaged": verdict.Unrated, "end-of-life": verdict.Unrated, "": verdict.Unrated,
	} {
		if got := Severity(word); got != want {
			t.Errorf("severity of %q: %s, want %s", word, got, want)
		}
	}
	for word, want := range map[string]advisory.Status{
		"end-of-life": advisory.StatusWontFix, "ignored": advisory.StatusWontFix, "will not fix": advisory.StatusWontFix,
		"wont-fix": advisory.StatusWontFix, "low": advisory.StatusAffected, "": advisory.StatusAffected,
	} {
		if got := Status(word); got != want {
			t.Errorf("status of %q: %s, want %s", word, got, want)
		}
	}
	severities, statuses := map[string]verdict.Severity{}, map[string]advisory.Status{}
	for _, d := range list {
		for word, s := range d.Severities {
			if other, ok := severities[word]; ok && other != s || Severity(word) != s {
				t.Errorf("%s: %q is %s, elsewhere %s", d.Name, word, s, Severity(word))
			}
			severities[word] = s
		}
		for word, s := range d.Statuses {
			if other, ok := statuses[word]; ok && other != s || Severity(word) != verdict.Unrated {
				t.Errorf("%s: %q is %s, elsewhere %s or %s", d.Name, word, s, Status(word), Severity(word))
			}
			statuses[word] = s
		}
	}
}

// TestPublishersDescribed holds the table of docs/matching.md against the distributions:
// each one with a source of its own is in it, under its name.
func TestPublishersDescribed(t *testing.T) {
	text, err := os.ReadFile("../../docs/matching.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "\n### Which source decides for a distribution\n")
	section, _, end := strings.Cut(rest, "\n### ")
	if !ok || !end {
		t.Fatal("the section is missing")
	}
	feeds, err := os.ReadFile("../../docs/feeds.md")
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]string{} // the source of a distribution
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if !strings.HasPrefix(line, "| ") || len(cells) < 3 || strings.TrimSpace(cells[0]) == "distribution" || strings.HasPrefix(cells[0], " -") {
			continue
		}
		source := strings.Trim(strings.TrimSpace(cells[1]), "`")
		for name := range strings.SplitSeq(cells[0], ",") {
			described[strings.TrimSpace(name)] = source
		}
		if !strings.Contains(string(feeds), "\n| `"+source+"` |") {
			t.Errorf("docs/feeds.md does not describe the source %q", source)
		}
	}
	names := map[string]bool{} // SUSE and openSUSE have several distributions of a name
	for _, d := range list {
		if names[d.Name] = true; described[d.Name] != d.Publisher {
			t.Errorf("%s: the source is %q, described is %q", d.Name, d.Publisher, described[d.Name])
		}
	}
	for name := range described {
		if names[name] {
			continue
		}
		t.Errorf("%q is not the name of a distribution", name)
	}
}
