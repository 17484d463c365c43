package match

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/distro"
	"assay/service/index"
	"assay/service/version"
)

// A lookup is what a package is looked up as. Packages with equal lookups have the
// same findings.
type lookup struct {
	rules   *rules
	name    string
	source  string
	version string // of what is looked up
	// ownVersion is the version of the package itself, if the entries of the distribution's
	// own source are about that, while other entries are about the source package.
	ownVersion string
	stream     string // module stream, "nodejs:18"; empty if there is none or it is unknown
	module     bool   // it is a module build
	// noEpoch: the epoch of the version is unknown, so epochs are not compared.
	noEpoch bool
	// sourceVersion and noSourceEpoch are those of the source package, for entries under its
	// name. Only distro.ByBinary has them.
	sourceVersion string
	noSourceEpoch bool
	// owner is the evaluation of the system package that this package is a part of, and
	// owned describes that package; nil if no owner answers for it.
	owner *evaluation
	owned string
	// embedded: it is built into a program of the owner.
	embedded bool
	// answered: the distribution that built the owner answers for it.
	answered bool
	// alone: only the owner's advisories decide, and what its own find is shown only.
	alone bool
}

// lookupOf returns the lookup of a package by rules.
func lookupOf(p inventory.Package, by *rules) lookup {
	l := lookup{rules: by, name: p.Name, source: p.Source, version: p.Version}
	if l.source == "" {
		l.source = p.Name
	}
	if by.distribution != nil && by.distribution.OwnNames {
		l.ownVersion = p.Version
	}
	switch {
	case by.names == distro.BySource && p.SourceVersion != "":
		l.version = p.SourceVersion
	case by.names == distro.ByBinary:
		l.sourceVersion = cmp.Or(p.SourceVersion, p.Version)
	case p.Type == "gem":
		l.version = gemVersion(p.Version)
	case p.Type == "golang" && (p.Name == "stdlib" || p.Name == "toolchain"):
		l.version = goVersion(p.Version)
	case p.Type == wordPress:
		l.version = version.WordPress(p.Version)
	}
	if p.Type == distro.RPM {
		name, rest, ok := strings.Cut(p.Module, ":")
		if ok {
			stream, _, _ := strings.Cut(rest, ":")
			l.stream = name + ":" + stream
		}
		l.module = ok || distro.ModuleBuild(p.Version)
	}
	return l
}

// A view is one of the names under which a package is looked up.
type view struct {
	lookup // with the version that entries under the name are compared with
	key    string
	// from, if not nil, reports whether the entries of a source count.
	from func(source string) bool
}

// views returns the ways in which the package is looked up.
func (l lookup) views() []view {
	switch {
	case l.rules.typ == generic:
		var views []view
		for _, name := range productsOf(l.name) {
			views = append(views, view{l, name, nil})
		}
		return views
	case l.ownVersion != "":
		publisher := l.rules.distribution.Publisher
		own := l
		own.version, own.noEpoch = l.ownVersion, false
		return []view{
			{own, l.name, func(source string) bool { return source == publisher }},
			{l, l.source, func(source string) bool { return source != publisher }},
		}
	case l.rules.names == distro.BySource:
		return []view{{l, l.source, nil}}
	case l.rules.names == distro.ByBoth && l.source != l.name:
		return []view{{l, l.name, nil}, {l, l.source, nil}}
	case l.rules.names == distro.ByBinary:
		source := l
		source.version, source.noEpoch = l.sourceVersion, l.noSourceEpoch
		return []view{{l, l.name, nil}, {source, l.source + distro.SourceSuffix, nil}}
	}
	return []view{{l, l.name, nil}}
}

// names returns the names under which the package is looked up.
func (l lookup) names() []string {
	var names []string
	for _, v := range l.views() {
		if !slices.Contains(names, v.key) {
			names = append(names, v.key)
		}
	}
	return names
}

// shownName is the name of the package in sentences.
func (l lookup) shownName() string {
	if l.rules.names == distro.BySource {
		return l.source
	}
	return l.name
}

// public returns the version that an entry is compared with. The local label of a
// Python version ("2.12.0+cu128") distinguishes builds of one release. It is ignored
// if the versions of the entry have none.
func (l lookup) public(e index.Affected) string {
	if l.rules.typ != "pypi" {
		return l.version
	}
	public, _, ok := strings.Cut(l.version, "+")
	if !ok || slices.ContainsFunc(e.Versions, labelled) || slices.ContainsFunc(e.Ranges, func(r index.Range) bool {
		return slices.ContainsFunc(r.Events, func(ev advisory.Event) bool {
			return labelled(ev.Introduced) || labelled(ev.Fixed) || labelled(ev.LastAffected) || labelled(ev.Limit)
		})
	}) {
		return l.version
	}
	return public
}

