package distro

import (
	"regexp"
	"slices"
	"strings"

	"assay/inspect/inventory"
	"assay/verdict"
)

var alpine = Distribution{
	Name:      "Alpine",
	IDs:       []string{"alpine"},
	Format:    Apk,
	Ecosystem: "Alpine",
	Names:     BySource,
	Release:   alpineRelease,
	Builds:    anyMaintainer,
	Kernel:    alpineKernel,
	Lacks:     alpineLacks,
	Publisher: "alpine",
	// Source: https://alpinelinux.org/releases/.
	EndOfLife: map[string]string{
		"v3.3":  "2017-11-01",
		"v3.4":  "2018-05-01",
		"v3.5":  "2018-11-01",
		"v3.6":  "2019-05-01",
		"v3.7":  "2019-11-01",
		"v3.8":  "2020-05-01",
		"v3.9":  "2020-11-01",
		"v3.10": "2021-05-01",
		"v3.11": "2021-11-01",
		"v3.12": "2022-05-01",
		"v3.13": "2022-11-01",
		"v3.14": "2023-05-01",
		"v3.15": "2023-11-01",
		"v3.16": "2024-05-23",
		"v3.17": "2024-11-22",
		"v3.18": "2025-05-09",
		"v3.19": "2025-11-01",
		"v3.20": "2026-04-01",
		"v3.21": "2026-11-01",
		"v3.22": "2027-05-01",
	},
}

// anyMaintainer is for the distributions with apk packages. Anyone may be the
// maintainer of an Alpine package, so all packages count as the distribution's.
func anyMaintainer(string) bool { return true }

// alpineKernel recognises kernels by the name or the source package. The other
// distributions with apk packages use Alpine's names.
func alpineKernel(name, source string) bool {
	return alpineKernelName(source) || alpineKernelName(name)
}

func alpineKernelName(name string) bool {
	switch name {
	case "linux-edge", "linux-grsec", "linux-hardened", "linux-headers", "linux-lts", "linux-rpi", "linux-rpi2", "linux-vanilla",
		"linux-virt", "linux-virtgrsec", "linux-stable":
		return true
	}
	return false
}

// alpineRelease recognises a release by its number: "v3.19" of "3.19.1". The os-release of
// edge has a version of the next release: "3.20_alpha20231219", "3.22.0_alpha20250108".
func alpineRelease(inv inventory.Inventory) (r Release, reason string) {
	v := inv.System.VersionID
	if v == "" { // "Alpine Linux v3.15"
		_, v, _ = strings.Cut(inv.System.PrettyName, " v")
	}
	major, rest, ok := strings.Cut(v, ".")
	rest, _, edge := strings.Cut(rest, "_alpha")
	minor, patch, _ := strings.Cut(rest, ".")
	if !ok || !number(major) || !number(minor) || strings.Contains(patch, "_") {
		return r, noRelease(inv.System)
	}
	r.Name = "v" + major + "." + minor
	if edge {
		r.Name = "edge"
	}
	r.Ecosystems = main("Alpine:" + r.Name)
	return r, ""
}

var (
	alpineBranch = regexp.MustCompile(`^(v[0-9]+\.[0-9]+|edge|latest-stable)/[a-z]+$`)
	alpineMinor  = regexp.MustCompile(`^[0-9]+\.[0-9]+`)
)

// alpineLacks returns the branch of the release. A mirror may have other folder names,
// whose meaning is unknown.
func alpineLacks(inv inventory.Inventory) *verdict.Repositories {
	s := inv.System
	minor := alpineMinor.FindString(s.VersionID)
	if minor == "" || slices.ContainsFunc(s.Repositories, func(r string) bool { return !alpineBranch.MatchString(r) }) {
		return nil
	}
	branch := "v" + minor + "/main"
	if strings.Contains(s.VersionID, "_alpha") {
		branch = "edge/main"
	}
	if slices.Contains(s.Repositories, branch) || slices.Contains(s.Repositories, "edge/main") || slices.Contains(s.Repositories, "latest-stable/main") {
		return nil
	}
	return &verdict.Repositories{Missing: branch, Add: "https://dl-cdn.alpinelinux.org/alpine/" + branch}
}
