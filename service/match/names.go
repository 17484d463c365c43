package match

import (
	"maps"
	"slices"
	"strings"

	"assay/service/advisory"
	"assay/service/distro"
	"assay/service/index"
)

// Bounds on what is followed from one record. Real records stay far below them;
// beyond a bound the walk ends, and what was found stands.
const (
	maxNames     = 64   // aliases of one vulnerability
	maxReferrers = 1000 // records that refer to one name
	maxUpstream  = 2000 // names upstream of one record, theirs included
)

// A vulnerability is one weakness under all its names.
type vulnerability struct {
	// id is the CVE among the names, of which there is one at the most, else the
	// smallest name.
	id string
	// names are id and its aliases, sorted.
	names []string
	// via are the names that lead from the advisory to the vulnerability, the
	// advisory's own first, none of them in names: USN-1-1 and UBUNTU-CVE-2024-1
	// for CVE-2024-1.
	via []string
}

// called reports whether name is one of the vulnerability's, or a
// distribution's record of one of them: "DEBIAN-CVE-2024-1".
func (v vulnerability) called(name string) bool {
	return slices.Contains(v.names, name) || slices.Contains(v.names, advisory.CVEIn(name))
}

// records looks up the records of an index and follows their names, each once.
type records struct {
	ix Index
	*recordCache
}

// get returns the records of an id, one of each source that has one; nil where the
// index has none.
func (r records) get(id string) ([]*index.Vulnerability, error) {
	if vs, ok := find(r.recordCache, r.byID, id); ok {
		return vs, nil
	}
	list, err := r.ix.Vulnerabilities(id)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return keep(r.recordCache, r.byID, id, nil, 0), nil
	}
	vs := make([]*index.Vulnerability, len(list))
	for i := range list {
		vs[i] = &list[i]
	}
	return keep(r.recordCache, r.byID, id, vs, recordBytes*len(vs)), nil
}

// of returns the record that an entry is from, nil where the index has none.
func (r records) of(entry index.Affected) (*index.Vulnerability, error) {
	vs, err := r.get(entry.Advisory)
	for _, v := range vs {
		if v.Source == entry.Source {
			return v, nil
		}
	}
	return nil, err
}

// referrers returns the records of the ids that name id among their aliases or as
// their upstream. Those of other sources are among them, which may not name it.
func (r records) referrers(id string) ([]*index.Vulnerability, error) {
	if found, ok := find(r.recordCache, r.refs, id); ok {
		return found, nil
	}
	ids, err := r.ix.Referrers(id)
	if err != nil {
		return nil, err
	}
	var found []*index.Vulnerability
	for _, id := range ids[:min(len(ids), maxReferrers)] {
		vs, err := r.get(id)
		if err != nil {
			return nil, err
		}
		found = append(found, vs...)
	}
	return keep(r.recordCache, r.refs, id, found, 8*len(found)), nil
}

// vulnerabilities returns what an advisory is about, sorted by id.
//
//   - A record with a CVE among its aliases, or theirs, is that vulnerability;
//     with several CVEs it is each of them. Aliases are symmetric and
//     transitive, but never make one of two CVEs. Those of a distribution's
//     bulletin are taken as upstream: before they had that field, Debian and
//     Ubuntu listed the CVEs of a bulletin as aliases.
//   - Otherwise it is about what its upstream is about, and theirs: USN-1-1 →
//     UBUNTU-CVE-2024-1 → CVE-2024-1. An advisory that names several gives
//     several. A record whose id ends in a CVE has that upstream even where it
//     does not say so.
//   - AlmaLinux and Rocky name the CVEs of an advisory as related, and nowhere
//     else; for them, and only for them, that counts as upstream.
//   - A record with none of these is a vulnerability of its own.
func (r records) vulnerabilities(id string) ([]vulnerability, error) {
	if vs, ok := find(r.recordCache, r.about, id); ok {
		return vs, nil
	}
	todo, err := r.appendSelves(nil, id, nil)
	if err != nil {
		return nil, err
	}
	self := todo[0]
	found := make(map[string]vulnerability)
	seen := map[string]bool{}
	for ; len(todo) > 0; todo = todo[1:] {
		v := todo[0]
		for _, n := range v.names {
			seen[n] = true
		}
		var up []string
		if !advisory.IsCVE(v.id) {
			if up, err = r.upstream(v.names); err != nil {
				return nil, err
			}
		}
		if len(up) == 0 {
			if _, ok := found[v.id]; !ok {
				found[v.id] = v
			}
			continue
		}
		via := slices.Concat(v.via, v.names)
		for _, u := range up {
			if seen[u] || len(seen) > maxUpstream {
				continue
			}
			seen[u] = true
			if todo, err = r.appendSelves(todo, u, via); err != nil {
				return nil, err
			}
		}
	}
	if len(found) == 0 { // records that are upstream of each other
		found[self.id] = self
	}
	all := slices.SortedFunc(maps.Values(found), func(a, b vulnerability) int {
		return advisory.CompareIDs(a.id, b.id)
	})
	return keep(r.recordCache, r.about, id, all, vulnerabilityBytes*len(all)), nil
}

