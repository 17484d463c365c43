// Package match says what advisories say about an inventory. It is pure: it
// reads an Index and nothing else, so the same inventory, index and day always
// give the same result.
package match

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"time"

	"assay/inspect/inventory"
	"assay/remote/purl"
	"assay/service/advisory"
	"assay/service/version"
	"assay/verdict"
)

// maxFindings is some 20 times what the largest real images have.
const maxFindings = 100_000

// ErrTooMany is returned for an inventory that has more findings than a real
// image can have, such as one package many times over.
var ErrTooMany = fmt.Errorf("more than %d findings", maxFindings)

// Match judges every package of an inventory by the advisories in ix, on the
// day of today. An error comes from ix or is ErrTooMany; what cannot be judged is
// in the result as Unjudged. Purls of container images are no packages and not
// counted.
//
// Where ix has a Memo, what is in it is not judged again.
//
// A package of the system is judged by the system's advisories, under the name
// that they use: with Debian and Ubuntu that of the source package, whose version
// counts then. A finding is one vulnerability in one binary package, so a source
// with several installed packages has it several times. A package of a language
// is judged by the advisories of its ecosystem, unless it lies in a package of
// the system (ownership).
func Match(inv inventory.Inventory, ix Index, today time.Time) (Result, error) {
	return matchWith(inv, ix, today, nil)
}

// matchWith is Match that notes what it does in a trace, unless that is nil.
func matchWith(inv inventory.Inventory, ix Index, today time.Time, trace *Trace) (Result, error) {
	m := newMatcher(inv, ix, today)
	if m.trace = trace; trace != nil {
		m.memo = nil
	}
	if err := m.target.hold(ix); err != nil {
		return Result{}, err
	}
	res := Result{System: m.target.system}
	judgements := make([]*judgement, len(inv.Packages)) // nil where a package is not judged
	total := 0
	for i, p := range inv.Packages {
		if container(p.Type) {
			m.trace.notEvaluated(i, "a container image is not a package")
			continue
		}
		res.Packages++
		part := m.account.of(p.Type)
		part.Packages++
		s, gap, err := m.subject(p)
		if err != nil {
			return Result{}, err
		}
		if s.scheme == nil {
			answered, err := m.answered(p, gap)
			if err != nil {
				return Result{}, err
			}
			if answered {
				res.Judged++
				part.Evaluated++
				m.trace.answered(i, p)
				continue
			}
			part.missed(p, gap)
			m.trace.notEvaluated(i, gap.Reason)
			continue
		}
		if s, err = m.ownership(p, s); err != nil {
			return Result{}, err
		}
		j, err := m.judgementOf(s)
		if err != nil {
			return Result{}, err
		}
		m.trace.evaluated(i, p, s, j)
		if j.badVersion != "" {
			part.missed(p, Unjudged{Ecosystem: s.scheme.ecosystems[0], Type: p.Type, Cause: CauseVersion, Reason: j.badVersion})
			continue
		}
		res.Judged++
		if len(j.gaps) == 0 {
			part.Evaluated++
		}
		for _, gap := range j.gaps {
			part.missed(p, gap)
		}
		judgements[i] = j
		if total += len(j.findings); total > maxFindings {
			return Result{}, ErrTooMany
		}
	}
	if total > 0 {
		res.Findings = m.findings(judgements, total)
	}
	res.Unjudged = m.account.unjudged()
	res.Parts = m.account.result(m.target)
	return res, nil
}

// answered reports whether the distribution alone answers for a package of a
// language whose own advisories are not held: they would not be asked.
func (m *matcher) answered(p inventory.Package, gap Unjudged) (bool, error) {
	by := m.languages[languageKey{p.Type, originOf(p.Name)}]
	if gap.Cause != CauseType || p.Owner == nil || by == nil {
		return false, nil
	}
	s, err := m.ownership(p, subjectOf(p, by))
	return s.alone, err
}

