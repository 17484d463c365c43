package verdict

import (
	"cmp"
	"slices"
	"strings"
)

// A group is what one upgrade mends: the findings of one source package (of the
// package itself where it has none) in one installed version.
type group struct {
	typ, name, installed string
	fixed                string   // the highest of the fixes; empty where there is none
	subscription         string   // what has to be paid for to get the fix
	malicious            bool     // some finding says so
	binaries             []string // the installed packages, sorted, each once
	paths                []string // where they lie, for packages that have no source
	findings             []Finding
	// vulnerabilities is one finding for each id, the worst first.
	vulnerabilities []Finding
}

// groups sorts findings into groups, the worst first.
func groups(findings []Finding, options Options) []group {
	type key struct {
		typ, name, installed string
		fixable              bool
		subscription         string
	}
	index := map[key]int{}
	var all []group
	for _, f := range findings {
		name, installed := f.Package.Name, f.Package.Version
		if f.Package.Source != "" {
			name, installed = f.Package.Source, cmp.Or(f.Package.SourceVersion, installed)
		}
		k := key{f.Package.Type, name, installed, f.Fixed != "", f.Subscription}
		i, ok := index[k]
		if !ok {
			i = len(all)
			index[k] = i
			all = append(all, group{typ: k.typ, name: name, installed: installed, subscription: k.subscription})
		}
		g := &all[i]
		g.findings = append(g.findings, f)
		if natural(g.fixed, f.Fixed) < 0 {
			g.fixed = f.Fixed
		}
		g.malicious = g.malicious || f.Malicious
		g.binaries = append(g.binaries, f.Package.Name)
		if f.Package.Source == "" {
			g.paths = append(g.paths, f.Package.Paths...)
		}
	}
	worst := func(a, b Finding) int {
		return cmp.Compare(urgency(a, options), urgency(b, options))
	}
	for i := range all {
		g := &all[i]
		slices.Sort(g.binaries)
		g.binaries = slices.Compact(g.binaries)
		slices.Sort(g.paths)
		g.paths = slices.Compact(g.paths)
		g.vulnerabilities = slices.Clone(g.findings)
		byID := func(a, b Finding) int {
			return cmp.Or(natural(a.ID, b.ID), strings.Compare(a.ID, b.ID), worst(a, b))
		}
		slices.SortStableFunc(g.vulnerabilities, byID)
		g.vulnerabilities = slices.CompactFunc(g.vulnerabilities, func(a, b Finding) bool { return a.ID == b.ID })
		slices.SortStableFunc(g.vulnerabilities, worst)
	}
	slices.SortStableFunc(all, func(a, b group) int {
		return cmp.Or(
			worst(a.vulnerabilities[0], b.vulnerabilities[0]),
			cmp.Compare(len(b.vulnerabilities), len(a.vulnerabilities)),
			strings.Compare(a.name, b.name),
			natural(a.installed, b.installed),
		)
	})
	return all
}

// urgency is how soon a finding is to be seen to, 0 the soonest: what is
// malicious, what is exploited, then by severity. What is unrated stands behind
// the severity that it counts as.
func urgency(f Finding, options Options) int {
	if f.Malicious {
		return 0
	}
	if f.KnownExploited {
		return 1
	}
	s, behind := f.Severity, 0
	if s == Unrated {
		s, behind = options.Unrated, 1
	}
	i := s.Rank()
	if i < 0 {
		i = len(severities)
	}
	return 2 + 2*i + behind
}
