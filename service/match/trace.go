package match

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/version"
)

// A Trace is what a run of Match made of every package, and of every affected entry
// that it looked up.
type Trace struct {
	// Packages are those of the inventory, in its order.
	Packages []TracedPackage

	entries map[*judgement][]*TracedEntry
}

// A TracedPackage is one package of the inventory.
type TracedPackage struct {
	// NotEvaluated is why nothing can be said about the package, or empty.
	NotEvaluated string
	// Owner is the package of the system that is evaluated in its place, with the
	// reason, or empty.
	Owner string
	// Lookups are what it is looked up as, also where its owner answers for it.
	Lookups []Lookup
	// Entries are what the lookups found. Packages that are evaluated alike share
	// them.
	Entries []*TracedEntry
	// Findings are those of the package.
	Findings []*Claim
}

// A Lookup is what an Index is asked for.
type Lookup struct{ Ecosystem, Name string }

// The verdicts on an entry.
const (
	EntryAffects        = "affects"
	EntryNotAffected    = "not-affected"     // its version is in none of the ranges
	EntryOtherBuild     = "other-build"      // it is about another build of the package
	EntryOtherArch      = "other-arch"       // it is about another architecture
	EntryNotComparable  = "not-comparable"   // a version of it cannot be compared
	EntryNotLinux       = "not-linux"        // it is about other operating systems
	EntryNothingToMatch = "nothing-to-match" // it has no version that a package has
)

// A TracedEntry is an affected entry and what it says of the package.
type TracedEntry struct {
	Lookup
	Entry   Affected
	Verdict string
	// Why is for people: how the versions compare, or what speaks against the entry.
	Why string
	// Overruled has, by the id of a vulnerability, why the entry does not count for
	// it although it affects the package.
	Overruled map[string]string

	hit *hit
}

// MatchTraced is Match with a Trace, and without the Memo of ix.
func MatchTraced(inv inventory.Inventory, ix Index, today time.Time) (Result, *Trace, error) {
	t := &Trace{Packages: make([]TracedPackage, len(inv.Packages)), entries: make(map[*judgement][]*TracedEntry)}
	res, err := matchWith(inv, ix, today, t)
	return res, t, err
}

// notEvaluated notes why nothing is said about package i.
func (t *Trace) notEvaluated(i int, reason string) {
	if t != nil {
		t.Packages[i].NotEvaluated = reason
	}
}

// answered notes that the distribution answers for package i, and that nothing is held
// to look it up in.
func (t *Trace) answered(i int, p inventory.Package) {
	if t != nil {
		t.Packages[i].Owner = p.Owner.Package
	}
}

// evaluated notes how package i was evaluated.
func (t *Trace) evaluated(i int, p inventory.Package, s subject, j *judgement) {
	if t == nil {
		return
	}
	to := &t.Packages[i]
	for _, ecosystem := range s.scheme.ecosystems {
		for _, name := range s.lookups() {
			to.Lookups = append(to.Lookups, Lookup{ecosystem, NormalName(ecosystem, name)})
		}
	}
	if j.badVersion != "" {
		to.NotEvaluated = j.badVersion
		return
	}
	if s.alone {
		to.Owner = p.Owner.Package
	}
	to.Entries, to.Findings = t.entries[j], j.findings
}

// entry notes an entry of a judgement.
func (t *Trace) entry(j *judgement, l Lookup, e Affected, verdict, why string, h *hit) {
	if t != nil {
		l.Name = NormalName(l.Ecosystem, l.Name)
		t.entries[j] = append(t.entries[j], &TracedEntry{Lookup: l, Entry: e, Verdict: verdict, Why: why, hit: h})
	}
}

// join gives a judgement the entries that were noted for another.
func (t *Trace) join(j, other *judgement) {
	if t != nil && j != other {
		t.entries[j] = append(t.entries[j], t.entries[other]...)
	}
}

// compared notes an entry that was compared with the version of a subject.
func (t *Trace) compared(j *judgement, s subject, compare version.Compare, l Lookup, h *hit, err error) {
	if t == nil {
		return
	}
	switch {
	case err != nil:
		t.entry(j, l, h.entry, EntryNotComparable, err.Error(), h)
	case h.affected:
		t.entry(j, l, h.entry, EntryAffects, why(s, []*hit{h}), h)
	default:
		t.entry(j, l, h.entry, EntryNotAffected, relations(compare, s.public(h.entry), h.entry), h)
	}
}

// nearer notes the entries of an advisory that are about other builds than the one
// whose fix is nearest to the installed version.
func (t *Trace) nearer(j *judgement, l Lookup, all, own []Affected) {
	if t == nil || len(own) == len(all) {
		return
	}
	for i := range all {
		if !slices.ContainsFunc(own, func(e Affected) bool { return sameEntry(e, all[i]) }) {
			t.entry(j, l, all[i], EntryOtherBuild, "another entry of "+shown(all[i].Advisory)+" is closer to the installed build", nil)
		}
	}
}

