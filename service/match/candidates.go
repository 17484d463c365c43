package match

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"time"

	"assay/service/advisory"
	"assay/service/distro"
	"assay/service/index"
	"assay/service/version"
)

// A candidate is an affected entry about a package that is looked up, and whether the
// package's version is affected by it.
type candidate struct {
	ecosystem *distro.Ecosystem
	name      string  // under which it was found
	at        *lookup // with the version that it is compared with
	entry     index.Affected
	outcome
	failed bool // it could not be evaluated
}

// candidates are all entries about a package, whether they affect it or not, by
// ecosystem and then by advisory.
type candidates struct {
	all []*candidate
	// byName finds them by the id of the advisory and by the CVE in it. The method index
	// makes it.
	byName map[string][]*candidate
}

// index makes byName.
func (f *candidates) index() {
	f.byName = make(map[string][]*candidate, 2*len(f.all))
	slab := make([]*candidate, 0, 2*len(f.all)) // most names have one entry
	add := func(name string, c *candidate) {
		if before := f.byName[name]; before != nil {
			f.byName[name] = append(before, c)
			return
		}
		slab = append(slab, c)
		f.byName[name] = slab[len(slab)-1 : len(slab) : len(slab)]
	}
	for _, c := range f.all {
		add(c.entry.Advisory, c)
		if cve := advisory.CVEIn(c.entry.Advisory); cve != "" && cve != c.entry.Advisory {
			add(cve, c)
		}
	}
}

// candidates looks a package up and evaluates the entries that are found. Those that
// cannot be evaluated are added to the gaps of e.
func (m *matcher) candidates(l lookup, e *evaluation) (candidates, error) {
	var found candidates
	views := l.views()
	for i := range l.rules.ecosystems {
		ecosystem := &l.rules.ecosystems[i]
		begin := len(found.all)
		var own []*candidate
		for j := range views {
			if err := m.addCandidates(&found, &views[j], ecosystem, own, e); err != nil {
				return candidates{}, err
			}
			if l.rules.names == distro.ByBinary {
				own = found.all[begin:]
			}
		}
	}
	return found, nil
}

// addCandidates evaluates the entries of an ecosystem under one name. Those of records that
// have an entry among own, which are sorted, are left out: that one is about the binary
// package, and they are about its source package.
func (m *matcher) addCandidates(found *candidates, v *view, ecosystem *distro.Ecosystem, own []*candidate, e *evaluation) error {
	key := index.KeyOf(ecosystem.Name, v.key)
	entries, err := m.ix.Affected(key.Ecosystem, key.Name)
	if err != nil {
		return err
	}
	if v.from != nil {
		entries = slices.DeleteFunc(slices.Clone(entries), func(entry index.Affected) bool { return !v.from(entry.Source) })
	}
	compare := v.comparer()
	found.all = slices.Grow(found.all, len(entries))
	list := make([]candidate, 0, len(entries))
	for entry := range m.relevant(v.lookup, compare, key, entries, e) {
		if hasEntry(own, entry) {
			m.trace.entry(e, key, entry, EntryOtherBuild, "the record has an entry of the binary package", nil)
			continue
		}
		if applies, err := m.applies(v.rules.distribution, ecosystem, entry); err != nil {
			return err
		} else if !applies {
			m.trace.entry(e, key, entry, EntryOtherBuild, "the entry is about a later minor release than that of the image", nil)
			continue
		}
		out, err := evaluateEntry(compare, v.public(entry), entry)
		if err != nil {
			e.addGap(v.lookup, ecosystem.Name, gapPrefix(entry.Advisory, v.key)+err.Error())
		}
		list = append(list, candidate{ecosystem, v.key, &v.lookup, entry, out, err != nil})
		c := &list[len(list)-1]
		found.all = append(found.all, c)
		m.trace.compared(e, compare, key, c, err)
	}
	return nil
}

