package explain

import (
	"slices"
	"strings"

	"assay/service/advisory"
	"assay/service/exploit"
	"assay/service/match"
	"assay/verdict"
)

// namesOf returns id and the other names of the vulnerability, sorted. Aliases are symmetric
// and transitive. A record that names several CVEs, as errata do, does not join them.
func namesOf(ix match.Index, id string) ([]string, error) {
	names := []string{id}
	for i := 0; i < len(names) && len(names) < maxNames; i++ {
		equal, err := equals(ix, names[i])
		if err != nil {
			return nil, err
		}
		for _, n := range equal {
			if len(names) < maxNames && !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

func equals(ix match.Index, name string) ([]string, error) {
	var equal []string
	own, err := ix.Vulnerabilities(name)
	if err != nil {
		return nil, err
	}
	for _, v := range own {
		if cves(v.Aliases) <= 1 {
			equal = append(equal, v.Aliases...)
		}
	}
	refs, err := ix.Referrers(name)
	if err != nil {
		return nil, err
	}
	for _, ref := range refs[:min(len(refs), maxRecords)] {
		vs, err := ix.Vulnerabilities(ref)
		if err != nil {
			return nil, err
		}
		for _, v := range vs {
			if slices.Contains(v.Aliases, name) && cves(v.Aliases) <= 1 {
				equal = append(equal, ref)
			}
		}
	}
	return equal, nil
}

func cves(names []string) int {
	n := 0
	for _, name := range names {
		if _, ok := exploit.ParseCVE(name); ok {
			n++
		}
	}
	return n
}

// A naming finds records about a vulnerability.
type naming struct {
	names []string
	ids   map[string]bool // of records about it
}

// refer adds the records that have one of the names, and the records that name a record that
// was found, directly or not.
func (n *naming) refer(ix match.Index) error {
	todo := slices.Concat(n.names, slices.Collect(keys(n.ids)))
	for len(todo) > 0 && len(n.ids) <= 2*maxRecords {
		name := todo[0]
		todo = todo[1:]
		if vs, err := ix.Vulnerabilities(name); err != nil {
			return err
		} else if len(vs) > 0 {
			n.ids[name] = true
		}
		refs, err := ix.Referrers(name)
		if err != nil {
			return err
		}
		for _, ref := range refs[:min(len(refs), 2*maxRecords)] {
			if !n.ids[ref] {
				n.ids[ref] = true
				todo = append(todo, ref)
			}
		}
	}
	return nil
}

// keys yields the keys of a set in order.
func keys(set map[string]bool) func(func(string) bool) {
	return func(yield func(string) bool) {
		list := make([]string, 0, len(set))
		for k := range set {
			list = append(list, k)
		}
		slices.Sort(list)
		for _, k := range list {
			if !yield(k) {
				return
			}
		}
	}
}

// of reports whether a finding is about the vulnerability.
func (n *naming) of(f verdict.Finding) bool {
	return slices.ContainsFunc(n.names, func(name string) bool {
		return f.ID == name || slices.Contains(f.Aliases, name) || slices.Contains(f.Advisories, name)
	})
}

// onlyRelated returns the first of names that an advisory names as related. It is empty if
// one of them is its id, the end of its id, an alias or upstream.
func onlyRelated(a advisory.Advisory, names []string) string {
	for _, name := range names {
		if a.ID == name || strings.HasSuffix(a.ID, "-"+name) || slices.Contains(a.Aliases, name) || slices.Contains(a.Upstream, name) {
			return ""
		}
	}
	for _, name := range names {
		if slices.Contains(a.Related, name) {
			return name
		}
	}
	return ""
}