// findings returns what the judgements of the packages find, sorted.
func (m *matcher) findings(judgements []*judgement, total int) []Finding {
	found := make([]int, 0, len(judgements)) // packages
	for i, j := range judgements {
		if j != nil && len(j.findings) > 0 {
			found = append(found, i)
		}
	}
	byName := func(a, b int) int {
		p, q := &m.packages[a], &m.packages[b]
		return cmp.Or(strings.Compare(p.Name, q.Name), strings.Compare(p.Version, q.Version))
	}
	slices.SortStableFunc(found, byName)
	all := make([]Finding, 0, total)
	twins := false // two packages of one name and version
	for k, i := range found {
		twins = twins || k > 0 && byName(found[k-1], i) == 0
		about := m.describe(m.packages[i])
		for _, c := range judgements[i].findings {
			all = append(all, Finding{Claim: c, Package: about})
		}
	}
	if twins {
		slices.SortStableFunc(all, compareFindings)
	}
	return all // those of each package come sorted
}

// compareFindings orders findings by package, version and id.
func compareFindings(a, b Finding) int {
	if c := strings.Compare(a.Package.Name, b.Package.Name); c != 0 {
		return c
	}
	if c := strings.Compare(a.Package.Version, b.Package.Version); c != 0 {
		return c
	}
	return compareIDs(a.ID, b.ID)
}

// A matcher is one run of Match.
type matcher struct {
	system   inventory.System
	packages []inventory.Package
	target   target
	arch     string // of the system, by Go's name; empty where it is not known
	ix       Index
	memo     *Memo  // nil where ix has none
	trace    *Trace // nil for none
	key      []byte // see memoKey
	records  records
	subjects map[subject]*judgement
	account  account
	// languages are the schemes of packages that belong to no system; without
	// ecosystems where nothing is held for them, nil where they have none.
	languages map[languageKey]*scheme
	owners    map[string]int // system packages by name, made when first needed
	owning    map[*judgement]*owning
	epochs    map[[2]string]string // of sources and their versions, made when first needed
}

type languageKey struct {
	typ    string
	origin origin
}

func newMatcher(inv inventory.Inventory, ix Index, today time.Time) *matcher {
	m := &matcher{
		system:    inv.System,
		packages:  inv.Packages,
		target:    judgedAs(inv, today),
		ix:        ix,
		subjects:  make(map[subject]*judgement),
		account:   newAccount(),
		languages: make(map[languageKey]*scheme),
		owning:    make(map[*judgement]*owning),
	}
	if m.memo = ix.Memo(); m.memo != nil {
		m.records = records{ix, m.memo.lookedUp}
	} else {
		m.records = records{ix, newLookedUp()}
	}
	for _, p := range inv.Packages {
		if systemPackage(p.Type) && p.Arch != "" && p.Arch != "all" && p.Arch != "noarch" {
			m.arch = goArch(p.Arch)
			break
		}
	}
	return m
}

