package main

import (
	"cmp"
	"slices"
	"strings"
)

// A pkg is the package of a finding.
type pkg struct{ name, version string }

// A finding is one vulnerability in one package.
type finding struct {
	pkg
	// names are all names of the vulnerability, sorted, CVEs first. The id of an erratum
	// is only among them if the erratum names no vulnerabilities, because it may be about
	// several.
	names []string
	// records are the ids of the records that it comes from, sorted.
	records []string
}

// id is the name by which a finding is shown.
func (f finding) id() string { return f.names[0] }

// newFinding returns a finding with sorted names and records.
func newFinding(p pkg, names []string, records ...string) finding {
	names = slices.Clone(names)
	slices.SortFunc(names, func(a, b string) int {
		switch {
		case isCVE(a) == isCVE(b):
			return cmp.Compare(a, b)
		case isCVE(a):
			return -1
		}
		return 1
	})
	return finding{p, slices.Compact(names), slices.Sorted(slices.Values(records))}
}

func isCVE(id string) bool { return strings.HasPrefix(id, "CVE-") }

// A record is an advisory as osv-scanner prints it.
type record struct {
	ID                         string
	Aliases, Upstream, Related []string
}

// erratum reports whether a record is a distribution's announcement of updates. It knows
// the distributions in the test data.
func (r record) erratum() bool {
	kind, _, _ := strings.Cut(r.ID, "-")
	return slices.Contains([]string{"DSA", "DLA", "ALSA", "ALBA", "ALEA"}, kind)
}

// vulnerabilities returns the names of each vulnerability that a record is about.
// An erratum is about those that are upstream of it (Debian) or related to it
// (AlmaLinux). Every other record is about one.
func (r record) vulnerabilities() [][]string {
	if !r.erratum() {
		return [][]string{slices.Concat([]string{r.ID}, r.Aliases, r.Upstream)}
	}
	var all [][]string
	for _, id := range slices.Concat(r.Aliases, r.Upstream, r.Related) {
		if isCVE(id) {
			all = append(all, []string{id})
		}
	}
	if len(all) == 0 {
		all = [][]string{{r.ID}}
	}
	return all
}

// missing returns the findings of all that other does not have, sorted: those that share
// no name with a finding of other in the same package. Equal findings are merged, with
// the records of all of them.
func missing(all, other []finding) []finding {
	type named struct {
		pkg
		name string
	}
	known := make(map[named]bool)
	for _, f := range other {
		for _, n := range f.names {
			known[named{f.pkg, n}] = true
		}
	}
	var lost []finding
	for _, f := range all {
		if !slices.ContainsFunc(f.names, func(n string) bool { return known[named{f.pkg, n}] }) {
			lost = append(lost, f)
		}
	}
	slices.SortStableFunc(lost, compareFindings)
	var merged []finding
	for _, f := range lost {
		if n := len(merged); n > 0 && compareFindings(merged[n-1], f) == 0 {
			merged[n-1].records = slices.Compact(slices.Sorted(slices.Values(slices.Concat(merged[n-1].records, f.records))))
			continue
		}
		merged = append(merged, f)
	}
	return merged
}

func compareFindings(a, b finding) int {
	return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.version, b.version), slices.Compare(a.names, b.names))
}
