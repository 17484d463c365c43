package index

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"assay/service/advisory"
	"assay/service/exploit"
)

// Memory is an index in memory, for advisories that are few or used once.
type Memory struct {
	affected        map[Key][]Affected
	vulnerabilities map[string][]Vulnerability
	referrers       map[string][]string
	records         map[string]int
	sources         map[Key][]string // by binary package
	mentions        map[string][]string
	withdrawn       map[string][]string
}

// NewMemory returns the index of advisories. Of several with one source and id the last
// counts. firstSeen, if not nil, returns when the service first saw that the record id
// names version as a fix of pkg, or zero if that is unknown.
func NewMemory(advisories []advisory.Advisory, firstSeen func(id, ecosystem, pkg, version string) time.Time) *Memory {
	m := &Memory{
		affected:        make(map[Key][]Affected),
		vulnerabilities: make(map[string][]Vulnerability),
		referrers:       make(map[string][]string),
		records:         make(map[string]int),
		sources:         make(map[Key][]string),
		mentions:        make(map[string][]string),
		withdrawn:       make(map[string][]string),
	}
	type record struct{ id, source string }
	byID := make(map[record]advisory.Advisory, len(advisories))
	for _, a := range advisories {
		byID[record{a.ID, a.Source}] = a
	}
	// Ids are added in order, so that every list is sorted.
	for _, r := range slices.SortedFunc(maps.Keys(byID), func(a, b record) int {
		return cmp.Or(strings.Compare(a.id, b.id), strings.Compare(a.source, b.source))
	}) {
		a, id := byID[r], r.id
		v := Describe(a)
		names := slices.Concat(v.Aliases, v.Upstream)
		mentions := slices.Clone(v.Related)
		if cve := advisory.CVEIn(id); cve != "" && cve != id {
			mentions = append(mentions, cve)
		}
		if a.Withdrawn != nil {
			refer(m.withdrawn, id, slices.Concat(names, mentions))
			continue
		}
		m.vulnerabilities[id] = append(m.vulnerabilities[id], v)
		refer(m.referrers, id, names)
		refer(m.mentions, id, slices.DeleteFunc(mentions, func(name string) bool {
			return name == id || slices.Contains(names, name)
		}))
		var seen func(ecosystem, pkg, version string) time.Time
		if firstSeen != nil {
			seen = func(ecosystem, pkg, version string) time.Time {
				return firstSeen(id, ecosystem, pkg, version)
			}
		}
		counted := make(map[string]bool)
		for _, e := range Entries(a, seen) {
			m.affected[e.Key] = append(m.affected[e.Key], e.Affected)
			for _, binary := range e.Affected.Binaries {
				key := Key{e.Ecosystem, binary}
				if i, found := slices.BinarySearch(m.sources[key], e.Name); !found {
					m.sources[key] = slices.Insert(m.sources[key], i, e.Name)
				}
			}
			if !counted[e.Ecosystem] {
				counted[e.Ecosystem] = true
				m.records[e.Ecosystem]++
			}
		}
	}
	return m
}

// refer adds id to the ids of each name. It is called with sorted ids.
func refer(to map[string][]string, id string, names []string) {
	for _, name := range names {
		if refs := to[name]; len(refs) == 0 || refs[len(refs)-1] != id {
			to[name] = append(refs, id)
		}
	}
}

// Affected returns the entries about a package, as match.Index has it.
func (m *Memory) Affected(ecosystem, name string) ([]Affected, error) {
	return m.affected[Key{ecosystem, name}], nil
}

// Vulnerabilities returns the records id, as match.Index has it.
func (m *Memory) Vulnerabilities(id string) ([]Vulnerability, error) {
	return m.vulnerabilities[id], nil
}

// Referrers returns the ids of the records that name id, as match.Index has it.
func (m *Memory) Referrers(id string) ([]string, error) { return m.referrers[id], nil }

// Sources returns the source packages of a binary package, as match.Index has it.
func (m *Memory) Sources(ecosystem, binary string) ([]string, error) {
	return m.sources[Key{ecosystem, binary}], nil
}

// Records returns how many advisories are about an ecosystem, as match.Index has it.
func (m *Memory) Records(ecosystem string) (int, error) { return m.records[ecosystem], nil }

// Ecosystems returns the ecosystems with advisories, as match.QueryIndex has it.
func (m *Memory) Ecosystems() ([]string, error) { return slices.Sorted(maps.Keys(m.records)), nil }

// Exploit returns nothing: Memory has no exploit catalogs.
func (m *Memory) Exploit(exploit.CVE) (kev, epss exploit.Entry, err error) {
	return exploit.Entry{}, exploit.Entry{}, nil
}

// Mentions returns the ids of the records that name id as related only, or that have
// an id that ends in it, sorted.
func (m *Memory) Mentions(id string) ([]string, error) { return m.mentions[id], nil }

// Withdrawn returns the ids of the withdrawn records that have a name among their
// aliases, as their upstream, as related or at the end of their id, sorted.
func (m *Memory) Withdrawn(name string) ([]string, error) { return m.withdrawn[name], nil }