// subject returns what a package is judged as; without a scheme where it is not
// judged at all, and then gap tells why.
func (m *matcher) subject(p inventory.Package) (s subject, gap Unjudged, err error) {
	gap = Unjudged{Ecosystem: m.target.system.Ecosystem, Type: p.Type}
	switch {
	case systemPackage(p.Type) && originOf(p.Name) == fromRoot && m.target.typ == p.Type:
		by, err := m.held(languageKey{p.Type, fromRoot}, func() (scheme, bool) {
			return scheme{
				typ: p.Type, order: m.target.order,
				ecosystems: []string{"Root:" + strings.Replace(m.target.system.Ecosystem, ":v", ":", 1)},
			}, true
		})
		if err != nil {
			return subject{}, gap, err
		}
		s = subjectOf(p, by)
		gap.Cause, gap.Reason = CauseSystem, "no advisories of Root are held"
	case m.target.reason == "" && p.Type == m.target.typ:
		if vendor := m.target.stranger(p); vendor != "" {
			gap.Cause, gap.Reason = CauseVendor, fmt.Sprintf("built by %s, not by %s", vendor, m.target.distribution())
			return subject{}, gap, nil
		}
		if p, gap.Reason, err = m.withSource(p); err != nil || gap.Reason != "" {
			gap.Cause = CauseSystem
			return subject{}, gap, err
		}
		s = m.addEpoch(p, subjectOf(p, &m.target.scheme))
	case systemPackage(p.Type):
		gap.Cause, gap.Reason = CauseSystem, m.target.reason
		if gap.Reason == "" {
			gap.Ecosystem = ""
			gap.Reason = fmt.Sprintf("%s packages do not belong to %s", p.Type, m.target.system.Ecosystem)
		}
		return subject{}, gap, nil
	default:
		gap.Ecosystem, gap.Cause = "", CauseType
		key := languageKey{p.Type, originOf(p.Name)}
		by, err := m.held(key, func() (scheme, bool) { return language(key.typ, key.origin) })
		if err != nil {
			return subject{}, gap, err
		}
		if by == nil || len(by.ecosystems) == 0 {
			gap.Reason = fmt.Sprintf("no advisories for %s packages are held", shown(p.Type))
			if !Covered(p.Type) {
				gap.Cause = CauseUncovered
				gap.Reason = fmt.Sprintf("no public source has advisories for %s packages", shown(p.Type))
			}
			return subject{}, gap, nil
		}
		s = subjectOf(p, by)
	}
	if len(s.scheme.ecosystems) == 0 {
		return subject{}, gap, nil
	}
	if p.Owner != nil && p.Owner.Package == "" && p.Owner.Digest != inventory.DigestDifferent {
		gap.Cause, gap.Ecosystem = CauseOwner, s.scheme.ecosystems[0]
		gap.Reason = "the owner is unknown, because the system's packages have no lists of files"
		return subject{}, gap, nil
	}
	if stranger := p.Owner == nil || p.Owner.Digest == inventory.DigestDifferent; stranger && p.Type == "maven" && !strings.Contains(p.Name, ":") {
		gap.Cause, gap.Ecosystem = CauseName, s.scheme.ecosystems[0]
		gap.Reason = "Java archives that do not say who they are, by group and artifact"
		return subject{}, gap, nil
	}
	return s, Unjudged{}, nil
}

// withSource returns a package with its source package. Chisel's manifest does not name
// it: then it is the one that the advisories of the system name. Where they name none or
// several, reason says so, and the package cannot be evaluated.
func (m *matcher) withSource(p inventory.Package) (with inventory.Package, reason string, err error) {
	chiseled := func(e inventory.Evidence) bool { return e.Kind == "chisel" }
	if p.Source != "" || m.target.scheme.names != bySource || !slices.ContainsFunc(p.Evidence, chiseled) {
		return p, "", nil
	}
	var sources []string
	for _, ecosystem := range m.target.ecosystems {
		more, err := m.ix.Sources(ecosystem, p.Name)
		if err != nil {
			return p, "", err
		}
		sources = append(sources, more...)
	}
	slices.Sort(sources)
	sources = slices.Compact(sources)
	switch len(sources) {
	case 0:
		return p, "neither the image nor the advisories say from which source packages they were built", nil
	case 1:
		p.Source, p.SourceVersion = sources[0], p.Version
		return p, "", nil
	}
	return p, "the advisories say that they were built from several source packages: " + shown(strings.Join(sources, ", ")), nil
}

// held returns the scheme of a key with those of its ecosystems that the index has
// records of, nil where it has no scheme. It asks of once.
func (m *matcher) held(key languageKey, of func() (by scheme, ok bool)) (*scheme, error) {
	if s, ok := m.languages[key]; ok {
		return s, nil
	}
	by, ok := of()
	if !ok {
		m.languages[key] = nil
		return nil, nil
	}
	var held []string
	for _, e := range by.ecosystems {
		n, err := m.ix.Records(e)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			held = append(held, e)
		}
	}
	by.hold(held)
	m.languages[key] = &by
	return &by, nil
}

// systemPackage reports whether packages of a purl type come with the operating
// system.
func systemPackage(purlType string) bool {
	switch purlType {
	case deb, apk, rpm, "alpm", "opkg":
		return true
	}
	return false
}

