package explain

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/index"
	"assay/service/match"
	"assay/verdict"
)

var errTooMuch = errors.New("the vulnerability names too many packages of the image to be explained")

// few is an index of a few records that reports the record counts of the whole data. For
// packages that others are part of it has all records, since an owner counts only if the
// distribution's advisories are about it.
type few struct {
	*index.Memory
	held   match.Index
	ids    map[string]bool // of the few records
	owners map[index.Key]bool
}

func (f few) Affected(ecosystem, name string) ([]index.Affected, error) {
	own, err := f.Memory.Affected(ecosystem, name)
	if err != nil || !f.owners[index.Key{Ecosystem: ecosystem, Name: name}] {
		return own, err
	}
	all, err := f.held.Affected(ecosystem, name)
	if err != nil {
		return nil, err
	}
	others := slices.DeleteFunc(slices.Clone(all), func(a index.Affected) bool { return f.ids[a.Advisory] })
	out := slices.Concat(own, others)
	slices.SortStableFunc(out, func(a, b index.Affected) int { return strings.Compare(a.Advisory, b.Advisory) })
	return out, nil
}

func (f few) Vulnerabilities(id string) ([]index.Vulnerability, error) {
	if f.ids[id] || len(f.owners) == 0 {
		return f.Memory.Vulnerabilities(id)
	}
	return f.held.Vulnerabilities(id)
}

func (f few) Sources(ecosystem, binary string) ([]string, error) {
	return f.held.Sources(ecosystem, binary)
}

func (f few) Records(ecosystem string) (int, error) { return f.held.Records(ecosystem) }

// run evaluates the inventory with a few records.
func (e *explainer) run(records []advisory.Advisory) (match.Result, *match.Trace, error) {
	ix := few{index.NewMemory(records, nil), e.Index, map[string]bool{}, e.owners}
	for _, r := range records {
		ix.ids[r.ID] = true
	}
	res, trace, err := match.InventoryTraced(e.Inventory, ix, e.Scan.At)
	if errors.Is(err, match.ErrTooMany) {
		err = errTooMuch
	}
	return res, trace, err
}

// An installed is a package of the image and the keys that it is looked up by.
type installed struct {
	i       int // in the inventory
	pkg     inventory.Package
	lookups map[index.Key]bool
	// notEvaluated is why it is not evaluated, if so.
	notEvaluated string
}

// lookUpPackages finds the keys that each package is looked up by, and makes byName from
// these keys and the names of packages and sources.
func (e *explainer) lookUpPackages() error {
	_, trace, err := e.run(nil)
	if err != nil {
		return err
	}
	e.byName = map[string][]*installed{}
	owning := map[string]bool{}
	for _, pkg := range e.Inventory.Packages {
		if pkg.Owner != nil {
			owning[pkg.Owner.Package] = true
		}
	}
	owners := map[index.Key]bool{}
	defer func() { e.owners = owners }()
	for i, p := range trace.Packages {
		pkg := e.Inventory.Packages[i]
		s := &installed{i: i, pkg: pkg, lookups: map[index.Key]bool{}, notEvaluated: p.NotEvaluated}
		names := map[string]bool{pkg.Name: true}
		if pkg.Source != "" {
			names[pkg.Source] = true
		}
		for _, l := range p.Lookups {
			s.lookups[l] = true
			if owning[pkg.Name] {
				owners[l] = true
			}
			names[l.Name] = true
		}
		e.packages = append(e.packages, s)
		for n := range names {
			e.byName[n] = append(e.byName[n], s)
		}
	}
	return nil
}

// named returns the packages with one of two names, in the inventory's order.
func (e *explainer) named(a, b string) []*installed {
	list := slices.Clone(e.byName[a])
	for _, s := range e.byName[b] {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b *installed) int { return a.i - b.i })
	return list
}

// A reading is an evaluation with the records of the vulnerability.
type reading struct {
	trace *match.Trace
	// findings are those of the vulnerability, by the package's index in the inventory.
	findings map[int][]verdict.Finding
}

func (e *explainer) read(trace *match.Trace) reading {
	r := reading{trace, map[int][]verdict.Finding{}}
	for i, p := range trace.Packages {
		for _, c := range p.Matches {
			if e.naming.of(c.Finding) {
				r.findings[i] = append(r.findings[i], c.Finding)
			}
		}
	}
	return r
}

// entry returns the trace of one affected entry for one package, or nil if the matcher did
// not use it.
func (r reading) entry(s *installed, l index.Key, entry index.Affected) *match.TracedEntry {
	for _, t := range r.trace.Packages[s.i].Entries {
		if t.Is(l, entry) {
			return t
		}
	}
	return nil
}

// base returns an ecosystem without its release: "Debian" of "Debian:12".
func base(ecosystem string) string {
	name, _, _ := strings.Cut(ecosystem, ":")
	return name
}

// elsewhere says why a package is not looked up in the ecosystem of an entry.
func elsewhere(s *installed, ecosystem string) (outcome, why string) {
	in := map[string]bool{}
	same := false
	for l := range s.lookups {
		in[l.Ecosystem] = true
		same = same || base(l.Ecosystem) == base(ecosystem)
	}
	why = "the entry is about " + ecosystem + ", this package is looked up in " + strings.Join(slices.Sorted(maps.Keys(in)), " and ")
	if same {
		return OtherRelease, why
	}
	return OtherEcosystem, why
}

// bound returns the word for an event and its version.
func bound(e advisory.Event) (word, version string) {
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
