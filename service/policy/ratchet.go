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

// A Ratchet gives the findings that a reference has as well a grace, while others fail at
// once. Decide counts in it. A nil pointer gives none.
type Ratchet struct {
	verdict.Ratchet
	// Reference has the findings of the reference, or is nil without one: every finding is
	// then introduced by the build.
	Reference *Reference
	// Arch is the architecture of the build, as NativeArch returns it.
	Arch    string
	written string
	// places has the packages of the reference that a package may have been, for each of
	// its paths.
	places map[*verdict.Package][][]*installed
}

// NewRatchet returns the ratchet of the policy of the service, without a reference.
func NewRatchet(service *ruleset.Effective) *Ratchet {
	rule := service.Ratchet
	return &Ratchet{
		Ratchet: verdict.Ratchet{Against: rule.Against, Grace: rule.Grace},
		written: service.Written(rule.Line),
		places:  make(map[*verdict.Package][][]*installed),
	}
}

// Bounds of the comparison with a reference. What is beyond them is introduced.
const (
	maxPaths    = 100 // of a package
	maxVersions = 16  // of a package that is installed several times at one path
)

// A Reference has the findings of the scan that a ratchet compares with.
type Reference struct {
	arch      string
	installed map[component][]*installed
	size      int
}

// A component is a digest of a package without its version, and of one of its paths.
type component [16]byte

// An installed package of a reference, and the ids of its vulnerabilities, sorted.
type installed struct {
	version string
	ids     []string
}

// NewReference returns the reference of an inventory, whose findings were matched with the
// data of today: a vulnerability that only later versions of a package have is not among
// them. Those that the distribution says not to affect the reference, or rates unimportant
// there, are left out, and so are those whose code is not in the program of the reference.
func NewReference(inv inventory.Inventory, findings []match.Finding) *Reference {
	ref := &Reference{arch: NativeArch(inv), installed: make(map[component][]*installed)}
	of := make(map[*verdict.Package]*installed)
	for _, f := range findings {
		if f.Owned || f.Unimportant || f.NotLinked {
			continue
		}
		p := of[f.Package]
		if p == nil {
			p = &installed{version: strings.Clone(f.Package.Version)}
			of[f.Package] = p
			ref.add(f.Package, p)
		}
		p.ids = append(p.ids, strings.Clone(f.ID))
		ref.size++
	}
	for _, p := range of {
		slices.Sort(p.ids)
	}
	return ref
}

func (ref *Reference) add(p *verdict.Package, as *installed) {
	if len(p.Paths) > maxPaths {
		return
	}
	for _, path := range paths(p) {
		c := componentOf(p, path, ref.arch)
		if len(ref.installed[c]) < maxVersions {
			ref.installed[c] = append(ref.installed[c], as)
			ref.size++
		}
	}
}

// Size returns the number of findings and places.
func (ref *Reference) Size() int { return ref.size }

// paths returns the paths of a package, or an empty one.
func paths(p *verdict.Package) []string {
	if len(p.Paths) == 0 {
		return []string{""}
	}
	return p.Paths
}

// componentOf returns the component of a package at a path, in an image of an architecture.
func componentOf(p *verdict.Package, path, arch string) component {
	of := p.Arch
	if of == arch && of != "" {
		of = "native"
	}
	var c component
	sum := sha256.Sum256([]byte(strings.Join([]string{p.Type, p.Name, of, path}, "\x00")))
	copy(c[:], sum[:])
	return c
}

// NativeArch returns the architecture that most packages of an image have, or "". An image
// that is built for several platforms has the same packages in each.
func NativeArch(inv inventory.Inventory) string {
	packages := make(map[string]int)
	native := ""
	for _, p := range inv.Packages {
		if p.Arch == "" || p.Arch == "all" || p.Arch == "noarch" {
			continue
		}
		packages[p.Arch]++
		if n := packages[p.Arch] - packages[native]; n > 0 || n == 0 && p.Arch < native {
			native = p.Arch
		}
	}
	return native
}

// known reports whether the reference has a finding as well: the same vulnerability in the
// same package at each of its paths, in the same version or an earlier one. A version that
// cannot be compared is a new one.
func (r *Ratchet) known(f match.Finding) bool {
	if r.Reference == nil || len(f.Package.Paths) > maxPaths {
		return false
	}
	places, ok := r.places[f.Package]
	if !ok {
		for _, path := range paths(f.Package) {
			places = append(places, r.Reference.notLater(f.Package, r.Reference.installed[componentOf(f.Package, path, r.Arch)]))
		}
		r.places[f.Package] = places
	}
	for _, place := range places {
		if !slices.ContainsFunc(place, func(p *installed) bool {
			_, has := slices.BinarySearch(p.ids, f.ID)
			return has
		}) {
			return false
		}
	}
	return true
}

// notLater returns the installed packages whose versions are not later than that of p.
func (ref *Reference) notLater(p *verdict.Package, all []*installed) []*installed {
	var found []*installed
	for _, i := range all {
		if i.version == p.Version {
			found = append(found, i)
			continue
		}
		order, ok := match.VersionOrder(p.Type)
		if !ok {
			continue
		}
		if n, err := order.Comparer()(p.Version, i.version); err == nil && n >= 0 {
			found = append(found, i)
		}
	}
	return found
}

// grace returns the grounds on which a finding that would fail has a grace, had one or has
// none, and whether it still has it. They are nil without a reference.
func (r *Ratchet) grace(f match.Finding, now time.Time) (grounds *verdict.Grounds, waits bool) {
	if r == nil {
		return nil, false
	}
	if !r.known(f) {
		r.Introduced++
		if r.Reference == nil {
			return nil, false
		}
		return &verdict.Grounds{Reason: "introduced by this build", Written: r.written}, false
	}
	r.Known++
	until, reason := graceOf(f, r.Grace, now)
	if until.IsZero() {
		return &verdict.Grounds{Reason: fmt.Sprintf("known in %s, without a known day of the fix", r.Against), Written: r.written}, false
	}
	grounds = &verdict.Grounds{Reason: fmt.Sprintf("known in %s; %s", r.Against, reason), Until: &until, Written: r.written}
	if now.Before(until) {
		r.InGrace++
		r.Ends = earlier(r.Ends, until)
		return grounds, true
	}
	grounds.Reason = fmt.Sprintf("known in %s, and its grace is over; %s", r.Against, reason)
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