// describe returns a package as findings carry it.
func (m *matcher) describe(p inventory.Package) *verdict.Package {
	pkg := &verdict.Package{
		Type: p.Type, Name: p.Name, Version: p.Version, Arch: p.Arch,
		Source: p.Source, SourceVersion: p.SourceVersion,
		PURL: purl.Of(p, m.system).String(),
	}
	for _, e := range p.Evidence {
		if !slices.Contains(pkg.Paths, e.Path) {
			pkg.Paths = append(pkg.Paths, e.Path)
		}
	}
	return pkg
}

// A judgement is what the data says of one subject.
type judgement struct {
	findings []*Claim // by id
	gaps     []Unjudged
	// badVersion is why nothing can be said: the version is none.
	badVersion string
}

// judgementOf judges one subject, once.
func (m *matcher) judgementOf(s subject) (*judgement, error) {
	if j := m.remembered(s); j != nil {
		return j, nil
	}
	if j, ok := m.subjects[s]; ok {
		return j, nil
	}
	j, err := m.judge(s)
	if err != nil {
		return nil, err
	}
	m.subjects[s] = j
	m.remember(s, j)
	return j, nil
}

func (m *matcher) judge(s subject) (*judgement, error) {
	compare := s.comparer()
	if _, err := compare(s.version, s.version); err != nil {
		return &judgement{badVersion: fmt.Sprintf("%s: %v", shown(s.shownName()), err)}, nil
	}
	j := &judgement{}
	failed := j
	if s.alone {
		failed = &judgement{} // its owner is judged in its place
	}
	said, err := m.said(s, compare, failed)
	if err != nil {
		return nil, err
	}
	m.trace.join(j, failed)
	if !slices.ContainsFunc(said.all, func(h *hit) bool { return h.affected }) {
		return j, nil
	}
	said.index()
	groups := make(map[string]*group)
	for _, h := range said.all {
		if !h.affected {
			continue
		}
		rec, err := m.records.of(h.entry)
		if err != nil {
			return nil, err
		}
		if rec != nil && rec.Notice {
			continue
		}
		vs, err := m.records.vulnerabilities(h.entry.Advisory)
		if err != nil {
			return nil, err
		}
		for _, v := range vs {
			g := groups[v.id]
			if g == nil {
				g = &group{vulnerability: vulnerability{id: v.id, names: v.names}}
				groups[v.id] = g
			}
			g.hits = append(g.hits, h)
			for _, n := range v.via {
				if !slices.Contains(g.via, n) {
					g.via = append(g.via, n)
				}
			}
		}
	}
	streams, err := m.streams(s, said)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		before := m.trace.hits(g)
		heard := said.decide(g)
		for i, by := range heard {
			if streams[stream{by.source, g.id}] {
				heard[i].last = 0
				g.hits = slices.DeleteFunc(g.hits, func(h *hit) bool { return h.entry.Source == by.source && h.rank > 0 })
			}
		}
		paid := g.leaveSubscriptions(s.scheme)
		m.trace.decided(j, g, before, said)
		if len(g.hits) == 0 {
			continue
		}
		c, err := m.claim(s, compare, g, said, heard, paid)
		if err != nil {
			return nil, err
		}
		if owners, err := m.leave(s, c); err != nil {
			return nil, err
		} else if !owners {
			j.findings = append(j.findings, c)
		}
	}
	slices.SortFunc(j.findings, func(a, b *Claim) int { return compareIDs(a.ID, b.ID) })
	return j, nil
}

// A hit is an affected entry of a subject, and what it says of its version.
type hit struct {
	ecosystem string
	rank      int    // of the ecosystem, 0 being the most telling
	name      string // under which it was found
	entry     Affected
	outcome
	failed bool // it could not be evaluated
}

// sayings are all entries that speak of one subject, affected or not, by rank
// and then by advisory.
type sayings struct {
	all []*hit
	// byName finds them by the id of the advisory and by the CVE in it. It is made
	// by index.
	byName map[string][]*hit
}