func labelled(version string) bool { return strings.Contains(version, "+") }

// comparer returns the order of the package's versions.
func (l lookup) comparer() version.Compare {
	compare := l.rules.order.Comparer()
	if !l.noEpoch {
		return compare
	}
	return func(a, b string) (int, error) { return compare(version.WithoutEpoch(a), version.WithoutEpoch(b)) }
}

// lookup returns what a package is looked up as. If it is not evaluated, the lookup
// has no rules and gap says why.
func (m *matcher) lookup(p inventory.Package) (l lookup, gap NotEvaluated, err error) {
	switch {
	case distro.SystemPackage(p.Type) && originOf(p.Name) == fromRoot && m.system.typ == p.Type:
		l, gap, err = m.rootPackage(p)
	case m.system.reason == "" && p.Type == m.system.typ:
		l, gap, err = m.systemPackage(p)
	case distro.SystemPackage(p.Type):
		gap = NotEvaluated{Ecosystem: m.system.verdict.Ecosystem, Type: p.Type, Cause: CauseSystem, Reason: m.system.reason}
		if gap.Reason == "" {
			gap.Ecosystem = ""
			gap.Reason = fmt.Sprintf("%s packages do not belong to %s", p.Type, m.system.verdict.Ecosystem)
		}
	default:
		l, gap, err = m.languagePackage(p)
	}
	if err != nil || l.rules == nil {
		return lookup{}, gap, err
	}
	gap = NotEvaluated{Ecosystem: l.rules.ecosystems[0].Name, Type: p.Type}
	changed := p.Owner != nil && p.Owner.Digest == inventory.DigestDifferent
	switch {
	case p.Owner != nil && p.Owner.Package == "" && !changed:
		gap.Cause, gap.Reason = CauseOwner, "the owner is unknown, because the system's packages have no lists of files"
		return lookup{}, gap, nil
	case (p.Owner == nil || changed) && p.Type == "maven" && !strings.Contains(p.Name, ":"):
		gap.Cause, gap.Reason = CauseName, "Java archives without a group and an artifact"
		return lookup{}, gap, nil
	}
	return l, NotEvaluated{}, nil
}

// systemPackage returns the lookup of a package of the system.
func (m *matcher) systemPackage(p inventory.Package) (l lookup, gap NotEvaluated, err error) {
	gap = NotEvaluated{Ecosystem: m.system.verdict.Ecosystem, Type: p.Type}
	d := m.system.distribution
	if vendor := d.OtherVendor(p); vendor != "" {
		gap.Cause, gap.Reason = CauseVendor, fmt.Sprintf("built by %s, not by %s", vendor, d.Name)
		return lookup{}, gap, nil
	}
	if p, gap.Reason, err = m.withSource(p); err != nil || gap.Reason != "" {
		gap.Cause = CauseSystem
		return lookup{}, gap, err
	}
	return m.addEpoch(p, lookupOf(p, &m.system.rules)), gap, nil
}

