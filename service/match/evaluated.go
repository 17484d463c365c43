package match

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"assay/inspect/inventory"
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

// languageTypes lists the purl types that have advisories in an ecosystem of
// their own.
func languageTypes() []string {
	return []string{
		"bioconductor", "bitnami", "cargo", "composer", "conan", "cran", "gem", "githubactions", "golang",
		"hackage", "hex", "julia", "maven", "npm", "nuget", "pub", "pypi", "swift",
	}
}

// Covered reports whether public sources publish advisories for packages of a
// purl type. ConanCenter and Bioconductor are names of the OSV schema without a
// record.
func Covered(typ string) bool {
	return typ != "conan" && typ != "bioconductor" && slices.Contains(languageTypes(), typ)
}

// LanguageEcosystem returns the ecosystem of a name, which is a purl type ("pypi")
// or an ecosystem itself ("PyPI"), in any case.
func LanguageEcosystem(name string) (ecosystem string, ok bool) {
	for _, typ := range languageTypes() {
		by, _ := language(typ, fromAnywhere)
		if strings.EqualFold(name, typ) || strings.EqualFold(name, by.ecosystems[0]) {
			return by.ecosystems[0], true
		}
	}
	return "", false
}

// container reports whether a purl type is that of container images. The image
// itself is no package in it.
func container(typ string) bool { return typ == "oci" || typ == "docker" }

// An account counts what was evaluated, by part of the image.
type account struct {
	parts  map[partKey]*part
	others int
	// last is the part of the package before, which mostly is that of the next.
	last *part
	typ  string
}

type partKey struct {
	kind string
	typ  string
}

// A part is a part of the image.
type part struct {
	verdict.Part
	gaps map[Unjudged]*gap // its Packages being zero
}

// A gap counts the packages of an Unjudged.
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
	if systemPackage(typ) {
		key.kind = verdict.PartSystem
	} else if by, ok := language(typ, fromAnywhere); ok {
		key.kind, ecosystem = verdict.PartLanguage, by.ecosystems[0]
	}
	p := a.parts[key]
	if p == nil && key.kind == verdict.PartOther && a.others >= maxOthers {
		key.typ = ""
		p = a.parts[key]
	}
	if p == nil {
		p = &part{Part: verdict.Part{Part: key.kind, Type: shown(key.typ), Ecosystem: ecosystem}, gaps: make(map[Unjudged]*gap)}
		a.parts[key] = p
		if key.kind == verdict.PartOther {
			a.others++
		}
	}
	a.last, a.typ = p, typ
	return p
}

// missed notes a package that was not evaluated, or not by all advisories.
func (p *part) missed(pkg inventory.Package, u Unjudged) {
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

// unjudged returns the gaps of all parts: the largest first, then by text.
func (a *account) unjudged() []Unjudged {
	var all []Unjudged
	for _, p := range a.parts {
		for u, g := range p.gaps {
			u.Packages = g.packages
			all = append(all, u)
		}
	}
	slices.SortFunc(all, compareUnjudged)
	return all
}

func compareUnjudged(a, b Unjudged) int {
	return cmp.Or(
		cmp.Compare(b.Packages, a.Packages),
		cmp.Compare(a.Reason, b.Reason),
		cmp.Compare(a.Ecosystem, b.Ecosystem),
		cmp.Compare(a.Type, b.Type),
	)
}

// result returns the parts: the system's first, then by type. A system that is
// named has a part also where none of its packages was found.
func (a *account) result(t target) []verdict.Part {
	if named := t.system.ID != ""; named && !slices.ContainsFunc(slices.Collect(maps.Keys(a.parts)), func(k partKey) bool { return k.kind == verdict.PartSystem }) {
		a.parts[partKey{verdict.PartSystem, t.typ}] = &part{Part: verdict.Part{
			Part: verdict.PartSystem, Type: t.typ,
			Causes: []verdict.PartCause{{Cause: verdict.CauseMissing, Text: "none of its packages was found"}},
		}}
	}
	parts := make([]verdict.Part, 0, len(a.parts))
	for _, p := range a.parts {
		if p.Part.Part == verdict.PartSystem && p.Type == t.typ {
			p.Ecosystem = t.system.Ecosystem
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

// causes returns why packages of the part were not evaluated, the largest group
// first. Of each kind so many are listed one by one, and the others together.
func (p *part) causes() []verdict.PartCause {
	all := make([]Unjudged, 0, len(p.gaps))
	for u, g := range p.gaps {
		u.Packages = g.packages
		all = append(all, u)
	}
	slices.SortFunc(all, compareUnjudged)
	var causes []verdict.PartCause
	listed := make(map[Cause]int)
	rest := make(map[Cause]int) // where the others of a kind stand
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
