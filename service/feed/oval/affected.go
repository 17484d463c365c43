package oval

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"assay/service/advisory"
)

// A Fact is what a test means. Its fields are alternatives, except that a package may be
// limited to architectures.
type Fact struct {
	Always  bool   // it is met by every package of the publisher
	Never   bool   // it is never met
	Release string // the release is installed, as an ecosystem names it
	Arch    string // the system has the architecture
	Module  string // the stream of a module is enabled ("nodejs:18")
	Build   string // the package is of a build whose versions contain this text ("ksplice")
	// Package is installed in one of the versions from Introduced on and before Fixed, or up
	// to Last. If they are empty, it is affected in every version.
	Package                 string
	Introduced, Fixed, Last string
	Arches                  []string // of the package
	NotAffected             bool     // the package is not affected
}

// An Affected is a package that a definition affects.
type Affected struct {
	Release                 string
	Package                 string
	Introduced, Fixed, Last string
	Module                  string
	Arches                  []string // sorted; empty for all
	NotAffected             bool
}

// Bounds of one definition. The largest genuine ones have some thousand packages in some
// dozen products.
const maxTerms = 1 << 18

// maxWork bounds the pairs of alternatives of one definition that are joined: many tests can
// follow after many alternatives.
const maxWork = 1 << 23

// Affected returns what a definition affects, sorted. fact says what a test means. The
// criteria become alternatives, in each of which a release and a package must be named. It
// is an error if they cannot be expressed in this form, since the definition would say
// something else without the part that is left out.
func (d Definition) Affected(fact func(Test) (Fact, error)) ([]Affected, error) {
	if d.Criteria == nil {
		return nil, errors.New("the definition has no criteria")
	}
	e := evaluator{lists: d.lists, fact: fact}
	terms, err := e.criteria(*d.Criteria)
	if err != nil {
		return nil, err
	}
	for _, t := range terms {
		if err := t.complete(); err != nil {
			return nil, err
		}
	}
	return merge(terms), nil
}

// An evaluator evaluates the criteria of one definition.
type evaluator struct {
	work  int // pairs of alternatives that were joined
	lists *lists
	fact  func(Test) (Fact, error)
}

// A term is a conjunction of facts.
type term struct {
	Affected
	build string
}