// hasEntry reports whether the record of an entry has one among candidates, which are
// sorted.
func hasEntry(sorted []*candidate, entry index.Affected) bool {
	_, ok := slices.BinarySearchFunc(sorted, entry, func(c *candidate, e index.Affected) int {
		return cmp.Or(strings.Compare(c.entry.Advisory, e.Advisory), strings.Compare(c.entry.Source, e.Source))
	})
	return ok
}

// gapPrefix begins the reason for which an entry about a package could not be evaluated.
func gapPrefix(advisory, name string) string { return shown(advisory) + " of " + shown(name) + ": " }

// addGap adds an entry that could not be evaluated.
func (e *evaluation) addGap(l lookup, ecosystem, reason string) {
	// Each string of a scan keeps the whole document in memory, so they are cloned.
	gap := NotEvaluated{Ecosystem: strings.Clone(ecosystem), Type: strings.Clone(l.rules.typ), Cause: CauseVersion, Reason: reason}
	if !slices.Contains(e.gaps, gap) {
		e.gaps = append(e.gaps, gap)
	}
}

// applies reports whether an entry of an ecosystem of a distribution applies to the release.
// Those of the distribution's own source do, if its records have all products: what they leave
// to extended support, they say there.
func (m *matcher) applies(d *distro.Distribution, ecosystem *distro.Ecosystem, entry index.Affected) (bool, error) {
	if ecosystem.Applies == nil || d.OwnUnfixed && entry.Source == d.Publisher {
		return true, nil
	}
	rec, err := m.records.of(entry)
	if err != nil {
		return false, err
	}
	var published time.Time
	if rec != nil {
		published = rec.Published
	}
	for _, r := range entry.Ranges {
		if fix := r.LastFix(); fix != "" && !ecosystem.Applies(fix, published) {
			return false, nil
		}
	}
	return true, nil
}

// relevant yields those entries of a package that are about its architecture and, for
// an rpm package, its build. The trace records the others.
func (m *matcher) relevant(l lookup, compare version.Compare, key index.Key, entries []index.Affected, e *evaluation) iter.Seq[index.Affected] {
	return func(yield func(index.Affected) bool) {
		for len(entries) > 0 {
			n := 1
			for n < len(entries) && entries[n].Advisory == entries[0].Advisory && entries[n].Source == entries[0].Source {
				n++
			}
			own := m.ownArch(key, entries[:n], e)
			entries = entries[n:]
			if l.rules.typ == distro.RPM {
				own = m.ownBuild(l, compare, key, own, e)
			}
			for _, entry := range own {
				if l.rules.spellings && len(entry.Ranges) == 0 {
					entry.Versions = spelled(compare, l.public(entry), entry.Versions)
				}
				if !yield(entry) {
					return
				}
			}
		}
	}
}

// ownArch returns those entries of one advisory that are about the architecture of the
// image. It comes before ownBuild, because the nearest build may be that of another
// architecture. The trace records the others.
func (m *matcher) ownArch(key index.Key, entries []index.Affected, e *evaluation) []index.Affected {
	other := func(entry index.Affected) bool {
		return len(entry.Arches) > 0 && m.arch != "" && !slices.Contains(entry.Arches, m.arch)
	}
	if !slices.ContainsFunc(entries, other) {
		return entries
	}
	return slices.DeleteFunc(slices.Clone(entries), func(entry index.Affected) bool {
		if other(entry) {
			m.trace.otherArch(e, key, entry, m.arch)
			return true
		}
		return false
	})
}

// spelled returns the listed versions. If they contain the installed version in another
// spelling, such as "1.0.0-beta" for 1.0.0b0 of Python, it is added.
func spelled(compare version.Compare, installed string, listed []string) []string {
	if slices.Contains(listed, installed) {
		return listed
	}
	for _, v := range listed {
		if c, err := compare(installed, v); err == nil && c == 0 {
			return append(slices.Clone(listed), installed)
		}
	}
	return listed
}