// index makes byName.
func (said *sayings) index() {
	said.byName = make(map[string][]*hit, 2*len(said.all))
	slab := make([]*hit, 0, 2*len(said.all)) // most names have one entry
	add := func(name string, h *hit) {
		if before := said.byName[name]; before != nil {
			said.byName[name] = append(before, h)
			return
		}
		slab = append(slab, h)
		said.byName[name] = slab[len(slab)-1 : len(slab) : len(slab)]
	}
	for _, h := range said.all {
		add(h.entry.Advisory, h)
		if cve := cveIn(h.entry.Advisory); cve != "" && cve != h.entry.Advisory {
			add(cve, h)
		}
	}
}

// said looks up what is said of a subject and evaluates it; what could not be
// evaluated goes to the gaps of j.
func (m *matcher) said(s subject, compare version.Compare, j *judgement) (sayings, error) {
	var said sayings
	for i, ecosystem := range s.scheme.ecosystems {
		rank := 0
		base := s.scheme.extended != "" && redHatBase(ecosystem)
		switch {
		case s.scheme.ranked:
			rank = i
		case base:
			rank = 1
		}
		for _, name := range s.lookups() {
			entries, err := m.ix.Affected(ecosystem, NormalName(ecosystem, name))
			if err != nil {
				return sayings{}, err
			}
			said.all = slices.Grow(said.all, len(entries))
			hits := make([]hit, 0, len(entries))
			for e := range m.concerning(s, compare, entries, Lookup{ecosystem, name}, j) {
				if base {
					if main, err := m.mainPhase(s, e); err != nil {
						return sayings{}, err
					} else if !main {
						m.trace.entry(j, Lookup{ecosystem, name}, e, EntryOtherBuild, "the entry is about a later minor release than that of the image", nil)
						continue
					}
				}
				out, err := evaluate(compare, s.public(e), e)
				if err != nil {
					// Of a scan's strings each holds the whole document.
					gap := Unjudged{
						Ecosystem: strings.Clone(ecosystem), Type: strings.Clone(s.scheme.typ), Cause: CauseVersion,
						Reason: fmt.Sprintf("%s of %s: %v", shown(e.Advisory), shown(name), err),
					}
					if !slices.Contains(j.gaps, gap) {
						j.gaps = append(j.gaps, gap)
					}
				}
				hits = append(hits, hit{ecosystem, rank, name, e, out, err != nil})
				said.all = append(said.all, &hits[len(hits)-1])
				m.trace.compared(j, s, compare, Lookup{ecosystem, name}, &hits[len(hits)-1], err)
			}
		}
	}
	return said, nil
}

// mainPhase reports whether an entry for the whole release of Red Hat is for the
// minor release too whose extended support the image has.
func (m *matcher) mainPhase(s subject, e Affected) (bool, error) {
	rec, err := m.records.of(e)
	if err != nil {
		return false, err
	}
	var published time.Time
	if rec != nil {
		published = rec.Published
	}
	for _, r := range e.Ranges {
		if fix := lastFix(r); fix != "" && !mainPhase(s.scheme.extended, fix, published) {
			return false, nil
		}
	}
	return true, nil
}

// A stream is a vulnerability of which a source's advisories of an extended support
// speak.
type stream struct{ source, id string }

// streams returns the vulnerabilities that the advisories of an extended support
// are about, affected or not; nil for other packages.
func (m *matcher) streams(s subject, said sayings) (map[stream]bool, error) {
	if s.scheme.extended == "" {
		return nil, nil
	}
	about := make(map[stream]bool)
	for _, h := range said.all {
		if h.rank > 0 || h.failed {
			continue
		}
		vs, err := m.records.vulnerabilities(h.entry.Advisory)
		if err != nil {
			return nil, err
		}
		for _, v := range vs {
			about[stream{h.entry.Source, v.id}] = true
		}
	}
	return about, nil
}

