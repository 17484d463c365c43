// Package match evaluates the packages of an inventory with advisories. It is pure:
// it reads an Index and nothing else, so the same inventory, index and day always give
// the same result.
package match

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"assay/inspect/inventory"
	"assay/remote/purl"
	"assay/service/advisory"
	"assay/service/distro"
	"assay/service/exploit"
	"assay/service/index"
	"assay/verdict"
)

// An Index answers, for one consistent state of the data, which advisories are about a
// package. Many scans read it at once.
type Index interface {
	// Affected returns the entries of the advisories of ecosystem ("Debian:12", "npm")
	// about the package name, as index.NormalName spells it, sorted by advisory id and
	// source. The caller must not change the result.
	Affected(ecosystem, name string) ([]index.Affected, error)
	// Vulnerabilities returns what is known of the records id as a whole: one of each
	// source that has such a record, sorted by source. Withdrawn records are left out.
	Vulnerabilities(id string) ([]index.Vulnerability, error)
	// Referrers returns the ids of the records that name id among their aliases or as
	// their upstream, sorted. Aliases are symmetric, but few records name them on both
	// sides.
	Referrers(id string) ([]string, error)
	// Sources returns the source packages of ecosystem that a binary package was built
	// from, according to the advisories, sorted.
	Sources(ecosystem, binary string) ([]string, error)
	// Records returns how many advisories are about packages of the ecosystem. If there
	// are none, the service cannot evaluate its packages.
	Records(ecosystem string) (int, error)
	// Exploit returns what the exploit catalogs say of a CVE. An entry without a CVE
	// means that the catalog does not have it.
	Exploit(c exploit.CVE) (kev, epss exploit.Entry, err error)
}

// maxFindings is about 20 times what the largest real images have.
const maxFindings = 100_000

// ErrTooMany is returned for an inventory with more findings than a real image can
// have, such as one package many times over.
var ErrTooMany = fmt.Errorf("more than %d findings", maxFindings)

// Inventory evaluates every package of an inventory with the advisories in ix, on the
// day of today. An error comes from ix or is ErrTooMany. Packages that cannot be
// evaluated are in the result as NotEvaluated. Purls of container images are not
// packages and are not counted.
//
// memo, if not nil, remembers evaluations for later calls. It must belong to the state
// of the data that ix answers for.
//
// A package of the system is evaluated with the system's advisories, under the name
// that they use. For Debian and Ubuntu that is the name of the source package, whose
// version counts then. A finding is one vulnerability in one binary package, so a
// source with several installed packages has it several times. A package of a language
// is evaluated with the advisories of its ecosystem, unless it is part of a package of
// the system (see ownership).
func Inventory(inv inventory.Inventory, ix Index, memo *Memo, today time.Time) (Result, error) {
	return evaluate(inv, ix, memo, today, nil)
}

// evaluate is Inventory with a trace, unless that is nil.
func evaluate(inv inventory.Inventory, ix Index, memo *Memo, today time.Time, trace *Trace) (Result, error) {
	m, err := newMatcher(inv, ix, memo, today)
	if err != nil {
		return Result{}, err
	}
	m.trace = trace
	res := Result{System: m.system.verdict}
	evaluations := make([]*evaluation, len(inv.Packages)) // nil if a package is not evaluated
	total := 0
	for i, p := range inv.Packages {
		if container(p.Type) {
			m.trace.notEvaluated(i, "a container image is not a package")
			continue
		}
		res.Packages++
		part := m.account.of(p.Type)
		part.Packages++
		e, evaluated, err := m.evaluatePackage(i, p, part)
		if err != nil {
			return Result{}, err
		}
		if evaluated {
			res.Evaluated++
		}
		if e == nil {
			continue
		}
		evaluations[i] = e
		if total += len(e.matches); total > maxFindings {
			return Result{}, ErrTooMany
		}
	}
	if total > 0 {
		res.Findings = m.findings(evaluations, total)
	}
	res.NotEvaluated = m.account.notEvaluated()
	res.Parts = m.account.result(m.system)
	res.Needs = m.account.needs()
	return res, nil
}

// evaluatePackage evaluates package i, which belongs to part. evaluated reports whether
// it counts as evaluated. The result is nil if it is not, or if the package's owner
// answers for it.
func (m *matcher) evaluatePackage(i int, p inventory.Package, part *part) (e *evaluation, evaluated bool, err error) {
	l, gap, err := m.lookup(p)
	if err != nil {
		return nil, false, err
	}
	if l.rules == nil {
		answered, err := m.answered(p, gap)
		if err != nil {
			return nil, false, err
		}
		if answered {
			part.Evaluated++
			m.trace.answered(i, p)
			return nil, true, nil
		}
		part.missed(p, gap)
		m.trace.notEvaluated(i, gap.Reason)
		return nil, false, nil
	}
	if l, err = m.ownership(p, l); err != nil {
		return nil, false, err
	}
	part.uses(l.rules)
	if e, err = m.evaluate(l); err != nil {
		return nil, false, err
	}
	m.trace.evaluated(i, p, l, e)
	if e.badVersion != "" {
		part.missed(p, NotEvaluated{Ecosystem: l.rules.ecosystems[0].Name, Type: p.Type, Cause: CauseVersion, Reason: e.badVersion})
		return nil, false, nil
	}
	if len(e.gaps) == 0 {
		part.Evaluated++
	}
	for _, gap := range e.gaps {
		part.missed(p, gap)
	}
	return e, true, nil
}

