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

// lacking returns what the repositories of a system lack for an upgrade in the image,
// or nil where they can give the fixes or nothing is known of them. A system without
// support has no fixes to get.
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
		// Before Debian 11 the suite was called CODENAME/updates.
		if !codename.MatchString(s.Codename) || len(s.VersionID) < 2 || s.VersionID < "11" || hasSecurity(s) {
			return nil
		}
		suite := s.Codename + "-security"
		return &verdict.Repositories{Missing: suite, Add: "deb http://deb.debian.org/debian-security " + suite + " main"}
	case "ubuntu":
		// What is in -security is in -updates, too.
		if !codename.MatchString(s.Codename) || hasSecurity(s) || slices.Contains(s.Repositories, s.Codename+"-updates") {
			return nil
		}
		site := "http://security.ubuntu.com/ubuntu"
		if slices.ContainsFunc(inv.Packages, func(p inventory.Package) bool {
			return p.Type == "deb" && !slices.Contains([]string{"", "all", "amd64", "i386"}, p.Arch)
		}) {
			site = "http://ports.ubuntu.com/ubuntu-ports"
		}
		suite := s.Codename + "-security"
		return &verdict.Repositories{Missing: suite, Add: "deb " + site + " " + suite + " main universe"}
	case "alpine":
		minor := alpineMinor.FindString(s.VersionID)
		// A mirror may name its folders as it likes.
		if minor == "" || slices.ContainsFunc(s.Repositories, func(r string) bool { return !alpineBranch.MatchString(r) }) {
			return nil
		}
		branch := "v" + minor + "/main"
		if slices.Contains(s.Repositories, branch) || slices.Contains(s.Repositories, "edge/main") || slices.Contains(s.Repositories, "latest-stable/main") {
			return nil
		}
		return &verdict.Repositories{Missing: branch, Add: "https://dl-cdn.alpinelinux.org/alpine/" + branch}
	}
	return nil
}

// hasSecurity reports whether a suite with security updates is configured, under the
// codename of the release or under a name such as stable-security.
func hasSecurity(s inventory.System) bool {
	return slices.ContainsFunc(s.Repositories, func(suite string) bool {
		return suite == s.Codename+"-security" || suite == s.Codename+"/updates" ||
			strings.HasSuffix(suite, "stable-security") || strings.HasSuffix(suite, "stable/updates")
	})
}