// concerning yields those of a package's entries that are about the subject: its
// architecture and, of an rpm package, its build. The trace records the others.
func (m *matcher) concerning(s subject, compare version.Compare, entries []Affected, by Lookup, j *judgement) iter.Seq[Affected] {
	return func(yield func(Affected) bool) {
		for len(entries) > 0 {
			n := 1
			for n < len(entries) && entries[n].Advisory == entries[0].Advisory && entries[n].Source == entries[0].Source {
				n++
			}
			own := entries[:n]
			entries = entries[n:]
			if s.scheme.typ == rpm {
				own = slices.DeleteFunc(slices.Clone(own), func(e Affected) bool {
					other := !s.sameBuild(e)
					if other && m.trace != nil {
						m.trace.entry(j, by, e, EntryOtherBuild, s.otherBuild(e), nil)
					}
					return other
				})
				if len(own) > 1 {
					all := own
					own = ownEntries(compare, s.version, own)
					m.trace.nearer(j, by, all, own)
				}
			}
			for _, e := range own {
				if len(e.Arches) > 0 && m.arch != "" && !slices.Contains(e.Arches, m.arch) {
					m.trace.otherArch(j, by, e, m.arch)
					continue
				}
				if s.scheme.spellings && len(e.Ranges) == 0 {
					e.Versions = spelled(compare, s.public(e), e.Versions)
				}
				if !yield(e) {
					return
				}
			}
		}
	}
}

// spelled returns the listed versions, with the installed one among them if they
// have it in another spelling: "1.0.0-beta" for 1.0.0b0 of Python.
func spelled(compare version.Compare, installed string, listed []string) []string {
	if slices.Contains(listed, installed) {
		return listed
	}
	for _, v := range listed {
		if c, err := compare(installed, v); err == nil && c == 0 {
			return append(slices.Clone(listed), installed)
		}
	}
	return listed
}

// A group is the entries that affect a subject with one vulnerability.
type group struct {
	vulnerability
	hits []*hit
}

// sources yields the sources of the hits, each once.
func (g *group) sources() iter.Seq[string] {
	return func(yield func(string) bool) {
		for i, h := range g.hits {
			before := slices.ContainsFunc(g.hits[:i], func(o *hit) bool { return o.entry.Source == h.entry.Source })
			if !before && !yield(h.entry.Source) {
				return
			}
		}
	}
}

// A hearing is the rank of the last ecosystem in which a source's entries count.
type hearing struct {
	source string
	last   int
}

// decide drops the hits of a group that a more specific record of the same source
// overrules. It returns for each source the rank of the last ecosystem that counts.
//
// A record of the one vulnerability (DEBIAN-CVE-2024-1, UBUNTU-CVE-2024-1) is
// what the distribution's tracker says of it now, for this release and source; a
// bulletin (DSA, USN) is what was announced once, for all vulnerabilities in it
// together. And the more telling ecosystem comes first: with a subscription
// Ubuntu:Pro before Ubuntu, and a release before an entry for all releases. So
// the records of the one vulnerability in the first ecosystem that has any
// decide whether it is affected; without such a record, bulletins do.
// A record that could not be evaluated decides nothing, and none decides about the
// records of another source.
func (said sayings) decide(g *group) []hearing {
	heard := make([]hearing, 0, 1)
	for source := range g.sources() {
		heard = append(heard, hearing{source, math.MaxInt})
	}
	for i := range heard {
		by := &heard[i]
		affected := true
		for _, name := range g.names {
			for _, h := range said.byName[name] {
				if h.entry.Source != by.source || h.failed || h.rank > by.last || bulletin(h.entry.Advisory) != "" {
					continue
				}
				if h.rank < by.last {
					by.last, affected = h.rank, false
				}
				affected = affected || h.affected
			}
		}
		g.hits = slices.DeleteFunc(g.hits, func(h *hit) bool {
			return h.entry.Source == by.source && (h.rank > by.last || h.rank == by.last && !affected)
		})
	}
	return heard
}

// leaveSubscriptions leaves out the hits of a subscription that the image does not
// have, where there are others, and returns its name where there are none.
func (g *group) leaveSubscriptions(by *scheme) string {
	paid := func(h *hit) bool { return by.subscription(h.ecosystem) != "" }
	if len(g.hits) == 0 || !slices.ContainsFunc(g.hits, paid) {
		return ""
	}
	if name := by.subscription(g.hits[0].ecosystem); !slices.ContainsFunc(g.hits, func(h *hit) bool { return !paid(h) }) {
		return name
	}
	g.hits = slices.DeleteFunc(g.hits, paid)
	return ""
}

