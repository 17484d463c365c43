package distro

import (
	"fmt"
	"slices"
	"strings"

	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/version"
	"assay/verdict"
)

var debian = Distribution{
	Name:         "Debian",
	IDs:          []string{"debian"},
	Format:       Deb,
	Ecosystem:    "Debian",
	Names:        BySource,
	Release:      debianRelease,
	Builds:       debianMaintainer,
	Kernel:       debianKernel,
	Lacks:        debianLacks,
	Publisher:    "debian",
	ListsUnfixed: true,
	Severities:   map[string]verdict.Severity{"unimportant": verdict.Negligible},
	Statuses:     map[string]advisory.Status{"end-of-life": advisory.StatusWontFix, "ignored": advisory.StatusWontFix},
	Errata:       []string{"DSA", "DLA", "DTSA"},
	// Long term support, which is free and covers the architectures and most packages
	// of images. Sources: https://wiki.debian.org/LTS, and the column eol-lts of
	// debian.csv in Debian's package distro-info-data. The paid support after it (ELTS)
	// does not count.
	EndOfLife: map[string]string{
		"6":  "2016-02-29",
		"7":  "2018-05-31",
		"8":  "2020-06-30",
		"9":  "2022-06-30",
		"10": "2024-06-30",
		"11": "2026-08-31",
		"12": "2028-06-30",
		"13": "2030-06-30",
	},
}

// debianKernel recognises kernels by the source package: "linux", "linux-6.1",
// "linux-signed-amd64". Programs have names that begin with "linux-" too (linux-ftpd,
// linux-atm), so it has a list. A new kind of kernel package then fails a build until it
// is added here, which somebody notices, but no program passes as a kernel.
func debianKernel(_, source string) bool {
	if source == "linux" {
		return true
	}
	flavour, ok := kernelFlavour(source)
	if !ok {
		return false
	}
	if version.Digits(flavour[:1]) {
		return true
	}
	switch flavour {
	case "signed", "latest", "headers", "libc":
		return true
	}
	return false
}

// kernelFlavour returns the word after "linux-" in the name of a source package: "aws" of
// "linux-aws-5.15".
func kernelFlavour(source string) (flavour string, ok bool) {
	rest, ok := strings.CutPrefix(source, "linux-")
	flavour, _, _ = strings.Cut(rest, "-")
	return flavour, ok && flavour != ""
}

// debianRelease recognises a release of Debian. The os-release of unstable is that of
// testing ("forky/sid"). An image is of unstable if it is configured to upgrade from it, or
// if only sid is named. Its packages are those that testing will get, so if there are no
// entries for unstable, those for testing decide.
func debianRelease(inv inventory.Inventory) (r Release, reason string) {
	s := inv.System
	r.Name, reason = debianNumber(s)
	isUnstable := s.VersionID == "" && (debianCodename(s) == "sid" || debianCodename(s) == unstable ||
		slices.Contains(s.Repositories, "sid") || slices.Contains(s.Repositories, unstable))
	switch {
	case isUnstable && reason != "":
		r.Ecosystems = main("Debian:" + unstable)
	case isUnstable:
		r.Ecosystems = []Ecosystem{{Name: "Debian:" + unstable, Main: true}, {Name: "Debian:" + r.Name, Rank: 1, Main: true}, {Name: "Debian", Rank: 2}}
	case reason != "":
		return r, reason
	default:
		r.Ecosystems = []Ecosystem{{Name: "Debian:" + r.Name, Main: true}, {Name: "Debian", Rank: 1}}
		return r, ""
	}
	r.Name = unstable
	return r, ""
}

// debianCodename returns the codename of a release. That of testing and unstable is the
// codename that testing will have as a release, if any is named.
func debianCodename(s inventory.System) string {
	if s.Codename != "" {
		return s.Codename
	}
	// "Debian GNU/Linux buster/sid"
	words := strings.Fields(s.PrettyName)
	if len(words) == 0 {
		return ""
	}
	codename, _, _ := strings.Cut(words[len(words)-1], "/")
	return codename
}

// debianNumber returns the number of a Debian release: "12" of "12" or "12.5". For
// testing, whose os-release has no VERSION_ID, it is the number that the codename
// will get.
func debianNumber(s inventory.System) (release, reason string) {
	if s.VersionID != "" {
		major, _, _ := strings.Cut(s.VersionID, ".")
		if !number(major) {
			return "", noRelease(s)
		}
		return major, ""
	}
	codename := debianCodename(s)
	if number, ok := debianNumbers[codename]; ok {
		return number, ""
	}
	return "", fmt.Sprintf("unknown release of debian: %q", verdict.Short(codename))
}

// debianNumbers are the numbers of the releases by codename.
var debianNumbers = map[string]string{
	"wheezy":   "7",
	"jessie":   "8",
	"stretch":  "9",
	"buster":   "10",
	"bullseye": "11",
	"bookworm": "12",
	"trixie":   "13",
	"forky":    "14",
	"duke":     "15",
}

// unstable is the name of the release that has no number, no advisories of its own, and no
// end. Debian's tracker has entries for it.
const unstable = "unstable"

// DebianEcosystem returns the ecosystem of a release of Debian, by its codename:
// "Debian:12" of "bookworm", and "Debian:unstable" of "sid". No image is looked up in that
// of an unknown codename.
func DebianEcosystem(codename string) string {
	name := codename
	if number, ok := debianNumbers[codename]; ok {
		name = number
	} else if codename == "sid" {
		name = unstable
	}
	return "Debian:" + name
}

// debianLacks returns the suite with security updates. Before Debian 11 it was called
// CODENAME/updates.
func debianLacks(inv inventory.Inventory) *verdict.Repositories {
	s := inv.System
	if !codename.MatchString(s.Codename) || len(s.VersionID) < 2 || s.VersionID < "11" || hasSecurity(s) {
		return nil
	}
	suite := s.Codename + "-security"
	return &verdict.Repositories{Missing: suite, Add: "deb http://deb.debian.org/debian-security " + suite + " main"}
}