// criteria returns the alternatives of criteria.
func (e *evaluator) criteria(c criteria) ([]term, error) {
	if len(c.Extended) > 0 {
		return nil, errors.New("the definition extends another one")
	}
	if c.Negate != "" && c.Negate != "false" {
		return nil, errors.New("the definition has negated criteria")
	}
	if c.Operator != "" && c.Operator != "AND" && c.Operator != "OR" {
		return nil, fmt.Errorf("the criteria have the unsupported operator %.40q", c.Operator)
	}
	if len(c.Tests)+len(c.Criteria) == 0 {
		return nil, errors.New("the criteria are empty")
	}
	or := c.Operator == "OR"
	var all []term
	if !or {
		all = []term{{}}
	}
	join := func(terms []term) (err error) {
		if or {
			all = append(all, terms...)
		} else {
			if e.work += len(all) * len(terms); e.work > maxWork {
				return fmt.Errorf("the criteria need more than %d combinations of alternatives", maxWork)
			}
			all, err = product(all, terms)
		}
		if len(all) > maxTerms {
			return fmt.Errorf("the criteria have more than %d alternatives", maxTerms)
		}
		return err
	}
	for _, ref := range c.Tests {
		if ref.Negate != "" && ref.Negate != "false" {
			return nil, errors.New("the definition has negated criteria")
		}
		terms, err := e.test(ref.Ref, ref.Comment)
		if err != nil {
			return nil, fmt.Errorf("%.100q: %w", ref.Comment, err)
		}
		if err := join(terms); err != nil {
			return nil, err
		}
	}
	for _, sub := range c.Criteria {
		terms, err := e.criteria(sub)
		if err != nil {
			return nil, err
		}
		if err := join(terms); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// test returns the alternatives of one test: one, or none if it is never met.
func (e *evaluator) test(ref, comment string) ([]term, error) {
	t, err := e.lists.find(ref, comment)
	if err != nil {
		return nil, err
	}
	f, err := e.fact(t)
	if err != nil || f.Never {
		return nil, err
	}
	if f.Always {
		return []term{{}}, nil
	}
	return []term{{
		Affected: Affected{
			Release: f.Release, Package: f.Package, Introduced: f.Introduced, Fixed: f.Fixed, Last: f.Last,
			Module: f.Module, Arches: arches(f), NotAffected: f.NotAffected,
		},
		build: f.Build,
	}}, nil
}

func arches(f Fact) []string {
	if f.Arch != "" {
		return []string{f.Arch}
	}
	return f.Arches
}

// product returns the conjunctions of two lists of alternatives. Those that contradict
// themselves are left out.
func product(a, b []term) ([]term, error) {
	if len(a)*len(b) > maxTerms {
		return nil, fmt.Errorf("the criteria have more than %d alternatives", maxTerms)
	}
	terms := make([]term, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			t, possible, err := x.and(y)
			if err != nil {
				return nil, err
			}
			if possible {
				terms = append(terms, t)
			}
		}
	}
	return terms, nil
}

// and returns the conjunction of two terms. It is not possible if no system has both
// architectures.
func (t term) and(o term) (term, bool, error) {
	var errs [6]error
	t.Release, errs[0] = one("releases", t.Release, o.Release)
	t.Module, errs[1] = one("modules", t.Module, o.Module)
	t.build, errs[2] = one("builds", t.build, o.build)
	t.Introduced, errs[3] = one("first versions", t.Introduced, o.Introduced)
	t.Fixed, errs[4] = one("fixes", t.Fixed, o.Fixed)
	t.Last, errs[5] = one("last versions", t.Last, o.Last)
	if err := errors.Join(errs[:]...); err != nil {
		return t, false, err
	}
	name, err := one("packages", t.Package, o.Package)
	if err != nil || t.NotAffected != o.NotAffected && t.Package != "" && o.Package != "" {
		return t, false, errors.New("a package is affected only if another one is installed")
	}
	t.Package, t.NotAffected = name, t.NotAffected || o.NotAffected
	switch {
	case len(t.Arches) == 0:
		t.Arches = o.Arches
	case len(o.Arches) > 0:
		t.Arches = slices.DeleteFunc(slices.Clone(t.Arches), func(a string) bool { return !slices.Contains(o.Arches, a) })
		return t, len(t.Arches) > 0, nil
	}
	return t, true, nil
}

// one returns the value of a field in two terms, of which only one has it unless they are
// equal.
func one(what, a, b string) (string, error) {
	if a != "" && b != "" && a != b {
		return "", fmt.Errorf("the criteria require two %s at once: %.100q and %.100q", what, a, b)
	}
	return cmp.Or(a, b), nil
}

// complete reports what an alternative lacks.
func (t term) complete() error {
	switch {
	case t.Package == "":
		return errors.New("the criteria name no package")
	case t.Release == "":
		return fmt.Errorf("the criteria name no release for the package %.100q", t.Package)
	case t.Fixed != "" && t.Last != "":
		return fmt.Errorf("the package %.100q has a fix and a last affected version", t.Package)
	case t.build != "" && !strings.Contains(t.Fixed, t.build):
		return fmt.Errorf("the fix %.100q of %.100q is not a build of %q", t.Fixed, t.Package, t.build)
	}
	return nil
}

// merge returns the affected packages of terms, sorted. Those that differ in their
// architectures only are one.
func merge(terms []term) []Affected {
	index := make(map[[7]string]int, len(terms))
	var all []Affected
	for _, t := range terms {
		key := [7]string{t.Release, t.Package, t.Module, t.Introduced, t.Fixed, t.Last, fmt.Sprint(t.NotAffected)}
		i, ok := index[key]
		if !ok {
			index[key] = len(all)
			a := t.Affected
			a.Arches = slices.Clone(a.Arches)
			all = append(all, a)
			continue
		}
		if len(all[i].Arches) == 0 || len(t.Arches) == 0 {
			all[i].Arches = nil
		} else {
			all[i].Arches = append(all[i].Arches, t.Arches...)
		}
	}
	for i := range all {
		slices.Sort(all[i].Arches)
		all[i].Arches = slices.Compact(all[i].Arches)
	}
	slices.SortFunc(all, func(a, b Affected) int {
		return cmp.Or(
			strings.Compare(a.Release, b.Release), strings.Compare(a.Package, b.Package), strings.Compare(a.Module, b.Module),
			strings.Compare(a.Fixed, b.Fixed), strings.Compare(a.Introduced, b.Introduced), strings.Compare(a.Last, b.Last),
			slices.Compare(a.Arches, b.Arches),
		)
	})
	return all
}

// events returns the events of the range of affected versions.
func (a Affected) events() []advisory.Event {
	events := []advisory.Event{{Introduced: cmp.Or(a.Introduced, "0")}}
	switch {
	case a.Fixed != "":
		events = append(events, advisory.Event{Fixed: a.Fixed})
	case a.Last != "":
		events = append(events, advisory.Event{LastAffected: a.Last})
	}
	return events
}

// Package returns what a test about a package means, by the operation that compares its
// version. The signature of a package says who built it, which the inventory of an image
// says too.
func (t Test) Package() (Fact, error) {
	if t.Kind != "rpminfo" {
		return Fact{}, fmt.Errorf("unsupported test %.40q", t.Kind)
	}
	if t.Check != "at least one" && t.Check != "all" {
		return Fact{}, fmt.Errorf("unsupported check %.40q", t.Check)
	}
	s := t.State
	if s.Signature.Operation != "" && s == (State{Signature: s.Signature}) {
		return Fact{Always: true}, nil
	}
	if s != (State{EVR: s.EVR, Arch: s.Arch}) || s.EVR.Operation == "" {
		return Fact{}, errors.New("the test does not compare versions")
	}
	f := Fact{Package: t.Name}
	switch v := s.EVR.Value; s.EVR.Operation {
	case "less than":
		f.Fixed = v
	case "less than or equal":
		f.Last = v
	case "equals":
		f.Introduced, f.Last = v, v
	case "greater than or equal":
		f.Introduced = v
	case "greater than": // OSV has no start that is excluded, so the start counts as affected
		if v != "0:0-0" {
			f.Introduced = v
		}
	default:
		return Fact{}, fmt.Errorf("unsupported operation %.40q", s.EVR.Operation)
	}
	var err error
	f.Arches, err = s.Arch.arches()
	return f, err
}

// arches returns the architectures that a condition allows: one, or those of a pattern such
// as "(aarch64|x86_64)".
func (c Comparison) arches() ([]string, error) {
	var list []string
	switch c.Operation {
	case "":
		return nil, nil
	case "equals":
		list = []string{c.Value}
	case "pattern match":
		text := strings.TrimSuffix(strings.TrimPrefix(c.Value, "^"), "$")
		text = strings.TrimSuffix(strings.TrimPrefix(text, "("), ")")
		list = strings.Split(text, "|")
	default:
		return nil, fmt.Errorf("unsupported operation %.40q for an architecture", c.Operation)
	}
	if slices.Contains(list, "noarch") { // it is the package's, which is on every system
		return nil, nil
	}
	for _, a := range list {
		if a == "" || strings.ContainsFunc(a, func(r rune) bool { return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') }) {
			return nil, fmt.Errorf("unsupported architecture %.100q", c.Value)
		}
	}
	return list, nil
}

// Entries returns the affected entries of a record. Their ecosystem is the release.
func Entries(affected []Affected) ([]advisory.Affected, error) {
	entries := make([]advisory.Affected, len(affected))
	for i, a := range affected {
		entries[i].Package = advisory.Package{Ecosystem: a.Release, Name: a.Package}
		var specific struct {
			Status     string `json:"status,omitempty"`
			Modularity string `json:"rpm_modularity,omitempty"`
			Affects    struct {
				Arch []string `json:"arch,omitempty"`
			} `json:"affects,omitzero"`
		}
		specific.Affects.Arch, specific.Modularity = a.Arches, a.Module
		if a.NotAffected {
			specific.Status = advisory.StatusNotAffected.String()
		} else {
			entries[i].Ranges = []advisory.Range{{Type: advisory.Ecosystem, Events: a.events()}}
		}
		if specific.Status == "" && a.Module == "" && len(a.Arches) == 0 {
			continue
		}
		var err error
		if entries[i].EcosystemSpecific, err = json.Marshal(specific); err != nil {
			return nil, err
		}
	}
	return entries, nil
}