// claim makes the claim of a group from the entries in said of the ecosystems that
// count for their source. A fix that needs the subscription paid does not become the
// claim's fix.
func (m *matcher) claim(s subject, compare version.Compare, g *group, said sayings, heard []hearing, paid string) (*Claim, error) {
	known, err := m.records.known(g.vulnerability)
	if err != nil {
		return nil, err
	}
	rated, unimportant, err := m.records.severityOf(g, known)
	if err != nil {
		return nil, err
	}
	c := &Claim{
		Finding: verdict.Finding{
			ID:             g.id,
			Severity:       rated.severity,
			SeveritySource: rated.source,
			Score:          rated.score,
			Vector:         rated.vector,
			Malicious:      slices.ContainsFunc(g.names, malicious),
			Why:            why(s, g.hits),
		},
		Kernel: kernelPackage(s.scheme.typ, s.name, s.source),
	}
	if s.unlabelled() {
		c.Why += "; uncertain, since the package's module stream is unknown"
	}
	for _, n := range g.names {
		if n != g.id {
			c.Aliases = append(c.Aliases, n)
		}
	}
	for _, h := range g.hits {
		c.Advisories = append(c.Advisories, h.entry.Advisory)
	}
	slices.Sort(c.Advisories)
	c.Advisories = slices.Compact(c.Advisories)
	for _, k := range known {
		c.Summary = cmp.Or(c.Summary, k.Summary)
		c.KnownExploited = c.KnownExploited || k.KnownExploited
	}
	if err := m.addExploits(c, g.names); err != nil {
		return nil, err
	}
	aside := true // by each source
	for _, by := range heard {
		if !slices.ContainsFunc(g.hits, func(h *hit) bool { return h.entry.Source == by.source }) {
			continue // none of its entries stands
		}
		aside = aside && slices.ContainsFunc(g.hits, func(h *hit) bool {
			return h.entry.Source == by.source && setAside(h.entry.Urgency)
		})
		var entries []Affected
		for _, id := range c.Advisories {
			for _, h := range said.byName[id] {
				if h.entry.Advisory == id && h.entry.Source == by.source && h.rank <= by.last && (paid != "" || s.scheme.subscription(h.ecosystem) == "") {
					entries = append(entries, h.entry)
				}
			}
		}
		fixed, since := fix(compare, s, entries)
		// A source that knows of no fix does not take that of another away.
		if fixed == "" || c.Fixed != "" && !newer(compare, fixed, c.Fixed) {
			continue
		}
		c.Fixed, c.FirstSeen = fixed, nil
		if !since.IsZero() {
			c.FirstSeen = &since
		}
	}
	if paid != "" && c.Fixed != "" {
		c.Subscription, c.Fixed, c.FirstSeen = paid, "", nil
	}
	c.Unimportant = unimportant || aside && c.Fixed == ""
	return c, nil
}

func newer(compare version.Compare, a, b string) bool {
	c, err := compare(a, b)
	return err == nil && c > 0
}

// fix returns the version that mends a source by all entries at once, and when
// the service first saw that fix: the newest of their first fixes above the
// version, and from there again should one of them affect that one too. It is
// empty where an entry that affects it has no fix.
func fix(compare version.Compare, s subject, entries []Affected) (fixed string, since time.Time) {
	for range maxFixes {
		next := advisory.Event{}
		for _, e := range entries {
			// An entry that cannot be evaluated has been noted as a gap.
			out, err := evaluate(compare, s.public(e), e)
			switch {
			case err != nil || !out.affected:
			case out.end.Fixed == "":
				return "", time.Time{}
			case next.Fixed == "" || worse(compare, out.end, next):
				next, since = out.end, out.since
			}
		}
		if next.Fixed == "" {
			return fixed, since
		}
		s.version, fixed = next.Fixed, next.Fixed
	}
	return "", time.Time{}
}

// maxFixes bounds the fixes tried one after another; beyond, the advisories
// contradict each other and none is named.
const maxFixes = 64

func malicious(id string) bool { return strings.HasPrefix(id, "MAL-") }
