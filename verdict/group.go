package verdict

import (
	"cmp"
	"slices"
	"strings"
)

// A group is the findings that one upgrade fixes: those of one installed version of a
// source package, or of the package itself if it has no source package.
type group struct {
	typ, name, installed string
	fixed                string   // the highest fixed version, or empty
	subscription         string   // the subscription that the fix needs, or empty
	malicious            bool     // a finding says that the package is malicious
	binaries             []string // names of the installed packages, sorted and unique
	paths                []string // of packages without a source package
	findings             []Finding
	// vulnerabilities has one finding for each id, the worst first.
	vulnerabilities []Finding
}

// groups returns the groups of findings, the worst first.
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
		slices.SortStableFunc(g.vulnerabilities, func(a, b Finding) int {
			return cmp.Or(worst(a, b), strings.Compare(ratedBy(a), ratedBy(b)))
		})
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

// ratedBy returns where a severity comes from, without the id of the vulnerability.
func ratedBy(f Finding) string {
	if id, by, found := strings.Cut(f.SeveritySource, ": "); found && !strings.Contains(id, " ") {
		return by
	}
	return f.SeveritySource
}

// urgency orders findings; 0 is the most urgent. Malicious packages come first, then
// findings that are known to be exploited, then the others by severity. An unrated
// finding comes directly after the severity that it counts as.
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
