package distro

import (
	"slices"
	"strings"

	"assay/inspect/inventory"
	"assay/service/version"
)

// This file has what the distributions with rpm packages have in common.

// byMajor recognises a release by its major number, under which an ecosystem has
// the advisories.
func byMajor(ecosystem string) func(inventory.Inventory) (Release, string) {
	return func(inv inventory.Inventory) (r Release, reason string) {
		major, _, ok := majorRelease(inv.System)
		if !ok {
			return r, noRelease(inv.System)
		}
		return Release{Name: major, Ecosystems: main(ecosystem + ":" + major)}, ""
	}
}

// byVersion recognises a release by its version, under which an ecosystem has the
// advisories. prefix ends with the name of the product, if it has one.
func byVersion(prefix string) func(inventory.Inventory) (Release, string) {
	return func(inv inventory.Inventory) (r Release, reason string) {
		if _, _, ok := majorRelease(inv.System); !ok {
			return r, noRelease(inv.System)
		}
		return Release{Name: inv.System.VersionID, Ecosystems: main(prefix + inv.System.VersionID)}, ""
	}
}

// majorRelease returns the parts of a version ("9.4"). It is not ok if the first is
// not a number, as "2023" is.
func majorRelease(s inventory.System) (major, minor string, ok bool) {
	major, minor, _ = strings.Cut(s.VersionID, ".")
	return major, minor, major != "" && len(major) <= len("2023") && version.Digits(major)
}

// rpmKernel recognises kernels by the source package as most distributions name it:
// "kernel", Red Hat's "kernel-rt", Oracle's "kernel-uek", SUSE's "kernel-default".
func rpmKernel(_, source string) bool {
	rest, ok := strings.CutPrefix(source, "kernel")
	return ok && (rest == "" || rest[0] == '-' && rest != "-srpm-macros" && rest != "-install-tools")
}

// vendors recognises vendors by the beginning of their names.
func vendors(names ...string) func(vendor string) bool {
	return func(vendor string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(vendor, n) })
	}
}

// An rpm package may have several builds under one name, with versions that cannot be
// compared with each other: one for each stream of a module, those that Oracle patches
// in memory or has validated, and those of Amazon Linux's extras. The advisory of one
// build says nothing about the others.

// ModuleBuild reports whether a version is that of a package of a module, as Red Hat and
// the distributions that derive from it have them ("module_el8.6.0+2741+01592ae8").
func ModuleBuild(version string) bool {
	return strings.Contains(version, ".module+el") || strings.Contains(version, ".module_el")
}

// SameBuild reports whether the fix of an advisory is for the kind of build that an
// installed version is. module says whether that is a build of a module.
func (d *Distribution) SameBuild(ecosystem, advisory, fix, installed string, module bool) bool {
	return ModuleBuild(fix) == module && (d.OtherBuild == nil || !d.OtherBuild(ecosystem, advisory, fix, installed))
}
