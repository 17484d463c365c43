package match

import (
	"cmp"
	"slices"
	"strings"

	"assay/service/advisory"
	"assay/service/version"
)

// preferBranches drops the matching candidates of WordPress that have one range from the
// first version to one end, if another record of the vulnerability has a range for the
// branch of the installed version, and the version is after that range. WordPress fixes
// all supported branches: CVE-2022-21661 is fixed in 5.8.3, and in 5.7.5, 5.6.7 and so on.
// Its CVE record only has "< 5.8.3", and Wordfence's has the branches.
//
// A candidate with ranges of its own for several branches stays, even if the other record
// disagrees, and so does one that ends in the installed branch: then one of the records is
// wrong, and it is unknown which.
func (f candidates) preferBranches(l lookup, compare version.Compare, g *group) {
	if l.rules.typ != wordPress {
		return
	}
	g.matching = slices.DeleteFunc(g.matching, func(c *candidate) bool {
		return coarse(c, l.version) && f.fixedInBranch(c, compare, l.version, g)
	})
}

// fixedInBranch reports whether another record than that of c has a range for the branch of
// an installed version which ends before the version, and does not affect the version.
func (f candidates) fixedInBranch(c *candidate, compare version.Compare, installed string, g *group) bool {
	for _, name := range g.names {
		for _, o := range f.byName[name] {
			sameRecord := o.entry.Advisory == c.entry.Advisory && o.entry.Source == c.entry.Source
			if sameRecord || o.failed || o.affected || len(o.entry.Ranges) < 2 || f.overridden(o) {
				continue
			}
			for _, r := range o.entry.Ranges {
				if len(r.Events) == 2 && branchOf(r.Events[0].Introduced) == branchOf(installed) && after(compare, installed, r.Events[1]) {
					return true
				}
			}
		}
	}
	return false
}

// after reports whether a version is after the end of a range.
func after(compare version.Compare, installed string, end advisory.Event) bool {
	c, err := compare(installed, cmp.Or(end.Fixed, end.LastAffected))
	return err == nil && (c > 0 || c == 0 && end.Fixed != "")
}

// coarse reports whether a candidate has one range, from the first version to one in another
// branch than that of the installed version.
func coarse(c *candidate, installed string) bool {
	ranges := c.entry.Ranges
	if len(c.entry.Versions) != 0 || len(ranges) != 1 || len(ranges[0].Events) != 2 || ranges[0].Events[0].Introduced != "0" {
		return false
	}
	end := ranges[0].Events[1]
	return branchOf(cmp.Or(end.Fixed, end.LastAffected)) != branchOf(installed)
}

// branchOf returns the branch of a version: "5.8" of 5.8.3 and of 5.8.
func branchOf(version string) string {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	minor, _, _ = strings.Cut(minor, "-")
	return major + "." + minor
}
