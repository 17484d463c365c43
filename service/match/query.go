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

// A Query asks which records affect one package, without the image that it is in.
type Query struct {
	// Ecosystem is that of the package in the OSV schema. Without its release ("Debian" for
	// "Debian:12"), it stands for all releases.
	Ecosystem string
	// Release, if it has a distribution, is the release that the package is from, in place of
	// Ecosystem.
	Release distro.Release
	// Package has the name and the version, and the source package if it is known. Without
	// a version, every record about the package is asked for. Type is not used.
	Package inventory.Package
}

// A QueryIndex is an Index that also lists its ecosystems.
type QueryIndex interface {
	Index
	// Ecosystems returns the ecosystems that advisories are about, sorted.
	Ecosystems() ([]string, error)
}

// A NoDataError is the error for a query that cannot be answered, because the index has no
// advisories for its ecosystem.
type NoDataError struct{ Ecosystem string }

func (e *NoDataError) Error() string {
	return fmt.Sprintf("this service has no advisories for %s", shown(e.Ecosystem))
}

// A RecordID identifies one record of a source.
type RecordID struct{ ID, Source string }

// Queries answers queries with one state of the data. It is for one goroutine.
type Queries struct {
	ix  QueryIndex
	m   *matcher
	all []string // ecosystems
}

// NewQueries returns the Queries of an index.
func NewQueries(ix QueryIndex) (*Queries, error) {
	all, err := ix.Ecosystems()
	if err != nil {
		return nil, err
	}
	m, err := newMatcher(inventory.Inventory{}, ix, nil, time.Time{})
	return &Queries{ix, m, all}, err
}

// Records returns the records that affect the package of a query, sorted by id and source.
// An entry is evaluated as it is for a scan. The result is about records, as in the OSV API,
// and a scan's about vulnerabilities. So of the rules that decide between the records of a
// vulnerability only one applies: where the distribution's own source says something about
// all vulnerabilities of a record of osv, that record does not count.
//
// A record that cannot be compared with the version is part of the result: it is unknown
// whether it affects the package.
func (q *Queries) Records(query Query) ([]RecordID, error) {
	l, err := q.lookup(query)
	if err != nil {
		return nil, err
	}
	if l.version == "" {
		return q.about(l)
	}
	found, err := q.m.candidates(l, &evaluation{})
	if err != nil {
		return nil, err
	}
	found.index()
	own := q.m.publisher(l, found)
	var ids []RecordID
	for _, c := range found.all {
		if !c.affected && !c.failed {
			continue
		}
		if replaced, err := own.replacesRecord(c); err != nil {
			return nil, err
		} else if !replaced {
			ids = append(ids, RecordID{c.entry.Advisory, c.entry.Source})
		}
	}
	return sortedRecords(ids), nil
}

// about returns the records about the package of a lookup, whatever its version is.
func (q *Queries) about(l lookup) ([]RecordID, error) {
	var ids []RecordID
	for _, ecosystem := range l.rules.ecosystems {
		for _, name := range l.names() {
			key := index.KeyOf(ecosystem.Name, name)
			entries, err := q.ix.Affected(key.Ecosystem, key.Name)
			if err != nil {
				return nil, err
			}
			for _, e := range entries {
				if e.Status != advisory.StatusNotAffected {
					ids = append(ids, RecordID{e.Advisory, e.Source})
				}
			}
		}
	}
	return sortedRecords(ids), nil
}

func sortedRecords(ids []RecordID) []RecordID {
	slices.SortFunc(ids, func(a, b RecordID) int {
		return cmp.Or(strings.Compare(a.ID, b.ID), strings.Compare(a.Source, b.Source))
	})
	return slices.Compact(ids)
}

// replacesRecord reports whether the source decides about every vulnerability that a
// candidate of osv is about.
func (p *publisher) replacesRecord(c *candidate) (bool, error) {
	if p == nil || c.entry.Source != osv {
		return false, nil
	}
	vs, err := p.m.records.vulnerabilities(c.entry.Advisory)
	if err != nil {
		return false, err
	}
	for _, v := range vs {
		by, err := p.decision(v.id)
		if err != nil || !by.replaces(c) {
			return false, err
		}
	}
	return len(vs) > 0, nil
}

// lookup returns what the package of a query is looked up as.
func (q *Queries) lookup(query Query) (lookup, error) {
	by, err := q.rules(query)
	if err != nil {
		return lookup{}, err
	}
	p := query.Package
	p.Type = by.typ
	l := lookupOf(p, by)
	if p.Version == "" {
		l.version = ""
	}
	return l, nil
}

// rules returns the rules for the package of a query, with those of its ecosystems that the
// index has records of. If there are none, the error is a NoDataError.
func (q *Queries) rules(query Query) (*rules, error) {
	if d := query.Release.Distribution; d != nil {
		r := ofDistribution(d)
		r.ecosystems, r.extended = query.Release.Ecosystems, query.Release.Extended
		if err := r.hold(q.ix); err != nil {
			return nil, err
		}
		if distro.MainEcosystem(r.ecosystems) == "" {
			return nil, &NoDataError{distro.MainEcosystem(query.Release.Ecosystems)}
		}
		return &r, nil
	}
	held := q.held(query.Ecosystem)
	if len(held) == 0 {
		return nil, &NoDataError{query.Ecosystem}
	}
	r := queryRules(query.Ecosystem, query.Package.Name)
	if strings.Contains(query.Ecosystem, ":") {
		r.ecosystems = nil // only what was asked for
	}
	for _, name := range held {
		if !slices.ContainsFunc(r.ecosystems, func(e distro.Ecosystem) bool { return e.Name == name }) {
			r.ecosystems = append(r.ecosystems, distro.Ecosystem{Name: name})
		}
	}
	return &r, r.hold(q.ix)
}

// held returns those ecosystems of the index that the ecosystem of a query stands for:
// itself, all its releases if it names none, and of Ubuntu the variants of the release
// ("Ubuntu:Pro:22.04:LTS" for "Ubuntu:22.04").
func (q *Queries) held(asked string) []string {
	var held []string
	for _, name := range q.all {
		base, _, _ := strings.Cut(name, ":")
		if asked == name || asked == base || base == "Ubuntu" && asked == ubuntuVariants.Replace(name) {
			held = append(held, name)
		}
	}
	return held
}

var ubuntuVariants = strings.NewReplacer(":Pro", "", ":LTS", "")

// queryRules returns the rules for a package of an ecosystem of the OSV schema. Their
// ecosystems are those in which a scan looks it up in addition.
func queryRules(ecosystem, name string) rules {
	for {
		vendor, rest, ok := strings.Cut(ecosystem, ":")
		if !ok || vendor != "Root" && vendor != "Seal" && vendor != "TuxCare" {
			break
		}
		ecosystem = rest
	}
	base, _, _ := strings.Cut(ecosystem, ":")
	if i := slices.IndexFunc(languages, func(l language) bool { return l.ecosystem == base }); i >= 0 {
		r, _ := rulesFor(languages[i].typ, originOf(name))
		return r
	}
	if d := distro.OfEcosystem(ecosystem); d != nil {
		return ofDistribution(d)
	}
	r := rules{typ: strings.ToLower(base)}
	r.order, _ = version.For(base)
	return r
}

// ofDistribution returns the rules for packages of a distribution, without ecosystems.
func ofDistribution(d *distro.Distribution) rules {
	r := rules{typ: d.Format, names: d.Names, distribution: d}
	r.order, _ = version.For(d.Format)
	return r
}
