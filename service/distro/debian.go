package distro

import (
	"fmt"
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

func debianRelease(inv inventory.Inventory) (r Release, reason string) {
	if r.Name, reason = debianNumber(inv.System); reason != "" {
		return r, reason
	}
	r.Ecosystems = []Ecosystem{{Name: "Debian:" + r.Name, Main: true}, {Name: "Debian", Rank: 1}}
	return r, ""
}

// debianNumber returns the number of a Debian release: "12" of "12" or "12.5". For
// testing, whose os-release has no VERSION_ID, it is the number that the codename
// will get. An image that names testing may be of unstable ("forky/sid"), which it
// does not show. If only sid is named there are no advisories.
func debianNumber(s inventory.System) (release, reason string) {
	if s.VersionID != "" {
		major, _, _ := strings.Cut(s.VersionID, ".")
		if !number(major) {
			return "", noRelease(s)
		}
		return major, ""
	}
	codename := s.Codename
	if codename == "" {
		// "Debian GNU/Linux buster/sid"
		words := strings.Fields(s.PrettyName)
		if len(words) > 0 {
			codename, _, _ = strings.Cut(words[len(words)-1], "/")
		}
	}
	switch codename {
	case "wheezy":
		return "7", ""
	case "jessie":
		return "8", ""
	case "stretch":
		return "9", ""
	case "buster":
		return "10", ""
	case "bullseye":
		return "11", ""
	case "bookworm":
		return "12", ""
	case "trixie":
		return "13", ""
	case "forky":
		return "14", ""
	case "duke":
		return "15", ""
	case "sid", "unstable":
		return "", "debian has no advisories for unstable (sid)"
	}
	return "", fmt.Sprintf("unknown release of debian: %q", verdict.Short(codename))
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