// otherArch notes an entry about other architectures.
func (t *Trace) otherArch(j *judgement, l Lookup, e Affected, arch string) {
	if t != nil {
		t.entry(j, l, e, EntryOtherArch, "the entry is about "+shown(strings.Join(e.Arches, ", "))+" only, the image is of "+shown(arch), nil)
	}
}

// otherBuild says why an entry is not about the build that a package is.
func (s subject) otherBuild(e Affected) string {
	if len(e.Modules) > 0 && s.stream != "" && !slices.Contains(e.Modules, s.stream) {
		return "the entry is about the module stream " + shown(strings.Join(e.Modules, ", ")) + ", the package is of " + shown(s.stream)
	}
	if s.unlabelled() {
		return "the package is a module build whose stream is unknown"
	}
	return "the entry is about another build of the package"
}

// Is reports whether the traced entry is the given one.
func (e *TracedEntry) Is(l Lookup, entry Affected) bool {
	return e.Lookup == l && sameEntry(e.Entry, entry)
}

// sameEntry compares what tells the entries of an advisory apart. Of listed versions
// the matcher may have added one at the end, in the package's spelling.
func sameEntry(a, b Affected) bool {
	n := min(len(a.Versions), len(b.Versions))
	return a.Advisory == b.Advisory && a.Source == b.Source && len(a.Versions)-n <= 1 && len(b.Versions)-n <= 1 &&
		slices.Equal(a.Versions[:n], b.Versions[:n]) && slices.Equal(a.Arches, b.Arches) && slices.Equal(a.Modules, b.Modules) &&
		slices.EqualFunc(a.Ranges, b.Ranges, func(a, b Range) bool { return a.Type == b.Type && slices.Equal(a.Events, b.Events) })
}

// hits returns those of a group before any of them is left out.
func (t *Trace) hits(g *group) []*hit {
	if t == nil {
		return nil
	}
	return slices.Clone(g.hits)
}

// decided notes which hits of a group do not count, of those before.
func (t *Trace) decided(j *judgement, g *group, before []*hit, said sayings) {
	if t == nil {
		return
	}
	for _, h := range before {
		if slices.Contains(g.hits, h) {
			continue
		}
		for _, e := range t.entries[j] {
			if e.hit != h {
				continue
			}
			if e.Overruled == nil {
				e.Overruled = make(map[string]string)
			}
			e.Overruled[g.id] = overruledBy(h, g, said)
		}
	}
}

// overruledBy says why an entry that affects a package does not count.
func overruledBy(h *hit, g *group, said sayings) string {
	for _, name := range g.names {
		for _, o := range said.byName[name] {
			switch {
			case o.entry.Source != h.entry.Source || o.failed || bulletin(o.entry.Advisory) != "":
			case o.rank < h.rank:
				return fmt.Sprintf("%s for %s takes precedence", shown(o.entry.Advisory), shown(o.ecosystem))
			case o.rank == h.rank && !o.affected:
				return shown(o.entry.Advisory) + " says that the package is not affected"
			}
		}
	}
	return "another entry takes precedence"
}

// relations says how a version stands to those of an entry that does not affect it:
// "1.2 > fixed 1.1".
func relations(compare version.Compare, installed string, e Affected) string {
	var parts []string
	for _, r := range e.Ranges {
		for _, ev := range r.Events {
			word, bound := "limit", ev.Limit
			switch {
			case ev.Introduced != "":
				word, bound = "introduced", ev.Introduced
			case ev.Fixed != "":
				word, bound = "fixed", ev.Fixed
			case ev.LastAffected != "":
				word, bound = "last affected", ev.LastAffected
			}
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

// LeftOut says why no Index has an affected entry of a record, as one of the
// verdicts and for people; ok is false where one has it.
func LeftOut(af advisory.Affected) (verdict, why string, ok bool) {
	specific := readSpecific(af)
	if _, linux := specific.platforms(); !linux {
		systems := slices.Clone(specific.Affects.OS)
		for _, im := range specific.Imports {
			systems = append(systems, im.GOOS...)
		}
		slices.Sort(systems)
		systems = slices.Compact(systems)
		for i := range systems {
			systems[i] = shown(systems[i])
		}
		return EntryNotLinux, "the entry is about " + strings.Join(systems, ", ") + " only", true
	}
	if len(Entries(advisory.Advisory{Affected: []advisory.Affected{af}}, nil)) == 0 {
		return EntryNothingToMatch, "the entry has no versions to compare with", true
	}
	return "", "", false
}
