package match

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/distro"
	"assay/service/index"
	"assay/service/version"
)

// A Trace is how every package of an inventory was evaluated, and every affected entry
// that was looked up for it.
type Trace struct {
	// Packages are those of the inventory, in its order.
	Packages []TracedPackage

	entries map[*evaluation][]*TracedEntry
}

// A TracedPackage is one package of the inventory.
type TracedPackage struct {
	// NotEvaluated is why the package was not evaluated, or empty.
	NotEvaluated string
	// Owner is the package of the system that is evaluated in its place, or empty.
	Owner string
	// Lookups are the keys that it was looked up by, even if its owner answers for it.
	Lookups []index.Key
	// Entries are what the lookups found. Packages that are evaluated alike share them.
	Entries []*TracedEntry
	// Matches are those of the package.
	Matches []*Match
}

// The verdicts on an entry.
const (
	EntryAffects       = "affects"
	EntryNotAffected   = "not-affected"   // the version is in none of the ranges
	EntryOtherBuild    = "other-build"    // the entry is about another build of the package
	EntryOtherArch     = "other-arch"     // the entry is about another architecture
	EntryNotComparable = "not-comparable" // a version in the entry cannot be compared
)

// A TracedEntry is an affected entry and the verdict on it for a package.
type TracedEntry struct {
	index.Key
	Entry   index.Affected
	Verdict string
	// Why is for people: how the versions compare, or why the entry does not apply.
	Why string
	// Overruled says, by the id of a vulnerability, why the entry does not count for it
	// although it affects the package or cannot be compared.
	Overruled map[string]string

	candidate *candidate
}

// InventoryTraced is Inventory with a Trace.
func InventoryTraced(inv inventory.Inventory, ix Index, today time.Time) (Result, *Trace, error) {
	t := &Trace{Packages: make([]TracedPackage, len(inv.Packages)), entries: make(map[*evaluation][]*TracedEntry)}
	res, err := evaluate(inv, ix, nil, today, t)
	return res, t, err
}

// The methods of a nil Trace do nothing.

// notEvaluated records why package i is not evaluated.
func (t *Trace) notEvaluated(i int, reason string) {
	if t != nil {
		t.Packages[i].NotEvaluated = reason
	}
}

// answered records that the distribution answers for package i, which is not looked up
// because its ecosystem has no records.
func (t *Trace) answered(i int, p inventory.Package) {
	if t != nil {
		t.Packages[i].Owner = p.Owner.Package
	}
}

// evaluated records how package i was evaluated.
func (t *Trace) evaluated(i int, p inventory.Package, l lookup, e *evaluation) {
	if t == nil {
		return
	}
	to := &t.Packages[i]
	for _, ecosystem := range l.rules.ecosystems {
		for _, name := range l.names() {
			to.Lookups = append(to.Lookups, index.KeyOf(ecosystem.Name, name))
		}
	}
	if e.badVersion != "" {
		to.NotEvaluated = e.badVersion
		return
	}
	if l.alone {
		to.Owner = p.Owner.Package
	}
	to.Entries, to.Matches = t.entries[e], e.matches
}

// entry records an entry that was found for an evaluation. c is nil if the entry was not
// compared.
func (t *Trace) entry(e *evaluation, key index.Key, entry index.Affected, verdict, why string, c *candidate) {
	if t != nil {
		t.entries[e] = append(t.entries[e], &TracedEntry{Key: key, Entry: entry, Verdict: verdict, Why: why, candidate: c})
	}
}

// join adds the entries of another evaluation to those of e.
func (t *Trace) join(e, other *evaluation) {
	if t != nil && e != other {
		t.entries[e] = append(t.entries[e], t.entries[other]...)
	}
}

// compared records a candidate that was compared with the version of a package.
func (t *Trace) compared(e *evaluation, compare version.Compare, key index.Key, c *candidate, err error) {
	if t == nil {
		return
	}
	switch {
	case err != nil:
		t.entry(e, key, c.entry, EntryNotComparable, err.Error(), c)
	case c.affected:
		t.entry(e, key, c.entry, EntryAffects, why([]*candidate{c}), c)
	case c.entry.Status == advisory.StatusNotAffected:
		t.entry(e, key, c.entry, EntryNotAffected, "the entry says that the package is not affected", c)
	default:
		t.entry(e, key, c.entry, EntryNotAffected, relations(compare, c.at.public(c.entry), c.entry), c)
	}
}