// answered reports whether the distribution alone answers for a package of a language
// whose own advisories are not held: they would not be used.
func (m *matcher) answered(p inventory.Package, gap NotEvaluated) (bool, error) {
	by := m.languages[languageKey{p.Type, originOf(p.Name)}]
	if gap.Cause != CauseType || p.Owner == nil || by == nil {
		return false, nil
	}
	l, err := m.ownership(p, lookupOf(p, by))
	return l.alone, err
}

// findings returns the findings in the evaluations of the packages, sorted.
func (m *matcher) findings(evaluations []*evaluation, total int) []Finding {
	found := make([]int, 0, len(evaluations)) // packages
	for i, e := range evaluations {
		if e != nil && len(e.matches) > 0 {
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
		for _, c := range evaluations[i].matches {
			if c.absent(&m.packages[i]) {
				c = c.notLinked(&m.packages[i])
			}
			all = append(all, Finding{Match: c, Package: about, Layer: m.packages[i].Layer})
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
	return advisory.CompareIDs(a.ID, b.ID)
}

// A matcher is one run over an inventory.
type matcher struct {
	image    inventory.System
	packages []inventory.Package
	system   system
	arch     string // of the system, by Go's name; empty if it is unknown
	ix       Index
	memo     *Memo  // or nil
	trace    *Trace // or nil
	key      []byte // see memoKey
	records  records
	// evaluations are those of this run.
	evaluations map[lookup]*evaluation
	account     account
	// languages are the rules for packages that are not the system's: without
	// ecosystems if the index has no records for them, nil if they have no rules.
	languages map[languageKey]*rules
	owners    map[string]int // system packages by name, made when first needed
	owning    map[*evaluation]*owning
	epochs    map[[2]string]string // of sources and their versions, made when first needed
}

type languageKey struct {
	typ    string
	origin origin
}

func newMatcher(inv inventory.Inventory, ix Index, memo *Memo, today time.Time) (*matcher, error) {
	system, err := systemOf(inv, ix, today)
	if err != nil {
		return nil, err
	}
	m := &matcher{
		image:       inv.System,
		packages:    inv.Packages,
		system:      system,
		ix:          ix,
		memo:        memo,
		evaluations: make(map[lookup]*evaluation),
		account:     newAccount(),
		languages:   make(map[languageKey]*rules),
		owning:      make(map[*evaluation]*owning),
	}
	if memo != nil {
		m.records = records{ix, memo.records}
	} else {
		m.records = records{ix, newRecordCache()}
	}
	for _, p := range inv.Packages {
		if distro.SystemPackage(p.Type) && p.Arch != "" && p.Arch != "all" && p.Arch != "noarch" {
			m.arch = index.GoArch(p.Arch)
			break
		}
	}
	return m, nil
}

// describe returns a package as findings have it.
func (m *matcher) describe(p inventory.Package) *verdict.Package {
	pkg := &verdict.Package{
		Type: p.Type, Name: p.Name, Version: p.Version, Arch: p.Arch,
		Source: p.Source, SourceVersion: p.SourceVersion,
		PURL: purl.Of(p, m.image).String(),
	}
	for _, e := range p.Evidence {
		if !slices.Contains(pkg.Paths, e.Path) {
			pkg.Paths = append(pkg.Paths, e.Path)
		}
	}
	return pkg
}

// An evaluation is the result of one lookup.
type evaluation struct {
	matches []*Match // by id
	// gaps are about entries that could not be evaluated.
	gaps []NotEvaluated
	// badVersion is why nothing can be evaluated: the version is invalid.
	badVersion string
}

// evaluate evaluates a lookup, once.
func (m *matcher) evaluate(l lookup) (*evaluation, error) {
	if e := m.remembered(l); e != nil {
		return e, nil
	}
	if e, ok := m.evaluations[l]; ok {
		return e, nil
	}
	e, err := m.newEvaluation(l)
	if err != nil {
		return nil, err
	}
	m.evaluations[l] = e
	m.remember(l, e)
	return e, nil
}

func (m *matcher) newEvaluation(l lookup) (*evaluation, error) {
	compare := l.comparer()
	for _, v := range l.views() {
		if _, err := v.comparer()(v.version, v.version); err != nil {
			return &evaluation{badVersion: fmt.Sprintf("%s: %v", shown(l.shownName()), err)}, nil
		}
	}
	e := &evaluation{}
	failed := e
	if l.alone {
		failed = &evaluation{} // its owner is evaluated in its place
	}
	found, err := m.candidates(l, failed)
	if err != nil {
		return nil, err
	}
	m.trace.join(e, failed)
	if !slices.ContainsFunc(found.all, func(c *candidate) bool { return c.affected || c.failed }) {
		return e, nil
	}
	found.index()
	own := m.publisher(l, found)
	if err := m.dropDecidedGaps(l, found, own, failed); err != nil {
		return nil, err
	}
	groups := make(map[string]*group)
	if err := m.addGroups(groups, found); err != nil {
		return nil, err
	}
	extended, err := m.extendedSupport(l, found)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		before := m.trace.matching(g)
		if err := own.dropCopies(g); err != nil {
			return nil, err
		}
		cutoffs := found.decide(g)
		g.preferExtended(cutoffs, extended)
		found.preferOverrides(g)
		found.preferBranches(l, compare, g)
		paid := g.dropSubscriptions()
		m.trace.decided(e, l, g, before, found)
		if len(g.matching) == 0 {
			continue
		}
		match, err := m.newMatch(l, compare, g, found, cutoffs, paid)
		if err != nil {
			return nil, err
		}
		if owners, err := m.leave(l, match); err != nil {
			return nil, err
		} else if !owners {
			e.matches = append(e.matches, match)
		}
	}
	slices.SortFunc(e.matches, func(a, b *Match) int { return advisory.CompareIDs(a.ID, b.ID) })
	return e, nil
}
