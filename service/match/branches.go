package match

import (
	"slices"
	"strings"
)

// preferBranches drops the matching candidates of WordPress that have one range from the
// first version to one fix, if another record of the vulnerability has a range for the
// branch of the installed version, and the version is after that range. WordPress fixes
// all supported branches: CVE-2022-21661 is fixed in 5.8.3, and in 5.7.5, 5.6.7 and so on.
// Its CVE record only has "< 5.8.3", and Wordfence's has the branches.
//
// A candidate with ranges of its own for several branches stays, even if the other record
// disagrees: then one of them is wrong, and it is unknown which.
func (f candidates) preferBranches(l lookup, g *group) {
	if l.rules.typ != wordPress || !slices.ContainsFunc(g.matching, coarse) || f.branch(l.version, g) == nil {
		return
	}
	g.matching = slices.DeleteFunc(g.matching, coarse)
}

// branch returns a candidate about the vulnerability with a range for the branch of an
// installed version which does not affect the version, or nil.
func (f candidates) branch(installed string, g *group) *candidate {
	for _, name := range g.names {
		for _, c := range f.byName[name] {
			if c.failed || c.affected || len(c.entry.Ranges) < 2 {
				continue
			}
			for _, r := range c.entry.Ranges {
				if len(r.Events) == 2 && branchOf(r.Events[0].Introduced) == branchOf(installed) {
					return c
				}
			}
		}
	}
	return nil
}

// coarse reports whether a candidate has one range, from the first version on.
func coarse(c *candidate) bool {
	ranges := c.entry.Ranges
	return len(c.entry.Versions) == 0 && len(ranges) == 1 && len(ranges[0].Events) == 2 && ranges[0].Events[0].Introduced == "0"
}

// dropDecidedGaps drops the gaps of those entries of WordPress that could not be evaluated,
// if records of another source about the same vulnerabilities could be. Many CVE records
// of plugins say that no fix was known when they were written, and are never changed.
func (m *matcher) dropDecidedGaps(l lookup, found candidates, e *evaluation) error {
	if l.rules.typ != wordPress || len(e.gaps) == 0 {
		return nil
	}
	decided := make(map[covered]bool)
	for _, c := range found.all {
		vs, err := m.records.vulnerabilities(c.entry.Advisory)
		if err != nil {
			return err
		}
		for _, v := range vs {
			if !c.failed {
				decided[covered{c.entry.Source, v.id}] = true
			}
		}
	}
	elsewhere := func(v vulnerability, source string) bool {
		for by := range decided {
			if by.id == v.id && by.source != source {
				return true
			}
		}
		return false
	}
	for _, c := range found.all {
		if !c.failed {
			continue
		}
		vs, err := m.records.vulnerabilities(c.entry.Advisory)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(vs, func(v vulnerability) bool { return !elsewhere(v, c.entry.Source) }) {
			e.gaps = slices.DeleteFunc(e.gaps, func(g NotEvaluated) bool { return strings.HasPrefix(g.Reason, gapPrefix(c.entry.Advisory, c.name)) })
		}
	}
	return nil
}

// branchOf returns the branch of a version: "5.8" of 5.8.3 and of 5.8.
func branchOf(version string) string {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	minor, _, _ = strings.Cut(minor, "-")
	return major + "." + minor
}
