package verdict

import (
	"cmp"
	"slices"
	"strings"
)

// A Group is the findings that one upgrade fixes: those of one installed version of a
// source package, or of the package itself if it has no source package, and of one origin.
type Group struct {
	Type, Name, Installed string
	Origin                string // of the findings
	// Fixed is the highest version that fixes one of the findings, or empty.
	Fixed string
	// Subscription is what the fix needs, or empty.
	Subscription string
	Binaries     []string // names of the installed packages, sorted and unique
	Paths        []string // of packages without a source package, sorted and unique
	Findings     []Finding
	// Vulnerabilities has one finding for each id, the worst first.
	Vulnerabilities []Finding
}

// Groups returns the groups of findings, the worst first.
func Groups(findings []Finding, options Options) []Group {
	type key struct {
		typ, name, installed string
		fixable              bool
		subscription, origin string
	}
	index := map[key]int{}
	var all []Group
	for _, f := range findings {
		name, installed := f.Package.Name, f.Package.Version
		if f.Package.Source != "" {
			name, installed = f.Package.Source, cmp.Or(f.Package.SourceVersion, installed)
		}
		k := key{f.Package.Type, name, installed, f.Fixed != "", f.Subscription, f.Origin}
		i, ok := index[k]
		if !ok {
			i = len(all)
			index[k] = i
			all = append(all, Group{Type: k.typ, Name: name, Installed: installed, Subscription: k.subscription, Origin: k.origin})
		}
		g := &all[i]
		g.Findings = append(g.Findings, f)
		if natural(g.Fixed, f.Fixed) < 0 {
			g.Fixed = f.Fixed
		}
		g.Binaries = append(g.Binaries, f.Package.Name)
		if f.Package.Source == "" {
			g.Paths = append(g.Paths, f.Package.Paths...)
		}
	}
	// Sorting pointers takes less time and, for the client, less code.
	order := make([]*Group, len(all))
	for i := range all {
		g := &all[i]
		order[i] = g
		slices.Sort(g.Binaries)
		g.Binaries = slices.Compact(g.Binaries)
		slices.Sort(g.Paths)
		g.Paths = slices.Compact(g.Paths)
		g.Vulnerabilities = vulnerabilities(g.Findings, options)
	}
	slices.SortStableFunc(order, func(a, b *Group) int {
		return cmp.Or(
			worse(&a.Vulnerabilities[0], &b.Vulnerabilities[0], options),
			strings.Compare(b.Origin, a.Origin), // own ones first
			cmp.Compare(len(b.Vulnerabilities), len(a.Vulnerabilities)),
			strings.Compare(a.Name, b.Name),
			natural(a.Installed, b.Installed),
		)
	})
	sorted := make([]Group, len(order))
	for i, g := range order {
		sorted[i] = *g
	}
	return sorted
}

// vulnerabilities returns one finding for each id, the worst first.
func vulnerabilities(findings []Finding, options Options) []Finding {
	order := make([]*Finding, len(findings))
	for i := range findings {
		order[i] = &findings[i]
	}
	slices.SortStableFunc(order, func(a, b *Finding) int {
		return cmp.Or(natural(a.ID, b.ID), strings.Compare(a.ID, b.ID), worse(a, b, options))
	})
	order = slices.CompactFunc(order, func(a, b *Finding) bool { return a.ID == b.ID })
	slices.SortStableFunc(order, func(a, b *Finding) int {
		return cmp.Or(worse(a, b, options), strings.Compare(a.RatedBy(), b.RatedBy()))
	})
	all := make([]Finding, len(order))
	for i, f := range order {
		all[i] = *f
	}
	return all
}

// worse compares the urgency of two findings.
func worse(a, b *Finding, options Options) int {
	return cmp.Compare(urgency(*a, options), urgency(*b, options))
}

// RatedBy returns where a severity comes from, without the id of the vulnerability.
func (f Finding) RatedBy() string {
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
