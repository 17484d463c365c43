package match

import (
	"maps"
	"slices"
	"strings"

	"assay/service/advisory"
	"assay/service/distro"
	"assay/service/index"
)

// Bounds on what is followed from one record. Genuine records stay far below them. At a
// bound the search ends with what it has found.
const (
	maxNames     = 64   // aliases of one vulnerability
	maxReferrers = 1000 // records that refer to one name
	maxUpstream  = 2000 // names upstream of one record, directly or not
)

// A vulnerability is one vulnerability with all its names.
type vulnerability struct {
	// id is the CVE among the names if there is one, else the smallest name. There is at
	// most one CVE.
	id string
	// names are id and its aliases, sorted.
	names []string
	// via are the names that lead from the advisory to the vulnerability, beginning with
	// the advisory's own: USN-1-1 and UBUNTU-CVE-2024-1 for CVE-2024-1. None of them is in
	// names.
	via []string
}

// called reports whether name is one of the vulnerability's names, or the id of a
// distribution's record of one of them ("DEBIAN-CVE-2024-1").
func (v vulnerability) called(name string) bool {
	return slices.Contains(v.names, name) || slices.Contains(v.names, advisory.CVEIn(name))
}

// records looks up the records of an index, each once, and follows the names in them.
type records struct {
	ix Index
	*recordCache
}

// get returns the records of an id, one of each source that has one, or nil.
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

// of returns the record that an entry is from, or nil.
func (r records) of(entry index.Affected) (*index.Vulnerability, error) {
	vs, err := r.get(entry.Advisory)
	for _, v := range vs {
		if v.Source == entry.Source {
			return v, nil
		}
	}
	return nil, err
}

// referrers returns the records of the ids that name id as an alias or as upstream. They
// include records of other sources under these ids, which may not name it.
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

// vulnerabilities returns the vulnerabilities that an advisory is about, sorted by id.
//
//   - A record with a CVE among its aliases, or theirs, is that vulnerability. With
//     several CVEs it is about each of them. Aliases are symmetric and transitive, but
//     never join two CVEs. The aliases of an erratum count as upstream: before the field
//     upstream existed, Debian and Ubuntu listed the CVEs of an erratum as aliases.
//   - Otherwise it is about what its upstream is about, directly or not: USN-1-1 →
//     UBUNTU-CVE-2024-1 → CVE-2024-1. An erratum that names several CVEs is about each. A
//     record with an id that ends in a CVE has that CVE as upstream, even if it does not
//     name it.
//   - The errata of AlmaLinux and Rocky Linux name their CVEs only as related. For them
//     alone, related CVEs count as upstream.
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

// appendSelves appends the vulnerabilities that a record is by its aliases: one for each
// CVE that it names, or if it and its aliases name none, one for its names.
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

// lone reports whether a record has no aliases and is not an alias of another. Most of
// Debian's records are.
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

// cves returns the CVEs that a record without a CVE as its id is about: those that it
// names itself, else those that its nearest aliases name. A record that names it as an
// alias counts only if that record names no other CVE.
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

// aliases returns the names of the vulnerability cve by its record id, sorted. id is
// among them. If cve is empty, no name of the record is a CVE and all names are returned.
//
// The result has no names of other CVEs: a record that names other CVEs and not cve is
// another vulnerability, even if it is called an alias. A record that names several CVEs
// is one of the names, but its own aliases are not followed.
func (r records) aliases(id, cve string) ([]string, error) {
	names := []string{id}
	if cve != "" && cve != id {
		names = append(names, cve)
	}
	for i := 0; i < len(names); i++ {
		equal, err := r.neighbours(names[i], cve)
		if err != nil {
			return nil, err
		}
		for _, n := range equal {
			if n == "" || len(names) >= maxNames || advisory.IsCVE(n) || slices.Contains(names, n) {
				continue
			}
			if other, err := r.isOther(n, cve); err != nil {
				return nil, err
			} else if !other {
				names = append(names, n)
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

// neighbours returns the aliases in the records called name, except for records that
// name other CVEs than cve, and the ids of the records that have name as an alias.
func (r records) neighbours(name, cve string) ([]string, error) {
	vs, err := r.get(name)
	if err != nil {
		return nil, err
	}
	refs, err := r.referrers(name)
	if err != nil {
		return nil, err
	}
	var equal []string
	for _, v := range vs {
		if _, others := namesCVE(v, cve); !others {
			equal = append(equal, equals(v)...)
		}
	}
	for _, ref := range refs {
		if slices.Contains(equals(ref), name) {
			equal = append(equal, ref.ID)
		}
	}
	return equal, nil
}

// isOther reports whether the records called name are about other CVEs than cve.
func (r records) isOther(name, cve string) (bool, error) {
	vs, err := r.get(name)
	own, others := false, false
	for _, v := range vs {
		is, other := namesCVE(v, cve)
		own, others = own || is, others || other
	}
	return others && !own, err
}

// upstream returns the upstream names of the records called names, sorted, without names
// themselves.
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
	// Julia's records list the ids of other databases next to the CVE. Only a record with
	// such an id could say that it is another vulnerability.
	var distinct []string
	for _, u := range up {
		if strings.HasPrefix(u, "GHSA-") || strings.HasPrefix(u, "EUVD-") {
			if vs, err := r.get(u); err != nil {
				return nil, err
			} else if len(vs) == 0 {
				continue
			}
		}
		distinct = append(distinct, u)
	}
	return distinct, nil
}

// equals returns the aliases that are other names of the record's vulnerability. An
// erratum has none.
func equals(v *index.Vulnerability) []string {
	if distro.Erratum(v.ID) != nil {
		return nil
	}
	return v.Aliases
}

// namesCVE reports whether a record says that it is cve, and whether it says that it is
// other CVEs.
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

// cvesOf returns the CVEs that a record says that it is, sorted: its own id, or those
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

// smallest returns the smallest CVE of names, or if there is none the smallest name.
func smallest(names []string) string {
	return slices.MinFunc(names, advisory.CompareIDs)
}
