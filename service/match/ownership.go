package match

import (
	"fmt"
	"slices"
	"strings"

	"assay/inspect/inventory"
	"assay/service/distro"
	"assay/service/index"
	"assay/service/version"
)

// ownership decides what it means that a package of a language is part of a package of
// the system, its owner, and returns the lookup that results.
//
// The distribution answers for what it built, as long as nobody has changed it since.
// So the owner does not count if the file of the package has another digest than in the
// owner's database, or if another vendor built the owner. The maintainer's address shows
// who built it, or the key and the vendor of an rpm. But one in ten of Debian's maintainers
// has an address of their own, so their packages count if owner and package have the same
// version. An owner that no advisory of the distribution is about does not count, whoever
// built it: its name may be made up. Otherwise:
//
//   - If the package is what its owner packages, in the same version (requests 2.28.1 in
//     python3-requests 2.28.1+dfsg-1), only the owner's advisories decide, provided that
//     they include vulnerabilities without a fix, as those of Debian and Ubuntu do. The
//     owner's version shows what was fixed in it, and the package's version does not.
//     What the package's own advisories find is shown as answered by the owner. AlmaLinux,
//     CentOS, Red Hat and Rocky Linux answer for such packages in the same way, but only
//     some of their records have no fix. If none about this owner does, the findings of
//     the package's own advisories are shown.
//   - If the package is built into a program of the owner, as Go modules are, its own
//     advisories are used as well. Their findings are shown, and fail only if the owner's
//     advisories have the same finding. The distribution built the program, and knows
//     which parts of a module are in it.
//   - All other packages are evaluated with both: those whose owner has another version,
//     because it bundles them, and those whose owner's advisories only include
//     vulnerabilities with a fix. The findings of their own advisories fail, unless the
//     owner's advisories are about the vulnerability and say that the owner is not
//     affected.
//
// A finding of the owner is reported for the owner only.
func (m *matcher) ownership(p inventory.Package, l lookup) (lookup, error) {
	if p.Owner == nil || p.Owner.Digest == inventory.DigestDifferent || distro.SystemPackage(p.Type) || m.system.reason != "" {
		return l, nil
	}
	owner, of, e, err := m.ownerOf(p)
	if err != nil || e == nil {
		return l, err
	}
	embedded := p.EmbeddedIn != ""
	same := !embedded && packages(l, of, owner.Version)
	d := m.system.distribution
	if !d.Built(owner) && !same {
		return l, nil
	}
	alone := same && d.ListsUnfixed
	if same && !alone && d.FixesOwn {
		// The distribution's data rarely includes vulnerabilities without a fix, but it may
		// for this owner.
		if alone, err = m.listsUnfixed(e); err != nil {
			return l, err
		}
	}
	l.owner, l.embedded, l.alone = e, embedded, alone
	l.answered = alone || same && d.FixesOwn
	l.owned = fmt.Sprintf("%s, built by %s", shown(owner.Name), m.system.verdict.Ecosystem)
	return l, nil
}

// ownerOf returns the owner of a package, its lookup and its evaluation. The evaluation
// is nil if the owner is not installed, cannot be evaluated, or is unknown to the
// distribution's advisories: anybody can add a package to the database that claims the
// files of others.
func (m *matcher) ownerOf(p inventory.Package) (owner inventory.Package, of lookup, e *evaluation, err error) {
	owner, ok := m.owner(p.Owner.Package)
	if !ok {
		return owner, of, nil, nil
	}
	of, _, err = m.lookup(owner)
	if err != nil || of.rules == nil {
		return owner, of, nil, err
	}
	e, err = m.evaluate(of)
	if err != nil || e.badVersion != "" {
		return owner, of, nil, err
	}
	if m.owning[e] == nil {
		m.owning[e] = &owning{lookup: of}
	}
	if known, err := m.known(e); err != nil || len(known) == 0 {
		return owner, of, nil, err
	}
	return owner, of, e, nil
}

