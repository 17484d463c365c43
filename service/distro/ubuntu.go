package distro

import (
	"slices"
	"strings"

	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/version"
	"assay/verdict"
)

var ubuntu = Distribution{
	Name:         "Ubuntu",
	IDs:          []string{"ubuntu"},
	Format:       Deb,
	Ecosystem:    "Ubuntu",
	Names:        BySource,
	Release:      ubuntuRelease,
	Builds:       debianMaintainer,
	PPA:          true,
	Kernel:       ubuntuKernel,
	Lacks:        ubuntuLacks,
	Publisher:    "ubuntu",
	ListsUnfixed: true,
	Severities:   map[string]verdict.Severity{"negligible": verdict.Negligible},
	Statuses:     map[string]advisory.Status{"ignored": advisory.StatusWontFix},
	Errata:       []string{"USN", "LSN"},
	// Standard support. Sources: https://wiki.ubuntu.com/Releases, and the column eol of
	// ubuntu.csv in the package distro-info-data. What needs a subscription (ESM) does
	// not count.
	EndOfLife: map[string]string{
		"12.04": "2017-04-28",
		"12.10": "2014-05-16",
		"13.04": "2014-01-27",
		"13.10": "2014-07-17",
		"14.04": "2019-04-25",
		"14.10": "2015-07-23",
		"15.04": "2016-02-04",
		"15.10": "2016-07-28",
		"16.04": "2021-04-30",
		"16.10": "2017-07-20",
		"17.04": "2018-01-13",
		"17.10": "2018-07-19",
		"18.04": "2023-05-31",
		"18.10": "2019-07-18",
		"19.04": "2020-01-23",
		"19.10": "2020-07-17",
		"20.04": "2025-05-29",
		"20.10": "2021-07-22",
		"21.04": "2022-01-20",
		"21.10": "2022-07-14",
		"22.04": "2027-06-01",
		"22.10": "2023-07-20",
		"23.04": "2024-01-25",
		"23.10": "2024-07-11",
		"24.04": "2029-05-31",
		"24.10": "2025-07-10",
		"25.04": "2026-01-15",
		"25.10": "2026-07-09",
		"26.04": "2031-05-29",
		"26.10": "2027-07-15",
	},
}

// ubuntuKernel recognises kernels by the source package: Debian's names, and those of
// Ubuntu's flavours ("linux-aws", "linux-meta-hwe-5.15").
func ubuntuKernel(name, source string) bool {
	if debianKernel(name, source) {
		return true
	}
	flavour, ok := kernelFlavour(source)
	if !ok {
		return false
	}
	switch flavour {
	case "meta", "modules", "restricted", "backports", // built from any flavour
		"allwinner", "aws", "azure", "bluefield", "dell300x", "fips", "gcp", "gke", "gkeop",
		"hwe", "ibm", "intel", "iot", "kvm", "laptop", "lowlatency", "lts", "nvidia", "oem",
		"oracle", "qcm", "raspi", "raspi2", "realtime", "riscv", "snapdragon", "starfive",
		"xilinx":
		return true
	}
	return false
}

// ubuntuRelease recognises a release of Ubuntu. If an image is built with Ubuntu Pro,
// Pro's records come first. Otherwise they come last, and their fixes cannot be
// installed.
func ubuntuRelease(inv inventory.Inventory) (r Release, reason string) {
	name, ok := ubuntuEcosystem(inv.System.VersionID)
	if !ok {
		return r, noRelease(inv.System)
	}
	r.Name = inv.System.VersionID
	r.Ecosystems = []Ecosystem{{Name: "Ubuntu:" + name, Main: true}, {Name: "Ubuntu", Rank: 1}}
	pro := Ecosystem{Name: "Ubuntu:Pro:" + name}
	if slices.ContainsFunc(inv.Packages, fromESM) {
		pro.Rank = -1
		r.Ecosystems = slices.Insert(r.Ecosystems, 0, pro)
		return r, ""
	}
	pro.Rank, pro.Subscription = 2, "Ubuntu Pro"
	r.Ecosystems = append(r.Ecosystems, pro)
	return r, ""
}

// ubuntuReleases are the releases by codename.
var ubuntuReleases = map[string]string{
	"trusty": "14.04", "xenial": "16.04", "bionic": "18.04", "focal": "20.04", "jammy": "22.04", "noble": "24.04", "resolute": "26.04",
	"utopic": "14.10", "vivid": "15.04", "wily": "15.10", "yakkety": "16.10", "zesty": "17.04", "artful": "17.10", "cosmic": "18.10",
	"disco": "19.04", "eoan": "19.10", "groovy": "20.10", "hirsute": "21.04", "impish": "21.10", "kinetic": "22.10", "lunar": "23.04",
	"mantic": "23.10", "oracular": "24.10", "plucky": "25.04", "questing": "25.10",
}

// UbuntuEcosystem returns the ecosystem of a release of Ubuntu, by its codename:
// "Ubuntu:22.04:LTS" of "jammy". No image is looked up in that of an unknown codename.
func UbuntuEcosystem(codename string) string {
	if name, ok := ubuntuEcosystem(ubuntuReleases[codename]); ok {
		return "Ubuntu:" + name
	}
	return "Ubuntu:" + codename
}

// ubuntuEcosystem returns a release as the ecosystems name it: "24.10", and
// "22.04:LTS" for the April release of every second year.
func ubuntuEcosystem(versionID string) (name string, ok bool) {
	year, month, ok := strings.Cut(versionID, ".")
	if !ok || len(year) != 2 || len(month) != 2 || !version.Digits(year) || !version.Digits(month) {
		return "", false
	}
	if month == "04" && (year[1]-'0')%2 == 0 {
		return versionID + ":LTS", true
	}
	return versionID, true
}

// fromESM reports whether a package comes from Ubuntu's Expanded Security
// Maintenance, whose versions contain "esm" ("6.0-9ubuntu1.6+esm1",
// "1:4.0.34-1ubuntu0.1~esm2"). One such package shows that the image is built with
// a subscription to Ubuntu Pro, so that Pro's fixes are available for all of its
// packages.
func fromESM(p inventory.Package) bool {
	return p.Type == Deb && (strings.Contains(p.Version, "esm") || strings.Contains(p.SourceVersion, "esm"))
}

// ubuntuLacks returns the suite with security updates. The suite -updates has all of its
// fixes.
func ubuntuLacks(inv inventory.Inventory) *verdict.Repositories {
	s := inv.System
	if !codename.MatchString(s.Codename) || hasSecurity(s) || slices.Contains(s.Repositories, s.Codename+"-updates") {
		return nil
	}
	site := "http://security.ubuntu.com/ubuntu"
	if slices.ContainsFunc(inv.Packages, func(p inventory.Package) bool {
		return p.Type == Deb && !slices.Contains([]string{"", "all", "amd64", "i386"}, p.Arch)
	}) {
		site = "http://ports.ubuntu.com/ubuntu-ports"
	}
	suite := s.Codename + "-security"
	return &verdict.Repositories{Missing: suite, Add: "deb " + site + " " + suite + " main universe"}
}