// withSource returns a package with its source package. Chisel's manifest does not name
// it, so it is the one that the system's advisories name. If they name none or several,
// the package cannot be evaluated and reason says why.
func (m *matcher) withSource(p inventory.Package) (with inventory.Package, reason string, err error) {
	chiseled := func(e inventory.Evidence) bool { return e.Kind == "chisel" }
	if p.Source != "" || m.system.names != distro.BySource || !slices.ContainsFunc(p.Evidence, chiseled) {
		return p, "", nil
	}
	var sources []string
	for _, ecosystem := range m.system.ecosystems {
		more, err := m.ix.Sources(ecosystem.Name, p.Name)
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

// rootPackage returns the lookup of a package of the system that Root has built.
func (m *matcher) rootPackage(p inventory.Package) (lookup, NotEvaluated, error) {
	gap := NotEvaluated{
		Ecosystem: m.system.verdict.Ecosystem, Type: p.Type,
		Cause: CauseSystem, Reason: "this service has no advisories of Root",
	}
	by, err := m.rulesOf(languageKey{p.Type, fromRoot}, func() (rules, bool) {
		return rules{
			typ: p.Type, order: m.system.order, distribution: m.system.distribution,
			ecosystems: []distro.Ecosystem{{Name: "Root:" + strings.Replace(m.system.verdict.Ecosystem, ":v", ":", 1)}},
		}, true
	})
	if err != nil || len(by.ecosystems) == 0 {
		return lookup{}, gap, err
	}
	return lookupOf(p, by), gap, nil
}

// languagePackage returns the lookup of a package of a language.
func (m *matcher) languagePackage(p inventory.Package) (lookup, NotEvaluated, error) {
	gap := NotEvaluated{Type: p.Type}
	if p.Type == generic {
		name, ok := programOf(p)
		if !ok {
			gap.Cause, gap.Reason = CauseUncovered, "no public source has advisories for generic packages without a CPE"
			return lookup{}, gap, nil
		}
		p.Name, p.Source = name, ""
	}
	key := languageKey{p.Type, originOf(p.Name)}
	by, err := m.rulesOf(key, func() (rules, bool) { return rulesFor(key.typ, key.origin) })
	if err != nil {
		return lookup{}, gap, err
	}
	if by != nil && len(by.ecosystems) > 0 {
		return lookupOf(p, by), gap, nil
	}
	gap.Cause, gap.Reason = CauseType, fmt.Sprintf("this service has no advisories for %s packages", shown(p.Type))
	switch {
	case p.Type == generic:
		// Most images have no such program, and the sources are large, so many services
		// lack them.
		gap.Cause, gap.Reason = CauseUncovered, "this service has no CPE data, which covers programs"
	case !Covered(p.Type):
		gap.Cause = CauseUncovered
		gap.Reason = fmt.Sprintf("no public source has advisories for %s packages", shown(p.Type))
	}
	return lookup{}, gap, nil
}

// rulesOf returns the rules of a key with those ecosystems that the index has records
// of, or nil if there are no rules. It calls of once for each key.
func (m *matcher) rulesOf(key languageKey, of func() (r rules, ok bool)) (*rules, error) {
	if r, ok := m.languages[key]; ok {
		return r, nil
	}
	r, ok := of()
	if !ok {
		m.languages[key] = nil
		return nil, nil
	}
	main := r.ecosystems[0].Name
	if err := r.hold(m.ix); err != nil {
		return nil, err
	}
	if (key.origin == fromJenkins || key.typ == wordPress) && len(r.ecosystems) > 0 && r.ecosystems[0].Name != main {
		// The warnings of Jenkins alone are not enough for libraries, nor are the records of
		// named plugins for all plugins.
		r.ecosystems = nil
	}
	m.languages[key] = &r
	return &r, nil
}

// addEpoch completes the source version of an rpm package. It comes from a file name,
// which cannot contain an epoch. The epoch is that of a package that was built from
// the source and has its version: of perl-libs 4:5.26.3, but not of perl-Errno 1.28,
// which has a version of its own.
func (m *matcher) addEpoch(p inventory.Package, l lookup) lookup {
	if p.Type != distro.RPM || p.SourceVersion == "" || strings.Contains(p.SourceVersion, ":") {
		return l
	}
	epoch, ok := m.sourceEpoch(p)
	switch l.rules.names {
	case distro.BySource:
		l.version, l.noEpoch = epoch+l.version, !ok
	case distro.ByBinary:
		l.sourceVersion, l.noSourceEpoch = epoch+l.sourceVersion, !ok
	}
	return l
}

// sourceEpoch returns the epoch of the source package of p with its colon. It is not ok if
// no installed package shows it.
func (m *matcher) sourceEpoch(p inventory.Package) (epoch string, ok bool) {
	if epoch, ok := epochFor(p); ok {
		return epoch, true
	}
	if m.epochs == nil {
		m.epochs = make(map[[2]string]string)
		for _, p := range m.packages {
			if epoch, ok := epochFor(p); ok && p.Type == distro.RPM {
				m.epochs[[2]string{p.Source, p.SourceVersion}] = epoch
			}
		}
	}
	epoch, ok = m.epochs[[2]string{p.Source, p.SourceVersion}]
	return epoch, ok
}

// epochFor returns the epoch of an rpm package with its colon. It is not ok if the
// package and its source have different versions.
func epochFor(p inventory.Package) (epoch string, ok bool) {
	rest := version.WithoutEpoch(p.Version)
	return strings.TrimSuffix(p.Version, rest), rest == p.SourceVersion
}
