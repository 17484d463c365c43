package match

import (
	"fmt"
	"slices"
	"strings"

	"assay/inspect/inventory"
	"assay/service/version"
)

// ownership decides what it means that a package of a language lies in a package
// of the system, and returns the subject that it is judged as.
//
// The distribution answers for what it built, as long as nobody has changed it
// since. So a package whose file has another digest than the owner's database
// has, or whose owner is a stranger's, stands for itself. Who keeps the owner shows
// in its address; but one in ten of Debian's maintainers has an address of his own.
// Their package is no stranger's if it is of the version that it packages. An owner
// that none of the distribution's advisories is about answers for nothing, whoever
// keeps it: its name may be made up. Of all others:
//
//   - One that is what its owner packages, in the version of it (requests 2.28.1
//     in python3-requests 2.28.1+dfsg-1), is judged by the owner's advisories
//     alone, provided that they name also what has no fix: Debian's and Ubuntu's
//     do. What the package's own advisories find is shown as judged by the owner.
//     The owner's version tells what was fixed in it, and the package's own does not. AlmaLinux, CentOS, Red Hat and Rocky Linux answer for such a package
//     in the same way, but their data names only now and then what has no fix. Where
//     it does not for this owner, what the package's own advisories find is shown.
//   - One that is built into a program of the owner, as a Go module is, is matched
//     by its own advisories too. What they find is shown, and fails only if the
//     owner's advisories find the same vulnerability: the distribution has built
//     the program, and knows which parts of a module are in it.
//   - All others are matched by both: those whose owner has another version, as
//     it carries them beside what it packages, and those whose owner's advisories
//     name only what has a fix. What their own find fails unless the owner's know
//     the vulnerability, and by them the owner is not affected.
//
// What the owner is found to have is the owner's finding, and no other's.
func (m *matcher) ownership(p inventory.Package, s subject) (subject, error) {
	if p.Owner == nil || p.Owner.Digest == inventory.DigestDifferent || systemPackage(p.Type) || m.target.reason != "" {
		return s, nil
	}
	owner, ok := m.owner(p.Owner.Package)
	if !ok {
		return s, nil
	}
	of, _, err := m.subject(owner)
	if err != nil || of.scheme == nil {
		return s, err
	}
	judged, err := m.judgementOf(of)
	if err != nil || judged.badVersion != "" {
		return s, err
	}
	if m.owning[judged] == nil {
		m.owning[judged] = &owning{subject: of}
	}
	// Anybody can write a package into the database that claims the files of others.
	if known, err := m.known(judged); err != nil || len(known) == 0 {
		return s, err
	}
	embedded := p.EmbeddedIn != ""
	same := !embedded && packages(s, of, owner.Version)
	if !m.target.builder(owner.Vendor) && !same {
		return s, nil
	}
	alone := same && m.target.unfixed
	if same && !alone && m.target.answers {
		// Their data rarely names what has no fix; of this package it may.
		if alone, err = m.namesUnfixed(judged); err != nil {
			return s, err
		}
	}
	s.owner, s.embedded, s.alone = judged, embedded, alone
	s.answered = alone || same && m.target.answers
	s.owned = fmt.Sprintf("%s, built by %s", shown(owner.Name), m.target.system.Ecosystem)
	return s, nil
}

// owner returns the package of the system of that name.
func (m *matcher) owner(name string) (inventory.Package, bool) {
	if m.owners == nil {
		m.owners = make(map[string]int)
		for i, p := range m.packages {
			if p.Type == m.target.typ {
				m.owners[p.Name] = i
			}
		}
	}
	i, ok := m.owners[name]
	if !ok {
		return inventory.Package{}, false
	}
	return m.packages[i], true
}

// packages reports whether the owner is the system's package of what s is: the
// version of the one is the upstream part of the other's, or of its source's.
func packages(s, owner subject, ownerVersion string) bool {
	compare := s.scheme.order.Comparer()
	return slices.ContainsFunc(append(upstreams(owner.version), upstreams(ownerVersion)...), func(v string) bool {
		return sameVersion(compare, s.version, v)
	})
}

func sameVersion(compare version.Compare, a, b string) bool {
	c, err := compare(a, b)
	return err == nil && c == 0
}

// upstreams returns what the version of a system's package may say about the
// version that it packages: without epoch and revision as it is, without the
// distribution's marks ("+dfsg", "+ds1", "~rc1" as "rc1"), and what really is in
// it ("1.4+really1.3.36").
func upstreams(v string) []string {
	if epoch, rest, ok := strings.Cut(v, ":"); ok && digits(epoch) {
		v = rest
	}
	if i := strings.LastIndexByte(v, '-'); i > 0 {
		v = v[:i]
	}
	if _, really, ok := strings.Cut(v, "+really"); ok {
		v = really
	}
	bare, _, _ := strings.Cut(v, "+")
	return []string{v, bare, strings.ReplaceAll(bare, "~", "")}
}

// leave marks a claim that is left to the distribution, and says why. It reports
// whether the owner has the same finding: then that one stands, with a fix that the
// package can take.
func (m *matcher) leave(s subject, c *Claim) (owners bool, err error) {
	if s.owner == nil {
		return false, nil
	}
	known, err := m.known(s.owner)
	if err != nil {
		return false, err
	}
	isKnown := known[c.ID] || slices.ContainsFunc(c.Aliases, func(name string) bool { return known[name] })
	switch {
	case slices.ContainsFunc(s.owner.findings, func(o *Claim) bool { return o.same(c) }):
		return true, nil
	case isKnown:
		c.Owned = true
		c.Why += fmt.Sprintf("; it is part of %s, which lists it as not affected", s.owned)
	case s.answered:
		c.Owned = true
		c.Why += fmt.Sprintf("; it is packaged as %s, which has no advisory of this vulnerability for it", s.owned)
	case s.embedded:
		c.Owned = true
		c.Why += fmt.Sprintf("; it is built into %s, which does not list it as affected", s.owned)
	}
	return false, nil
}

// same reports whether two claims are of one vulnerability.
func (c *Claim) same(o *Claim) bool {
	return c.ID == o.ID || slices.Contains(c.Aliases, o.ID) || slices.Contains(o.Aliases, c.ID)
}

// An owning is a package of the system that has others in it.
type owning struct {
	subject subject
	known   map[string]bool // vulnerabilities; nil until it is asked for
	open    bool            // some of its advisories name no fix
}

// namesUnfixed reports whether the advisories about the owner, whose judgement j is,
// name also what has no fix.
func (m *matcher) namesUnfixed(j *judgement) (bool, error) {
	_, err := m.known(j)
	return m.owning[j].open, err
}

// known returns the vulnerabilities that advisories about the owner, whose judgement
// j is, are about, whether they affect it or not.
func (m *matcher) known(j *judgement) (map[string]bool, error) {
	o := m.owning[j]
	if o.known != nil {
		return o.known, nil
	}
	said, err := m.said(o.subject, o.subject.comparer(), &judgement{})
	if err != nil {
		return nil, err
	}
	o.known = make(map[string]bool)
	for _, h := range said.all {
		if h.failed {
			continue
		}
		o.open = o.open || slices.ContainsFunc(h.entry.Ranges, func(r Range) bool { return lastFix(r) == "" })
		about, err := m.records.vulnerabilities(h.entry.Advisory)
		if err != nil {
			return nil, err
		}
		for _, v := range about {
			o.known[v.id] = true
		}
	}
	return o.known, nil
}
