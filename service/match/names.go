package match

import (
	"cmp"
	"maps"
	"slices"
	"strings"
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
	// id is the smallest CVE among the names, else the smallest name.
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
	return slices.Contains(v.names, name) || slices.Contains(v.names, cveIn(name))
}

// records looks up the records of an index and follows their names, each once.
type records struct {
	ix Index
	*lookedUp
}

// get returns a record, nil where the index has none of that id.
func (r records) get(id string) (*Vulnerability, error) {
	if v, ok := find(r.lookedUp, r.byID, id); ok {
		return v, nil
	}
	v, ok, err := r.ix.Vulnerability(id)
	if err != nil {
		return nil, err
	}
	if !ok {
		return keep(r.lookedUp, r.byID, id, nil, 0), nil
	}
	return keep(r.lookedUp, r.byID, id, &v, recordBytes), nil
}

// referrers returns the records that name id among their aliases or as their
// upstream.
func (r records) referrers(id string) ([]*Vulnerability, error) {
	if found, ok := find(r.lookedUp, r.refs, id); ok {
		return found, nil
	}
	ids, err := r.ix.Referrers(id)
	if err != nil {
		return nil, err
	}
	var found []*Vulnerability
	for _, id := range ids[:min(len(ids), maxReferrers)] {
		v, err := r.get(id)
		if err != nil {
			return nil, err
		}
		if v != nil {
			found = append(found, v)
		}
	}
	return keep(r.lookedUp, r.refs, id, found, 8*len(found)), nil
}

// vulnerabilities returns what an advisory is about, sorted by id.
//
//   - A record with a CVE among its aliases, or theirs, is that one
//     vulnerability. Aliases are symmetric and transitive. Those of a
//     distribution's bulletin are taken as upstream: before they had that
//     field, Debian and Ubuntu listed the CVEs of a bulletin as aliases.
//   - Otherwise it is about what its upstream is about, and theirs: USN-1-1 →
//     UBUNTU-CVE-2024-1 → CVE-2024-1. An advisory that names several gives
//     several. A record whose id ends in a CVE has that upstream even where it
//     does not say so.
//   - AlmaLinux and Rocky name the CVEs of an advisory as related, and nowhere
//     else; for them, and only for them, that counts as upstream.
//   - A record with none of these is a vulnerability of its own.
func (r records) vulnerabilities(id string) ([]vulnerability, error) {
	if vs, ok := find(r.lookedUp, r.about, id); ok {
		return vs, nil
	}
	names, err := r.aliases(id)
	if err != nil {
		return nil, err
	}
	self := vulnerability{id: smallest(names), names: names}
	found := make(map[string]vulnerability)
	seen := map[string]bool{}
	for todo := []vulnerability{self}; len(todo) > 0; todo = todo[1:] {
		v := todo[0]
		for _, n := range v.names {
			seen[n] = true
		}
		var up []string
		if !isCVE(v.id) {
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
			names, err := r.aliases(u)
			if err != nil {
				return nil, err
			}
			todo = append(todo, vulnerability{id: smallest(names), names: names, via: via})
		}
	}
	if len(found) == 0 { // records that are upstream of each other
		found[self.id] = self
	}
	all := slices.SortedFunc(maps.Values(found), func(a, b vulnerability) int {
		return compareIDs(a.id, b.id)
	})
	return keep(r.lookedUp, r.about, id, all, vulnerabilityBytes*len(all)), nil
}