// nearest records those entries of an advisory that are not among the nearest to the
// installed build.
func (t *Trace) nearest(e *evaluation, key index.Key, all, nearest []index.Affected) {
	if t == nil || len(nearest) == len(all) {
		return
	}
	for i := range all {
		if !slices.ContainsFunc(nearest, func(entry index.Affected) bool { return sameEntry(entry, all[i]) }) {
			t.entry(e, key, all[i], EntryOtherBuild, "another entry of "+shown(all[i].Advisory)+" is closer to the installed build", nil)
		}
	}
}

// otherArch records an entry about other architectures.
func (t *Trace) otherArch(e *evaluation, key index.Key, entry index.Affected, arch string) {
	if t != nil {
		t.entry(e, key, entry, EntryOtherArch, "the entry is about "+shown(strings.Join(entry.Arches, ", "))+" only, the image is of "+shown(arch), nil)
	}
}

// Is reports whether the traced entry is the given one.
func (e *TracedEntry) Is(key index.Key, entry index.Affected) bool {
	return e.Key == key && sameEntry(e.Entry, entry)
}

// sameEntry compares what distinguishes the entries of an advisory. The matcher may
// have added one listed version at the end, in the package's spelling.
func sameEntry(a, b index.Affected) bool {
	n := min(len(a.Versions), len(b.Versions))
	return a.Advisory == b.Advisory && a.Source == b.Source && a.Status == b.Status && len(a.Versions)-n <= 1 && len(b.Versions)-n <= 1 &&
		slices.Equal(a.Versions[:n], b.Versions[:n]) && slices.Equal(a.Arches, b.Arches) && slices.Equal(a.Modules, b.Modules) &&
		slices.EqualFunc(a.Ranges, b.Ranges, func(a, b index.Range) bool { return a.Type == b.Type && slices.Equal(a.Events, b.Events) })
}

// matching returns the matching candidates of a group before any of them is dropped.
func (t *Trace) matching(g *group) []*candidate {
	if t == nil {
		return nil
	}
	return slices.Clone(g.matching)
}

// decided records which of the candidates before were dropped from a group.
func (t *Trace) decided(e *evaluation, l lookup, g *group, before []*candidate, found candidates) {
	if t == nil {
		return
	}
	for _, c := range before {
		if slices.Contains(g.matching, c) {
			continue
		}
		t.overrule(e, c, g.id, overruledBy(c, l.version, g, found))
	}
}

// overrule records why a candidate does not count for the vulnerability id.
func (t *Trace) overrule(e *evaluation, c *candidate, id, why string) {
	if t == nil {
		return
	}
	for _, entry := range t.entries[e] {
		if entry.candidate != c {
			continue
		}
		if entry.Overruled == nil {
			entry.Overruled = make(map[string]string)
		}
		entry.Overruled[id] = why
	}
}

// overruledBy says why a candidate that affects a package does not count.
func overruledBy(c *candidate, installed string, g *group, found candidates) string {
	if g.decidedBy.replaces(c) {
		return g.decidedBy.precedence()
	}
	for _, name := range g.names {
		for _, o := range found.byName[name] {
			switch {
			case o.entry.Source != c.entry.Source || o.failed || distro.Erratum(o.entry.Advisory) != nil:
			case o.ecosystem.Rank < c.ecosystem.Rank:
				return fmt.Sprintf("%s for %s takes precedence", shown(o.entry.Advisory), shown(o.ecosystem.Name))
			case o.ecosystem.Rank == c.ecosystem.Rank && !o.affected:
				return shown(o.entry.Advisory) + " says that the package is not affected"
			}
		}
	}
	if found.overridden(c) {
		return "the overrides for NVD take precedence"
	}
	if coarse(c, installed) {
		return "another record has the fix of the installed branch"
	}
	return "another entry takes precedence"
}

// relations compares a version with those of an entry that does not affect it:
// "1.2 > fixed 1.1".
func relations(compare version.Compare, installed string, e index.Affected) string {
	var parts []string
	for _, r := range e.Ranges {
		for _, ev := range r.Events {
			word, bound := boundOf(ev)
			if bound == "*" || ev.Introduced == "0" {
				continue
			}
			c, err := compare(installed, bound)
			if err != nil {
				continue
			}
			parts = append(parts, [...]string{"<", "=", ">"}[cmp.Compare(c, 0)+1]+" "+word+" "+shown(bound))
		}
	}
	if len(parts) == 0 {
		return shown(installed) + " is not among the listed versions"
	}
	return shown(installed) + " " + strings.Join(parts, ", ")
}

// boundOf returns the word for an event and its version.
func boundOf(e advisory.Event) (word, version string) {
	switch {
	case e.Introduced != "":
		return "introduced", e.Introduced
	case e.Fixed != "":
		return "fixed", e.Fixed
	case e.LastAffected != "":
		return "last affected", e.LastAffected
	}
	return "limit", e.Limit
}
