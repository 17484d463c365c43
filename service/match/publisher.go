package match

import (
	"slices"

	"assay/service/advisory"
)

// osv is the source that has copies of the records of most publishers.
const osv = "osv"

// A publisher is what the distribution's own source says about a package. If the source
// has entries about a vulnerability, and all of them could be evaluated, it decides: the
// copies of osv do not count. Notices decide nothing, because they give no finding.
// Records of other sources always count.
type publisher struct {
	m      *matcher
	source string
	found  candidates
	// errata finds the candidates of the source whose IDs contain no CVE, by the
	// vulnerabilities that their records are about. It is nil until it is needed.
	errata map[string][]*candidate
}

// publisher returns what the distribution's own source says about a package. It is nil if
// there is nothing to decide: the source has no entry about the package, or no entry of
// osv affects the package.
func (m *matcher) publisher(l lookup, found candidates) *publisher {
	if l.rules.distribution == nil || l.rules.distribution.Publisher == "" {
		return nil
	}
	own := l.rules.distribution.Publisher
	if !slices.ContainsFunc(found.all, copied) || !slices.ContainsFunc(found.all, func(c *candidate) bool { return c.entry.Source == own }) {
		return nil
	}
	return &publisher{m: m, source: own, found: found}
}

// copied reports whether a candidate of osv affects the package or could not be evaluated.
func copied(c *candidate) bool { return c.entry.Source == osv && (c.affected || c.failed) }

// decision returns the entry of the source that decides about a vulnerability, or nil. Of
// several it is the one in the most specific ecosystem.
func (p *publisher) decision(id string) (*candidate, error) {
	if p == nil {
		return nil, nil
	}
	if err := p.indexErrata(); err != nil {
		return nil, err
	}
	var by *candidate
	for _, named := range [...][]*candidate{p.found.byName[id], p.errata[id]} {
		for _, c := range named {
			if c.entry.Source != p.source {
				continue
			}
			vs, err := p.m.deciding(c)
			if err != nil {
				return nil, err
			}
			if !slices.ContainsFunc(vs, func(v vulnerability) bool { return v.id == id }) {
				continue
			}
			if c.failed {
				return nil, nil
			}
			if by == nil || c.ecosystem.Rank < by.ecosystem.Rank {
				by = c
			}
		}
	}
	return by, nil
}

// indexErrata makes errata. Candidates whose IDs contain a CVE are left out, because
// candidates.byName has them.
func (p *publisher) indexErrata() error {
	if p.errata != nil {
		return nil
	}
	p.errata = make(map[string][]*candidate)
	for _, c := range p.found.all {
		if c.entry.Source != p.source || advisory.CVEIn(c.entry.Advisory) != "" {
			continue
		}
		vs, err := p.m.deciding(c)
		if err != nil {
			return err
		}
		for _, v := range vs {
			p.errata[v.id] = append(p.errata[v.id], c)
		}
	}
	return nil
}

// replaces reports whether an entry that decides replaces a candidate: one of osv in the
// same ecosystem or a less specific one. An entry that is only about Ubuntu Pro does not
// replace one about the release.
func (by *candidate) replaces(c *candidate) bool {
	return by != nil && c.entry.Source == osv && c.ecosystem.Rank >= by.ecosystem.Rank
}

// dropCopies drops the matching candidates of osv that the source decides about.
func (p *publisher) dropCopies(g *group) (err error) {
	if !g.has(osv) {
		return nil
	}
	g.decidedBy, err = p.decision(g.id)
	g.matching = slices.DeleteFunc(g.matching, g.decidedBy.replaces)
	return err
}

// precedence explains to the user why an entry replaces others.
func (by *candidate) precedence() string {
	return shown(by.entry.Advisory) + " takes precedence, because its source " + shown(by.entry.Source) + " is the distribution's own"
}
