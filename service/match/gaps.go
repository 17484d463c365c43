package match

import (
	"slices"
	"strings"
)

// dropDecidedGaps drops the gaps of those entries that could not be evaluated, if other
// entries decide about the same vulnerabilities.
//
// For a package of a distribution these are entries of its own source in the place of
// those of osv. For WordPress they are those of any other source: many CVE records of
// plugins say that no fix was known when they were written, and are never changed.
func (m *matcher) dropDecidedGaps(l lookup, found candidates, own *publisher, e *evaluation) error {
	if len(e.gaps) == 0 || own == nil && l.rules.typ != wordPress {
		return nil
	}
	// elsewhere reports whether other entries decide about a vulnerability in the place of
	// a candidate.
	elsewhere := func(c *candidate, v vulnerability) (bool, error) {
		by, err := own.decision(v.id)
		if !by.replaces(c) {
			return false, err
		}
		m.trace.overrule(e, c, v.id, by.precedence())
		return true, nil
	}
	if l.rules.typ == wordPress {
		decided, err := m.decisions(found)
		if err != nil {
			return err
		}
		elsewhere = func(c *candidate, v vulnerability) (bool, error) { return decided.elsewhere(c, v), nil }
	}
	// Records of several sources may have the same id, and their gaps the same beginning.
	gone := make(map[string]bool)
	for _, c := range found.all {
		if !c.failed {
			continue
		}
		vs, err := m.records.vulnerabilities(c.entry.Advisory)
		if err != nil {
			return err
		}
		decided := true
		for _, v := range vs {
			other, err := elsewhere(c, v)
			if err != nil {
				return err
			}
			decided = decided && other
		}
		prefix := gapPrefix(c.entry.Advisory, c.name)
		all, seen := gone[prefix]
		gone[prefix] = (all || !seen) && decided
	}
	for prefix, all := range gone {
		if all {
			e.gaps = slices.DeleteFunc(e.gaps, func(g NotEvaluated) bool { return strings.HasPrefix(g.Reason, prefix) })
		}
	}
	return nil
}

// decisions are the vulnerabilities that each source has records about, and whether all of
// its entries about them could be evaluated.
type decisions map[covered]bool

// decisions returns those of all sources.
func (m *matcher) decisions(found candidates) (decisions, error) {
	decided := make(decisions)
	for _, c := range found.all {
		vs, err := m.deciding(c)
		if err != nil {
			return nil, err
		}
		for _, v := range vs {
			before, seen := decided[covered{c.entry.Source, v.id}]
			decided[covered{c.entry.Source, v.id}] = !c.failed && (before || !seen)
		}
	}
	return decided, nil
}

// elsewhere reports whether another source than that of a candidate decides about a
// vulnerability: all of its entries about it could be evaluated. NVD does not decide for
// the overrides, which correct it.
func (d decisions) elsewhere(c *candidate, v vulnerability) bool {
	for by, all := range d {
		if all && by.id == v.id && by.source != c.entry.Source && (by.source != nvd || c.entry.Source != nvdOverrides) {
			return true
		}
	}
	return false
}

// deciding returns the vulnerabilities that a candidate's record is about, or nil for a
// notice.
func (m *matcher) deciding(c *candidate) ([]vulnerability, error) {
	rec, err := m.records.of(c.entry)
	if err != nil || rec != nil && rec.Notice {
		return nil, err
	}
	return m.records.vulnerabilities(c.entry.Advisory)
}