// owner returns the package of the system with a name.
func (m *matcher) owner(name string) (inventory.Package, bool) {
	if m.owners == nil {
		m.owners = make(map[string]int)
		for i, p := range m.packages {
			if p.Type == m.system.typ {
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

// packages reports whether the owner is the system's package of what l is: the version
// of l is the upstream part of the owner's version or of its source's.
func packages(l, owner lookup, ownerVersion string) bool {
	compare := l.rules.order.Comparer()
	return slices.ContainsFunc(append(upstreams(owner.version), upstreams(ownerVersion)...), func(v string) bool {
		return sameVersion(compare, l.version, v)
	})
}

func sameVersion(compare version.Compare, a, b string) bool {
	c, err := compare(a, b)
	return err == nil && c == 0
}

// upstreams returns the upstream versions that the version of a system package may be
// of: without epoch and revision, without the distribution's suffixes ("+dfsg", "+ds1"),
// with "~rc1" as "rc1", and with what it really contains ("1.4+really1.3.36").
func upstreams(v string) []string {
	v = version.WithoutEpoch(v)
	if i := strings.LastIndexByte(v, '-'); i > 0 {
		v = v[:i]
	}
	if _, really, ok := strings.Cut(v, "+really"); ok {
		v = really
	}
	bare, _, _ := strings.Cut(v, "+")
	return []string{v, bare, strings.ReplaceAll(bare, "~", "")}
}

// leave marks a match that is left to the distribution, with the reason. It reports
// whether the owner has the same finding. That one is reported then, with a fix that
// can be installed.
func (m *matcher) leave(l lookup, c *Match) (owners bool, err error) {
	if l.owner == nil {
		return false, nil
	}
	known, err := m.known(l.owner)
	if err != nil {
		return false, err
	}
	isKnown := known[c.ID] || slices.ContainsFunc(c.Aliases, func(name string) bool { return known[name] })
	switch {
	case slices.ContainsFunc(l.owner.matches, func(o *Match) bool { return o.same(c) }):
		return true, nil
	case isKnown:
		c.Owned = true
		c.Why += fmt.Sprintf("; it is part of %s, which lists it as not affected", l.owned)
	case l.answered:
		c.Owned = true
		c.Why += fmt.Sprintf("; it is packaged as %s, which has no advisory of this vulnerability for it", l.owned)
	case l.embedded:
		c.Owned = true
		c.Why += fmt.Sprintf("; it is built into %s, which does not list it as affected", l.owned)
	}
	return false, nil
}

// same reports whether two matches are of one vulnerability.
func (c *Match) same(o *Match) bool {
	return c.ID == o.ID || slices.Contains(c.Aliases, o.ID) || slices.Contains(o.Aliases, c.ID)
}

// An owning is a package of the system that others are part of.
type owning struct {
	lookup lookup
	known  map[string]bool // vulnerabilities; nil until it is asked for
	open   bool            // some of its advisories name no fix
}

// listsUnfixed reports whether the advisories about the owner with an evaluation include
// vulnerabilities without a fix.
func (m *matcher) listsUnfixed(e *evaluation) (bool, error) {
	_, err := m.known(e)
	return m.owning[e].open, err
}

// known returns the vulnerabilities that the advisories about the owner with an
// evaluation are about, whether they affect it or not.
func (m *matcher) known(e *evaluation) (map[string]bool, error) {
	o := m.owning[e]
	if o.known != nil {
		return o.known, nil
	}
	found, err := m.candidates(o.lookup, &evaluation{})
	if err != nil {
		return nil, err
	}
	o.known = make(map[string]bool)
	for _, c := range found.all {
		if c.failed {
			continue
		}
		d := m.system.distribution
		o.open = o.open || d.OwnUnfixed && c.entry.Source == d.Publisher || slices.ContainsFunc(c.entry.Ranges, func(r index.Range) bool { return r.LastFix() == "" })
		about, err := m.records.vulnerabilities(c.entry.Advisory)
		if err != nil {
			return nil, err
		}
		for _, v := range about {
			o.known[v.id] = true
		}
	}
	return o.known, nil
}
