package match

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"assay/service/advisory"
	"assay/service/distro"
	"assay/service/exploit"
	"assay/service/index"
	"assay/service/version"
	"assay/verdict"
)

// newMatch makes the match of a group. Of the candidates found, those count whose
// ecosystem is within the cutoff of their source. If paid is not empty, the fix needs
// that subscription.
func (m *matcher) newMatch(l lookup, compare version.Compare, g *group, found candidates, cutoffs []cutoff, paid string) (*Match, error) {
	known, err := m.records.known(g.vulnerability)
	if err != nil {
		return nil, err
	}
	rated, unimportant, err := m.records.severityOf(g, known)
	if err != nil {
		return nil, err
	}
	c := &Match{
		Finding: verdict.Finding{
			ID:             g.id,
			Severity:       rated.severity,
			SeveritySource: rated.source,
			Score:          rated.score,
			Vector:         rated.vector,
			Malicious:      slices.ContainsFunc(g.names, malicious),
			Why:            why(g.matching),
		},
	}
	if d := l.rules.distribution; d != nil {
		c.Kernel = d.Kernel(l.name, l.source)
	}
	if l.unknownStream() {
		c.Why += "; uncertain, since the package's module stream is unknown"
	}
	c.imports = importsOf(g.matching)
	c.addNames(g)
	for _, k := range known {
		c.Summary = cmp.Or(c.Summary, k.Summary)
		c.KnownExploited = c.KnownExploited || k.KnownExploited
		if at := k.Published; !at.IsZero() && slices.Contains(c.Advisories, k.ID) && (c.Published.IsZero() || at.Before(c.Published)) {
			c.Published = at
		}
	}
	if err := m.addExploits(c, g.names); err != nil {
		return nil, err
	}
	if err := m.addFix(c, l, compare, g, found, cutoffs, paid); err != nil {
		return nil, err
	}
	c.Unimportant = unimportant
	if c.Fixed == "" {
		c.Status = g.status()
	}
	return c, nil
}

func malicious(id string) bool { return strings.HasPrefix(id, "MAL-") }

// addNames fills in the aliases and advisories.
func (c *Match) addNames(g *group) {
	for _, n := range g.names {
		if n != g.id {
			c.Aliases = append(c.Aliases, n)
		}
	}
	for _, candidate := range g.matching {
		c.Advisories = append(c.Advisories, candidate.entry.Advisory)
	}
	slices.Sort(c.Advisories)
	c.Advisories = slices.Compact(c.Advisories)
}

// addExploits fills in what the exploit catalogs say of a vulnerability: it is known to
// be exploited if one of its CVEs is, and it has the highest of their scores. If a
// record itself says that it is exploited, that remains.
func (m *matcher) addExploits(c *Match, names []string) error {
	var score exploit.Score
	for _, name := range names {
		cve, ok := exploit.ParseCVE(name)
		if !ok {
			continue
		}
		kev, epss, err := m.ix.Exploit(cve)
		if err != nil {
			return err
		}
		c.KnownExploited = c.KnownExploited || kev.CVE == cve
		score = max(score, epss.EPSS)
	}
	c.EPSS = score.Float()
	return nil
}

// addFix fills in the fix of c.
func (m *matcher) addFix(c *Match, l lookup, compare version.Compare, g *group, found candidates, cutoffs []cutoff, paid string) error {
	for _, by := range cutoffs {
		if !g.has(by.source) {
			continue // all of its candidates were dropped
		}
		var entries []index.Affected
		at := g.at(by.source)
		for _, id := range c.Advisories {
			for _, o := range found.byName[id] {
				if o.entry.Advisory == id && o.entry.Source == by.source && o.at == at && o.ecosystem.Rank <= by.rank && (paid != "" || o.ecosystem.Subscription == "") {
					entries = append(entries, o.entry)
				}
			}
		}
		fixed, since := fix(at.comparer(), *at, entries)
		// A source without a fix does not remove the fix of another.
		if fixed == "" || c.Fixed != "" && !newer(compare, fixed, c.Fixed) {
			continue
		}
		c.Fixed, c.FirstSeen = fixed, nil
		if !since.IsZero() {
			c.FirstSeen = &since
		}
		published, err := m.published(l, entries, fixed)
		if err != nil {
			return err
		}
		c.FixPublished = nil
		if !published.IsZero() {
			c.FixPublished = &published
		}
	}
	if paid != "" && c.Fixed != "" {
		c.Subscription, c.Fixed, c.FirstSeen, c.FixPublished = paid, "", nil, nil
	}
	return nil
}

// published returns when the first of the advisories with a fix was published, or zero. A
// distribution's record of one vulnerability does not count, because it is usually older
// than the fix.
func (m *matcher) published(l lookup, entries []index.Affected, fixed string) (first time.Time, err error) {
	for _, e := range entries {
		if l.rules.distribution != nil && distro.Erratum(e.Advisory) == nil || !hasFix(e, fixed) {
			continue
		}
		record, err := m.records.of(e)
		if err != nil {
			return time.Time{}, err
		}
		if record != nil && !record.Published.IsZero() && (first.IsZero() || record.Published.Before(first)) {
			first = record.Published
		}
	}
	return first, nil
}

// hasFix reports whether an entry has a fix in the version fixed.
func hasFix(e index.Affected, fixed string) bool {
	return slices.ContainsFunc(e.Ranges, func(r index.Range) bool {
		return slices.ContainsFunc(r.Events, func(ev advisory.Event) bool { return ev.Fixed == fixed })
	})
}

func newer(compare version.Compare, a, b string) bool {
	c, err := compare(a, b)
	return err == nil && c > 0
}

// maxFixes bounds the fixes that are tried one after another. If there are more, the
// advisories contradict each other and no fix is named.
const maxFixes = 64

// fix returns the version that fixes all entries of a source at once, and when the
// service first saw that fix. It is the newest of their first fixes above the installed
// version. If one of them affects that version too, the search goes on from there. The
// version is empty if an entry that affects the package has no fix.
func fix(compare version.Compare, l lookup, entries []index.Affected) (fixed string, since time.Time) {
	for range maxFixes {
		next := advisory.Event{}
		for _, e := range entries {
			// An entry that cannot be evaluated is in the gaps already.
			out, err := evaluateEntry(compare, l.public(e), e)
			switch {
			case err != nil || !out.affected:
			case out.end.Fixed == "":
				return "", time.Time{}
			case next.Fixed == "" || worse(compare, out.end, next):
				next, since = out.end, out.since
			}
		}
		if next.Fixed == "" {
			return fixed, since
		}
		l.version, fixed = next.Fixed, next.Fixed
	}
	return "", time.Time{}
}
