package policy

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"assay/inspect/inventory"
	"assay/service/match"
	"assay/service/policy/ruleset"
	"assay/verdict"
)

// A Ratchet gives findings in components that a reference has a grace, while those in
// other components fail at once. Decide counts in it. A nil pointer gives none.
type Ratchet struct {
	verdict.Ratchet
	// Components are those of the reference, or nil without one: every finding is then
	// introduced by the build.
	Components *Components
	written    string
}

// NewRatchet returns the ratchet of the policy of the service, without a reference.
func NewRatchet(service *ruleset.Effective) *Ratchet {
	rule := service.Ratchet
	return &Ratchet{
		Ratchet: verdict.Ratchet{Against: rule.Against, Grace: rule.Grace},
		written: service.Written(rule.Line),
	}
}

// Components are the packages of a reference.
type Components struct {
	versions map[component][]string
}

// A component is a digest of a package without its version, and of one of its paths.
type component [16]byte

func componentOf(typ, name, arch, path string) component {
	var c component
	sum := sha256.Sum256([]byte(strings.Join([]string{typ, name, arch, path}, "\x00")))
	copy(c[:], sum[:])
	return c
}

// ComponentsOf returns the components of an inventory.
func ComponentsOf(inv inventory.Inventory) *Components {
	all := &Components{versions: make(map[component][]string, len(inv.Packages))}
	add := func(p inventory.Package, path string) {
		c := componentOf(p.Type, p.Name, p.Arch, path)
		if !slices.Contains(all.versions[c], p.Version) {
			all.versions[c] = append(all.versions[c], strings.Clone(p.Version))
		}
	}
	for _, p := range inv.Packages {
		for _, e := range p.Evidence {
			add(p, e.Path)
		}
		if len(p.Evidence) == 0 {
			add(p, "")
		}
	}
	return all
}

// Len returns the number of components.
func (c *Components) Len() int { return len(c.versions) }

// have reports whether the reference has a package at each of its paths, in the same
// version or an earlier one. A version that cannot be compared is a new one.
func (c *Components) have(p *verdict.Package) bool {
	if c == nil {
		return false
	}
	notLower := func(than string) bool {
		if than == p.Version {
			return true
		}
		order, ok := match.VersionOrder(p.Type)
		if !ok {
			return false
		}
		n, err := order.Comparer()(p.Version, than)
		return err == nil && n >= 0
	}
	paths := p.Paths
	if len(paths) == 0 {
		paths = []string{""}
	}
	for _, path := range paths {
		if !slices.ContainsFunc(c.versions[componentOf(p.Type, p.Name, p.Arch, path)], notLower) {
			return false
		}
	}
	return true
}

// grace returns the grounds on which a finding that would fail has a grace or had one, or
// nil, and whether it still has it.
func (r *Ratchet) grace(f match.Finding, now time.Time) (grounds *verdict.Grounds, waits bool) {
	if r == nil {
		return nil, false
	}
	if !r.Components.have(f.Package) {
		r.Introduced++
		return nil, false
	}
	r.Known++
	until, reason := graceOf(f, r.Grace, now)
	if until.IsZero() {
		return nil, false
	}
	grounds = &verdict.Grounds{Reason: fmt.Sprintf("known in %s; %s", r.Against, reason), Until: &until, Written: r.written}
	if now.Before(until) {
		r.InGrace++
		r.Ends = earlier(r.Ends, until)
		return grounds, true
	}
	r.Overdue++
	r.OverdueSince = earlier(r.OverdueSince, until)
	return grounds, false
}

// earlier returns the earlier one of a time that may be nil and another.
func earlier(a *time.Time, b time.Time) *time.Time {
	if a != nil && !b.Before(*a) {
		return a
	}
	return &b
}
