package scan

import (
	"regexp"
	"slices"
	"strings"

	"assay/inspect/inventory"
	"assay/verdict"
)

var (
	codename     = regexp.MustCompile(`^[a-z]{3,20}$`)
	alpineBranch = regexp.MustCompile(`^(v[0-9]+\.[0-9]+|edge|latest-stable)/[a-z]+$`)
	alpineMinor  = regexp.MustCompile(`^[0-9]+\.[0-9]+`)
)

// lacking returns the package repository that an image lacks to upgrade its packages. It
// returns nil if the configured repositories have the fixes, if they are unknown, and if
// the system has no security support, since there are no fixes then.
func lacking(inv inventory.Inventory, evaluated verdict.System) *verdict.Repositories {
	s := inv.System
	if len(s.Repositories) == 0 || evaluated.Ended {
		return nil
	}
	if slices.Equal(s.Repositories, []string{inventory.NoRepository}) {
		return &verdict.Repositories{}
	}
	switch s.ID {
	case "debian":
		return lackingDebian(s)
	case "ubuntu":
		return lackingUbuntu(s, inv.Packages)
	case "alpine":
		return lackingAlpine(s)
	}
	return nil
}

func lackingDebian(s inventory.System) *verdict.Repositories {
	// Before Debian 11 the suite was called CODENAME/updates.
	if !codename.MatchString(s.Codename) || len(s.VersionID) < 2 || s.VersionID < "11" || hasSecurity(s) {
		return nil
	}
	suite := s.Codename + "-security"
	return &verdict.Repositories{Missing: suite, Add: "deb http://deb.debian.org/debian-security " + suite + " main"}
}

func lackingUbuntu(s inventory.System, packages []inventory.Package) *verdict.Repositories {
	// The suite -updates has all fixes of -security.
	if !codename.MatchString(s.Codename) || hasSecurity(s) || slices.Contains(s.Repositories, s.Codename+"-updates") {
		return nil
	}
	site := "http://security.ubuntu.com/ubuntu"
	if slices.ContainsFunc(packages, func(p inventory.Package) bool {
		return p.Type == "deb" && !slices.Contains([]string{"", "all", "amd64", "i386"}, p.Arch)
	}) {
		site = "http://ports.ubuntu.com/ubuntu-ports"
	}
	suite := s.Codename + "-security"
	return &verdict.Repositories{Missing: suite, Add: "deb " + site + " " + suite + " main universe"}
}

func lackingAlpine(s inventory.System) *verdict.Repositories {
	minor := alpineMinor.FindString(s.VersionID)
	// A mirror may have other folder names, whose meaning is unknown.
	if minor == "" || slices.ContainsFunc(s.Repositories, func(r string) bool { return !alpineBranch.MatchString(r) }) {
		return nil
	}
	branch := "v" + minor + "/main"
	if slices.Contains(s.Repositories, branch) || slices.Contains(s.Repositories, "edge/main") || slices.Contains(s.Repositories, "latest-stable/main") {
		return nil
	}
	return &verdict.Repositories{Missing: branch, Add: "https://dl-cdn.alpinelinux.org/alpine/" + branch}
}

// hasSecurity reports whether a suite with security updates is configured, by the
// codename of the release or by a name such as stable-security.
func hasSecurity(s inventory.System) bool {
	return slices.ContainsFunc(s.Repositories, func(suite string) bool {
		return suite == s.Codename+"-security" || suite == s.Codename+"/updates" ||
			strings.HasSuffix(suite, "stable-security") || strings.HasSuffix(suite, "stable/updates")
	})
}
