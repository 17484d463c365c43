package explain

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/match"
	"assay/verdict"
)

// A prober asks the matcher about the packages of one inventory.
type prober struct {
	held  match.Index // tells which ecosystems are held
	today time.Time
	left  int // runs that may still be made
	// inventory has the packages that are asked about, and as few others as make
	// the matcher look where it does for all of them.
	inventory inventory.Inventory
}

var errTooMuch = errors.New("the vulnerability names too many packages of the image to be explained")

// run matches an inventory with a few advisories.
func (p *prober) run(inv inventory.Inventory, advisories ...advisory.Advisory) (match.Result, map[lookup]bool, error) {
	if p.left--; p.left < 0 {
		return match.Result{}, nil, errTooMuch
	}
	ix := &spy{Memory: match.NewMemory(advisories, nil), held: p.held, asked: map[lookup]bool{}}
	res, err := match.Match(inv, ix, p.today)
	return res, ix.asked, err
}

// matched returns what the matcher finds with one affected entry of an advisory,
// by package, and the packages whose version it cannot compare.
func (p *prober) matched(a advisory.Advisory, entry advisory.Affected) (map[packageKey]match.Finding, []match.Unjudged, error) {
	a.Affected = []advisory.Affected{entry}
	res, _, err := p.run(p.inventory, a)
	if err != nil {
		return nil, nil, err
	}
	gaps := slices.DeleteFunc(res.Unjudged, func(u match.Unjudged) bool { return u.Cause != match.CauseVersion })
	return byPackage(res.Findings), gaps, nil
}

func byPackage(findings []match.Finding) map[packageKey]match.Finding {
	by := make(map[packageKey]match.Finding, len(findings))
	for _, f := range findings {
		by[keyOf(*f.Package)] = f
	}
	return by
}

// A packageKey tells the packages of an inventory apart, but for where they lie.
type packageKey struct{ kind, name, version, arch, source, sourceVersion string }

func keyOf(p verdict.Package) packageKey {
	return packageKey{p.Type, p.Name, p.Version, p.Arch, p.Source, p.SourceVersion}
}

// A lookup is what the matcher asks an index for.
type lookup struct{ ecosystem, name string }

// A spy is an index of a few advisories that notes what is looked up, and
// pretends to hold whatever the service holds.
type spy struct {
	*match.Memory
	held  match.Index
	asked map[lookup]bool
}

func (s *spy) Affected(ecosystem, name string) ([]match.Affected, error) {
	s.asked[lookup{ecosystem, name}] = true
	return s.Memory.Affected(ecosystem, name)
}

func (s *spy) Records(ecosystem string) (int, error) { return s.held.Records(ecosystem) }

// A subject is a package of the image and what it is looked up as.
type subject struct {
	pkg     inventory.Package
	key     packageKey
	lookups map[lookup]bool
	names   map[string]bool // of the lookups, and its own
	// unjudged is why nothing is said about it, where that is so.
	unjudged string
}

// subjects asks for each package what it is looked up as. What the system as a
// whole adds to that, such as a subscription that another package shows, is found
// by asking for all of them.
func (p *prober) subjects(inv inventory.Inventory) ([]subject, error) {
	_, together, err := p.run(inv)
	if err != nil {
		return nil, err
	}
	var subjects []subject
	for _, pkg := range inv.Packages {
		alone := inv
		alone.Packages = []inventory.Package{pkg}
		res, asked, err := p.run(alone)
		if err != nil {
			return nil, err
		}
		s := subject{
			pkg:     pkg,
			key:     packageKey{pkg.Type, pkg.Name, pkg.Version, pkg.Arch, pkg.Source, pkg.SourceVersion},
			lookups: asked,
			names:   map[string]bool{pkg.Name: true},
		}
		if pkg.Source != "" {
			s.names[pkg.Source] = true
		}
		for l := range maps.Clone(asked) {
			s.names[l.name] = true
			for t := range together {
				if t.name == l.name && base(t.ecosystem) == base(l.ecosystem) {
					s.lookups[t] = true
				}
			}
		}
		if len(asked) == 0 {
			s.unjudged = "nothing is looked up for it"
			if len(res.Unjudged) > 0 {
				s.unjudged = res.Unjudged[0].Reason
			}
		}
		subjects = append(subjects, s)
	}
	return subjects, nil
}

// base is an ecosystem without its release: "Debian" of "Debian:12".
func base(ecosystem string) string {
	name, _, _ := strings.Cut(ecosystem, ":")
	return name
}

// narrow keeps of the inventory the packages that are asked about, those that
// they belong to, and one for each ecosystem that some package is looked up in.
func (p *prober) narrow(inv inventory.Inventory, all []subject, about func(subject) bool) {
	covered, owners := map[string]bool{}, map[string]bool{}
	for _, s := range all {
		if s.pkg.Owner != nil && about(s) {
			owners[s.pkg.Owner.Package] = true
		}
	}
	p.inventory = inv
	p.inventory.Packages = nil
	for _, s := range all {
		keep := about(s) || owners[s.pkg.Name]
		for l := range s.lookups {
			keep = keep || !covered[l.ecosystem]
		}
		if !keep {
			continue
		}
		p.inventory.Packages = append(p.inventory.Packages, s.pkg)
		for l := range s.lookups {
			covered[l.ecosystem] = true
		}
	}
}

// stands says how the version of a package stands to those of an entry that it
// is not affected by: "= fixed 1.3". Ranges that end before a version, and at it,
// tell. It is false where not even a range of all versions holds the package's,
// so that its version is not what speaks against it.
func (p *prober) stands(s subject, a advisory.Advisory, entry advisory.Affected) (texts []string, applies bool, err error) {
	if applies, err = p.within(s, a, entry, advisory.Ecosystem); err != nil || !applies {
		return nil, applies, err
	}
	for _, r := range entry.Ranges {
		if r.Type == advisory.Git {
			continue
		}
		for _, e := range r.Events {
			word, version := bound(e)
			if version == "0" && e.Introduced != "" || version == "*" {
				continue
			}
			below, err := p.within(s, a, entry, r.Type, advisory.Event{Fixed: version})
			if err != nil {
				return nil, false, err
			}
			upTo, err := p.within(s, a, entry, r.Type, advisory.Event{LastAffected: version})
			if err != nil {
				return nil, false, err
			}
			relation := ">"
			switch {
			case below:
				relation = "<"
			case upTo:
				relation = "="
			}
			texts = append(texts, relation+" "+word+" "+version)
		}
	}
	return texts, true, nil
}

// within reports whether the entry would affect a package with a range from the
// first version to an end in place of its own.
func (p *prober) within(s subject, a advisory.Advisory, entry advisory.Affected, kind string, end ...advisory.Event) (bool, error) {
	entry.Versions = nil
	entry.Ranges = []advisory.Range{{Type: kind, Events: append([]advisory.Event{{Introduced: "0"}}, end...)}}
	found, _, err := p.matched(a, entry)
	_, ok := found[s.key]
	return ok, err
}

// bound is the word and the version of an event.
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
