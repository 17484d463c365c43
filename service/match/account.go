package match

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"assay/inspect/inventory"
	"assay/service/distro"
	"assay/verdict"
)

const (
	// maxOthers bounds the parts of types that no public source covers. Further
	// types share one part.
	maxOthers = 50
	// maxCauses bounds the causes of one kind that a part lists one by one.
	maxCauses = 20
	// maxCauseNames bounds the packages that a cause names.
	maxCauseNames = 10
)

// container reports whether a purl type is that of container images. The image itself is
// not a package.
func container(typ string) bool { return typ == "oci" || typ == "docker" }

// An account counts what was evaluated, by part of the image.
type account struct {
	parts  map[partKey]*part
	others int
	// last is the part of the previous package, which usually is that of the next too.
	last *part
	typ  string
}

type partKey struct {
	kind string
	typ  string
}

// A part is a part of the image, such as the packages of one language.
type part struct {
	verdict.Part
	gaps map[NotEvaluated]*gap // the keys have no Packages
	// needs are the ecosystems that were used, without releases. rules are the last ones.
	needs map[string]bool
	rules *rules
}

// uses notes the ecosystems of the rules by which a package of the part was evaluated.
func (p *part) uses(r *rules) {
	if r == p.rules {
		return
	}
	p.rules = r
	if p.needs == nil {
		p.needs = make(map[string]bool)
	}
	for _, e := range r.ecosystems {
		base, _, _ := strings.Cut(e.Name, ":")
		if base == "Packagist" || base == "WordPress" {
			base = e.Name // it has repositories, or sources, in the place of releases
		}
		p.needs[base] = true
	}
}

// needs returns the ecosystems that each part used.
func (a *account) needs() map[string][]string {
	needs := make(map[string][]string)
	for _, p := range a.parts {
		if len(p.needs) > 0 {
			needs[p.Type] = slices.Sorted(maps.Keys(p.needs))
		}
	}
	return needs
}

// A gap counts the packages that were not evaluated for one reason.
type gap struct {
	packages int
	names    []string // of the first packages
}

func newAccount() account { return account{parts: make(map[partKey]*part)} }

// of returns the part that packages of a purl type belong to.
func (a *account) of(typ string) *part {
	if a.last != nil && a.typ == typ {
		return a.last
	}
	key := partKey{verdict.PartOther, typ}
	ecosystem := ""
	if distro.SystemPackage(typ) {
		key.kind = verdict.PartSystem
	} else if l, ok := languageOf(typ); ok {
		key.kind, ecosystem = verdict.PartLanguage, l.ecosystem
	}
	p := a.parts[key]
	if p == nil && key.kind == verdict.PartOther && a.others >= maxOthers {
		key.typ = ""
		p = a.parts[key]
	}
	if p == nil {
		p = &part{Part: verdict.Part{Part: key.kind, Type: shown(key.typ), Ecosystem: ecosystem}, gaps: make(map[NotEvaluated]*gap)}
		a.parts[key] = p
		if key.kind == verdict.PartOther {
			a.others++
		}
	}
	a.last, a.typ = p, typ
	return p
}

// missed records a package that was not evaluated, or not with all advisories.
func (p *part) missed(pkg inventory.Package, u NotEvaluated) {
	g := p.gaps[u]
	if g == nil {
		g = &gap{}
		p.gaps[u] = g
	}
	g.packages++
	if len(g.names) < maxCauseNames {
		g.names = append(g.names, strings.TrimSpace(shown(pkg.Name)+" "+shown(pkg.Version)))
	}
}

// notEvaluated returns the gaps of all parts, the largest first, then by text.
func (a *account) notEvaluated() []NotEvaluated {
	var all []NotEvaluated
	for _, p := range a.parts {
		for u, g := range p.gaps {
			u.Packages = g.packages
			all = append(all, u)
		}
	}
	slices.SortFunc(all, compareGaps)
	return all
}

func compareGaps(a, b NotEvaluated) int {
	return cmp.Or(
		cmp.Compare(b.Packages, a.Packages),
		cmp.Compare(a.Reason, b.Reason),
		cmp.Compare(a.Ecosystem, b.Ecosystem),
		cmp.Compare(a.Type, b.Type),
	)
}

// result returns the parts: the system's first, then by type. A system that was
// recognised has a part even if none of its packages was found.
func (a *account) result(s system) []verdict.Part {
	if named := s.verdict.ID != ""; named && !slices.ContainsFunc(slices.Collect(maps.Keys(a.parts)), func(k partKey) bool { return k.kind == verdict.PartSystem }) {
		a.parts[partKey{verdict.PartSystem, s.typ}] = &part{Part: verdict.Part{
			Part: verdict.PartSystem, Type: s.typ,
			Causes: []verdict.PartCause{{Cause: verdict.CauseMissing, Text: "none of its packages was found"}},
		}}
	}
	parts := make([]verdict.Part, 0, len(a.parts))
	for _, p := range a.parts {
		if p.Part.Part == verdict.PartSystem && p.Type == s.typ {
			p.Ecosystem = s.verdict.Ecosystem
		}
		p.Causes = append(p.Causes, p.causes()...)
		p.State = p.Part.StateOf()
		parts = append(parts, p.Part)
	}
	order := []string{verdict.PartSystem, verdict.PartLanguage, verdict.PartOther}
	slices.SortFunc(parts, func(a, b verdict.Part) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Part), slices.Index(order, b.Part)), strings.Compare(a.Type, b.Type))
	})
	return parts
}

// causes returns why packages of the part were not evaluated, the largest group first.
// The first maxCauses of each kind are listed one by one, and the others together.
func (p *part) causes() []verdict.PartCause {
	all := make([]NotEvaluated, 0, len(p.gaps))
	for u, g := range p.gaps {
		u.Packages = g.packages
		all = append(all, u)
	}
	slices.SortFunc(all, compareGaps)
	var causes []verdict.PartCause
	listed := make(map[Cause]int)
	rest := make(map[Cause]int) // the index of the others of a kind
	for _, u := range all {
		packages := u.Packages
		u.Packages = 0
		if listed[u.Cause]++; listed[u.Cause] <= maxCauses {
			causes = append(causes, verdict.PartCause{Cause: string(u.Cause), Packages: packages, Text: u.Reason, Names: p.gaps[u].names})
			continue
		}
		i, ok := rest[u.Cause]
		if !ok {
			i = len(causes)
			rest[u.Cause] = i
			causes = append(causes, verdict.PartCause{Cause: string(u.Cause), Text: "other reasons of this kind"})
		}
		causes[i].Packages += packages
	}
	return causes
}
