package match

import (
	"iter"
	"math"
	"slices"

	"assay/service/advisory"
	"assay/service/distro"
)

// A group is the candidates that affect a package with one vulnerability.
type group struct {
	vulnerability
	matching []*candidate
	// decidedBy is the entry of the distribution's own source that replaces those of osv,
	// or nil.
	decidedBy *candidate
}

// addGroups groups the candidates that affect a package, by vulnerability. It does not
// return the map, which most packages do not need on the heap.
func (m *matcher) addGroups(groups map[string]*group, found candidates) error {
	for _, c := range found.all {
		if !c.affected {
			continue
		}
		rec, err := m.records.of(c.entry)
		if err != nil {
			return err
		}
		if rec != nil && rec.Notice {
			continue
		}
		vs, err := m.records.vulnerabilities(c.entry.Advisory)
		if err != nil {
			return err
		}
		for _, v := range vs {
			g := groups[v.id]
			if g == nil {
				g = &group{vulnerability: vulnerability{id: v.id, names: v.names}}
				groups[v.id] = g
			}
			g.matching = append(g.matching, c)
			for _, n := range v.via {
				if !slices.Contains(g.via, n) {
					g.via = append(g.via, n)
				}
			}
		}
	}
	return nil
}

// sources yields the sources of the matching candidates, each once.
func (g *group) sources() iter.Seq[string] {
	return func(yield func(string) bool) {
		for i, c := range g.matching {
			before := slices.ContainsFunc(g.matching[:i], func(o *candidate) bool { return o.entry.Source == c.entry.Source })
			if !before && !yield(c.entry.Source) {
				return
			}
		}
	}
}

// has reports whether a source has matching candidates.
func (g *group) has(source string) bool {
	return slices.ContainsFunc(g.matching, func(c *candidate) bool { return c.entry.Source == source })
}

// at returns the lookup of the first matching candidate of a source: versions of the others
// may not be comparable with its.
func (g *group) at(source string) *lookup {
	for _, c := range g.matching {
		if c.entry.Source == source {
			return c.at
		}
	}
	return nil
}

// status returns the status that all sources give to the package, or StatusAffected if
// they differ.
func (g *group) status() advisory.Status {
	all, sources := advisory.StatusAffected, 0
	for source := range g.sources() {
		own := advisory.StatusAffected
		for _, c := range g.matching {
			if c.entry.Source == source {
				own = max(own, c.entry.Status)
			}
		}
		if sources++; sources > 1 && own != all {
			return advisory.StatusAffected
		}
		all = own
	}
	return all
}

// A cutoff is the highest rank of the ecosystems whose entries count for a source.
type cutoff struct {
	source string
	rank   int
}

// decide drops the matching candidates of a group that a more specific record of the
// same source overrules. It returns the cutoff of each source.
//
// A record of one vulnerability (DEBIAN-CVE-2024-1, UBUNTU-CVE-2024-1) is what the
// distribution's tracker says of it now, for this release and source. An erratum (DSA,
// USN) is what was announced once, for all vulnerabilities in it together. A more
// specific ecosystem comes first: with a subscription Ubuntu:Pro before Ubuntu, and a
// release before an entry for all releases. So the records of the one vulnerability in
// the first ecosystem that has any decide whether the package is affected. Without such
// a record, errata do. A record that could not be evaluated decides nothing, and no
// record decides about the records of another source.
func (f candidates) decide(g *group) []cutoff {
	cutoffs := make([]cutoff, 0, 1)
	for source := range g.sources() {
		cutoffs = append(cutoffs, cutoff{source, math.MaxInt})
	}
	for i := range cutoffs {
		by := &cutoffs[i]
		affected := true
		for _, name := range g.names {
			for _, c := range f.byName[name] {
				if c.entry.Source != by.source || c.failed || c.ecosystem.Rank > by.rank || distro.Erratum(c.entry.Advisory) != nil {
					continue
				}
				if c.ecosystem.Rank < by.rank {
					by.rank, affected = c.ecosystem.Rank, false
				}
				affected = affected || c.affected
			}
		}
		g.matching = slices.DeleteFunc(g.matching, func(c *candidate) bool {
			return c.entry.Source == by.source && (c.ecosystem.Rank > by.rank || c.ecosystem.Rank == by.rank && !affected)
		})
	}
	return cutoffs
}

// A covered is a vulnerability that a source's advisories for extended support are
// about.
type covered struct{ source, id string }

// extendedSupport returns the vulnerabilities that the advisories for the extended
// support of the image's release are about, whether the package is affected or not. It
// is nil for other packages.
func (m *matcher) extendedSupport(l lookup, found candidates) (map[covered]bool, error) {
	if l.rules.extended == "" {
		return nil, nil
	}
	about := make(map[covered]bool)
	for _, c := range found.all {
		if c.ecosystem.Rank > 0 || c.failed {
			continue
		}
		vs, err := m.records.vulnerabilities(c.entry.Advisory)
		if err != nil {
			return nil, err
		}
		for _, v := range vs {
			about[covered{c.entry.Source, v.id}] = true
		}
	}
	return about, nil
}

// preferExtended drops the matching candidates of those sources whose advisories for
// extended support are about the vulnerability, except for these advisories.
func (g *group) preferExtended(cutoffs []cutoff, extended map[covered]bool) {
	for i, by := range cutoffs {
		if extended[covered{by.source, g.id}] {
			cutoffs[i].rank = 0
			g.matching = slices.DeleteFunc(g.matching, func(c *candidate) bool { return c.entry.Source == by.source && c.ecosystem.Rank > 0 })
		}
	}
}

// dropSubscriptions drops the matching candidates of a subscription that the image does
// not have, if there are others. Otherwise it returns the subscription's name.
func (g *group) dropSubscriptions() string {
	paid := func(c *candidate) bool { return c.ecosystem.Subscription != "" }
	if len(g.matching) == 0 || !slices.ContainsFunc(g.matching, paid) {
		return ""
	}
	if !slices.ContainsFunc(g.matching, func(c *candidate) bool { return !paid(c) }) {
		return g.matching[0].ecosystem.Subscription
	}
	g.matching = slices.DeleteFunc(g.matching, paid)
	return ""
}