// appendSelves appends what a record is by its aliases: the vulnerability of each CVE
// that it names, or if it and its aliases name none, the one of its names.
func (r records) appendSelves(all []vulnerability, id string, via []string) ([]vulnerability, error) {
	var cves []string
	if !advisory.IsCVE(id) {
		var err error
		if cves, err = r.cves(id); err != nil {
			return nil, err
		}
	}
	if len(cves) == 0 {
		cve := ""
		if advisory.IsCVE(id) {
			cve = id
		}
		names, err := r.aliases(id, cve)
		if err != nil {
			return nil, err
		}
		return append(all, vulnerability{id: smallest(names), names: names, via: via}), nil
	}
	for _, cve := range cves {
		names, err := r.aliases(id, cve)
		if err != nil {
			return nil, err
		}
		all = append(all, vulnerability{id: cve, names: names, via: via})
	}
	return all, nil
}

// lone reports whether a record has no aliases and is not an alias of another, as
// most of Debian's.
func (r records) lone(id string) (bool, error) {
	vs, err := r.get(id)
	if err != nil {
		return false, err
	}
	for _, v := range vs {
		if len(equals(v)) > 0 {
			return false, nil
		}
	}
	refs, err := r.referrers(id)
	return len(refs) == 0, err
}

// cves returns the CVEs that a record which is no CVE's own is about: those that it names itself, else
// those that its aliases name, the nearest alone. What refers to one of them tells
// which it is only if it names no other CVE beside.
func (r records) cves(id string) ([]string, error) {
	if lone, err := r.lone(id); err != nil || lone {
		return nil, err
	}
	seen := []string{id}
	var cves []string
	for level := seen; len(level) > 0 && len(seen) < maxNames; {
		var next []string
		reach := func(names []string) {
			for _, n := range names {
				if !advisory.IsCVE(n) && !slices.Contains(seen, n) {
					seen = append(seen, n)
					next = append(next, n)
				}
			}
		}
		for _, n := range level {
			vs, err := r.get(n)
			if err != nil {
				return nil, err
			}
			for _, v := range vs {
				cves = append(cves, cvesOf(v)...)
				reach(equals(v))
			}
		}
		if len(cves) > 0 {
			slices.SortFunc(cves, advisory.CompareIDs)
			return slices.Compact(cves), nil
		}
		for _, n := range level {
			refs, err := r.referrers(n)
			if err != nil {
				return nil, err
			}
			for _, ref := range refs {
				if !slices.Contains(equals(ref), n) {
					continue
				}
				switch named := cvesOf(ref); len(named) {
				case 0:
					reach([]string{ref.ID})
				case 1:
					cves = append(cves, named...)
				}
			}
		}
		if len(cves) > 0 {
			slices.SortFunc(cves, advisory.CompareIDs)
			return slices.Compact(cves), nil
		}
		level = next
	}
	return nil, nil
}