// aliases returns id and all its aliases, sorted.
func (r records) aliases(id string) ([]string, error) {
	names := []string{id}
	add := func(n string) {
		if n != "" && len(names) < maxNames && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	for i := 0; i < len(names); i++ {
		v, err := r.get(names[i])
		if err != nil {
			return nil, err
		}
		if v != nil {
			for _, a := range v.equals() {
				add(a)
			}
		}
		refs, err := r.referrers(names[i])
		if err != nil {
			return nil, err
		}
		for _, ref := range refs {
			if slices.Contains(ref.equals(), names[i]) {
				add(ref.ID)
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
		up = append(up, cveIn(n))
		v, err := r.get(n)
		if err != nil {
			return nil, err
		}
		if v == nil {
			continue
		}
		up = append(up, v.Upstream...)
		kind := bulletin(n)
		if kind != "" {
			up = append(up, v.Aliases...)
		}
		if kind == "AlmaLinux" || kind == "Rocky Linux" {
			for _, rel := range v.Related {
				up = append(up, cveIn(rel))
			}
		}
	}
	slices.Sort(up)
	up = slices.DeleteFunc(slices.Compact(up), func(u string) bool {
		return u == "" || slices.Contains(names, u)
	})
	if !slices.ContainsFunc(up, isCVE) {
		return up, nil
	}
	// Julia's records list the names that others have for the CVE beside it. A
	// record of such a name would tell what it is; without one it is that.
	var told []string
	for _, u := range up {
		if strings.HasPrefix(u, "GHSA-") || strings.HasPrefix(u, "EUVD-") {
			if v, err := r.get(u); err != nil {
				return nil, err
			} else if v == nil {
				continue
			}
		}
		told = append(told, u)
	}
	return told, nil
}

// equals returns the aliases that are the record's vulnerability by other names.
func (v *Vulnerability) equals() []string {
	if bulletin(v.ID) != "" {
		return nil
	}
	return v.Aliases
}

// bulletin returns the distribution whose announcement of updates a record is,
// each of which may name many vulnerabilities; empty for all other records.
func bulletin(id string) string {
	kind, _, _ := strings.Cut(id, "-")
	switch kind {
	case "DSA", "DLA", "DTSA":
		return "Debian"
	case "USN", "LSN":
		return "Ubuntu"
	case "ALSA", "ALBA", "ALEA":
		return "AlmaLinux"
	case "RLSA", "RXSA", "RLBA", "RLEA":
		return "Rocky Linux"
	case "RHSA", "RHBA", "RHEA":
		return "Red Hat"
	case "ELSA", "ELBA", "ELEA":
		return "Oracle Linux"
	case "SUSE", "openSUSE":
		return "SUSE"
	case "MGASA", "MGAA":
		return "Mageia"
	case "OESA":
		return "openEuler"
	case "PHSA":
		return "Photon OS"
	case "FEDORA":
		return "Fedora"
	}
	if strings.HasPrefix(kind, "ALAS") { // ALAS-2024-1, ALAS2-…, ALASDOCKER-…
		return "Amazon Linux"
	}
	return ""
}

// isCVE reports whether id is a CVE identifier.
func isCVE(id string) bool {
	rest, ok := strings.CutPrefix(id, "CVE-")
	year, n, ok2 := strings.Cut(rest, "-")
	return ok && ok2 && len(year) == 4 && len(n) >= 4 && len(n) <= 19 && digits(year) && digits(n)
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// cveIn returns the CVE that an id is or ends in ("DEBIAN-CVE-2024-1234"), or
// an empty string.
func cveIn(id string) string {
	i := strings.LastIndex(id, "CVE-")
	if i < 0 || i > 0 && id[i-1] != '-' || !isCVE(id[i:]) {
		return ""
	}
	return id[i:]
}

// smallest returns the smallest CVE of names, else the smallest name.
func smallest(names []string) string {
	return slices.MinFunc(names, compareIDs)
}

// compareIDs orders CVEs by year and number, and before all other names.
func compareIDs(a, b string) int {
	ca, cb := isCVE(a), isCVE(b)
	if ca != cb {
		return cmp.Compare(boolean(cb), boolean(ca))
	}
	if ca {
		const year = len("CVE-2024")
		if a[:year] != b[:year] || len(a) == len(b) {
			return strings.Compare(a, b)
		}
		return cmp.Compare(len(a), len(b))
	}
	return strings.Compare(a, b)
}