// aliases returns the names of the vulnerability that the record id is as cve,
// sorted, id among them; or all its names where cve is empty and none of them
// names a CVE. It leads to no other CVE: a record that names others and not this
// one is another vulnerability, whoever calls it an alias, and one that names
// several is one of the names but leads no further.
func (r records) aliases(id, cve string) ([]string, error) {
	names := []string{id}
	if cve != "" && cve != id {
		names = append(names, cve)
	}
	add := func(n string) error {
		if n == "" || len(names) >= maxNames || advisory.IsCVE(n) || slices.Contains(names, n) {
			return nil
		}
		vs, err := r.get(n)
		if err != nil {
			return err
		}
		own, others := false, false
		for _, v := range vs {
			is, other := namesCVE(v, cve)
			own, others = own || is, others || other
		}
		if others && !own {
			return nil
		}
		names = append(names, n)
		return nil
	}
	for i := 0; i < len(names); i++ {
		vs, err := r.get(names[i])
		if err != nil {
			return nil, err
		}
		for _, v := range vs {
			if _, others := namesCVE(v, cve); others {
				continue
			}
			for _, a := range equals(v) {
				if err := add(a); err != nil {
					return nil, err
				}
			}
		}
		refs, err := r.referrers(names[i])
		if err != nil {
			return nil, err
		}
		for _, ref := range refs {
			if slices.Contains(equals(ref), names[i]) {
				if err := add(ref.ID); err != nil {
					return nil, err
				}
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

// upstream returns what the records called names have upstream, sorted, and
// none of the names themselves.
func (r records) upstream(names []string) ([]string, error) {
	var up []string
	for _, n := range names {
		up = append(up, advisory.CVEIn(n))
		vs, err := r.get(n)
		if err != nil {
			return nil, err
		}
		erratum := distro.Erratum(n)
		for _, v := range vs {
			up = append(up, v.Upstream...)
			if erratum != nil {
				up = append(up, v.Aliases...)
			}
			if erratum != nil && erratum.RelatedCVEs {
				for _, rel := range v.Related {
					up = append(up, advisory.CVEIn(rel))
				}
			}
		}
	}
	slices.Sort(up)
	up = slices.DeleteFunc(slices.Compact(up), func(u string) bool {
		return u == "" || slices.Contains(names, u)
	})
	if !slices.ContainsFunc(up, advisory.IsCVE) {
		return up, nil
	}
	// Julia's records list the names that others have for the CVE beside it. A
	// record of such a name would tell what it is; without one it is that.
	var told []string
	for _, u := range up {
		if strings.HasPrefix(u, "GHSA-") || strings.HasPrefix(u, "EUVD-") {
			if vs, err := r.get(u); err != nil {
				return nil, err
			} else if len(vs) == 0 {
				continue
			}
		}
		told = append(told, u)
	}
	return told, nil
}

// equals returns the aliases that are the record's vulnerability by other names.
func equals(v *index.Vulnerability) []string {
	if distro.Erratum(v.ID) != nil {
		return nil
	}
	return v.Aliases
}

// namesCVE reports whether the record says to be a CVE, and whether it says to be
// others.
func namesCVE(v *index.Vulnerability, cve string) (own, others bool) {
	if advisory.IsCVE(v.ID) {
		return v.ID == cve, v.ID != cve
	}
	for _, a := range equals(v) {
		if advisory.IsCVE(a) {
			own, others = own || a == cve, others || a != cve
		}
	}
	return own, others
}

// cvesOf returns the CVEs that the record says to be, sorted: its own id, or those
// among its aliases.
func cvesOf(v *index.Vulnerability) []string {
	if advisory.IsCVE(v.ID) {
		return []string{v.ID}
	}
	var cves []string
	for _, a := range equals(v) {
		if advisory.IsCVE(a) {
			cves = append(cves, a)
		}
	}
	if len(cves) > 1 {
		slices.SortFunc(cves, advisory.CompareIDs)
		cves = slices.Compact(cves)
	}
	return cves
}

// smallest returns the smallest CVE of names, else the smallest name.
func smallest(names []string) string {
	return slices.MinFunc(names, advisory.CompareIDs)
}
