// Package remedy says how to fix the findings that fail a scan: with which command of
// which package manager, or why no command would fix them. It is pure.
package remedy

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"assay/inspect/inventory"
	"assay/service/match"
	"assay/service/version"
	"assay/verdict"
)

// Input is what remedies are based on.
type Input struct {
	Findings  []match.Finding // those that do not fail are left out
	Inventory inventory.Inventory
	System    verdict.System
	// Modified is when the package databases of the image were last modified, or zero.
	Modified time.Time
	Now      time.Time
}

// Of returns what fixes the failing findings, what to do first at the beginning. A command
// is only part of it if it would fix the findings, and every name in it is safe in a shell.
func Of(in Input) []verdict.Remedy {
	w := work{Input: in}
	w.sort()
	if len(w.items) == 0 {
		return nil
	}
	remedies := slices.Concat(w.malicious(), w.system(), w.languages())
	return slices.Concat(remedies, w.paid(), w.unfixed())
}

// An item is what has to be upgraded: one version of a package.
type item struct {
	pkg      *verdict.Package
	origin   string // of its findings
	fixed    string // the newest of its fixes
	findings []match.Finding
}

// A work is the work to do, sorted by what can be done about it.
type work struct {
	Input
	items []*item
	// remove, packages, pay and open are those of items that are malicious, that have a fix,
	// of which only subscribers get the fix, and without a fix. The keys of packages are
	// purl types, and types has them in the order of the findings.
	remove, pay, open []*item
	packages          map[string][]*item
	types             []string
}

func (w *work) sort() {
	type key struct {
		typ, name, version, path string
		fixable                  bool
	}
	index := map[key]*item{}
	for _, f := range w.Findings {
		if !f.Fails {
			continue
		}
		k := key{f.Package.Type, f.Package.Name, f.Package.Version, strings.Join(f.Package.Paths, "\n"), f.Fixed != "" && !f.Malicious}
		it := index[k]
		if it == nil {
			it = &item{pkg: f.Package, origin: f.Origin}
			index[k] = it
			w.items = append(w.items, it)
		}
		it.findings = append(it.findings, f)
		if it.fixed == "" || newer(f.Package.Type, f.Fixed, it.fixed) {
			it.fixed = f.Fixed
		}
	}
	w.packages = map[string][]*item{}
	for _, it := range w.items {
		switch {
		case slices.ContainsFunc(it.findings, func(f match.Finding) bool { return f.Malicious }):
			w.remove = append(w.remove, it)
		case it.fixed == "" && it.findings[0].Subscription != "":
			w.pay = append(w.pay, it)
		case it.fixed == "":
			w.open = append(w.open, it)
		default:
			if w.packages[it.pkg.Type] == nil {
				w.types = append(w.types, it.pkg.Type)
			}
			w.packages[it.pkg.Type] = append(w.packages[it.pkg.Type], it)
		}
	}
}

// ecosystems have the orders of versions, by purl type. Versions of the system's packages
// are in no command.
var ecosystems = map[string]string{
	"npm": "npm", "pypi": "PyPI", "gem": "RubyGems", "golang": "Go", "cargo": "crates.io",
	"composer": "Packagist", "nuget": "NuGet", "maven": "Maven",
	"wordpress": "WordPress", "jenkins": "Jenkins", "bitnami": "Bitnami", "generic": "CPE",
	"cran": "CRAN", "hackage": "Hackage", "hex": "Hex", "julia": "Julia", "pub": "Pub", "swift": "SwiftURL",
}

func newer(purlType, a, b string) bool {
	order, ok := version.For(ecosystems[purlType])
	if !ok {
		return false
	}
	c, err := order.Comparer()(a, b)
	return err == nil && c > 0
}

func (w *work) malicious() []verdict.Remedy {
	if len(w.remove) == 0 {
		return nil
	}
	return []verdict.Remedy{{
		Action: verdict.ActionRemove, Packages: names(w.remove), Findings: count(w.remove), Base: ofBase(w.remove),
		Text: "remove " + listed(w.remove, versioned) + ": malicious; and change every secret that it could read",
	}}
}

func (w *work) paid() []verdict.Remedy {
	if len(w.pay) == 0 {
		return nil
	}
	needs := func(it *item) string { return it.name() + " (" + verdict.Short(it.findings[0].Subscription) + ")" }
	return []verdict.Remedy{{
		Action: verdict.ActionNone, Packages: names(w.pay), Findings: count(w.pay), Base: ofBase(w.pay),
		Text: "the fix needs a subscription: " + listed(w.pay, needs) + "; leave it out, or use another base image",
	}}
}

func (w *work) unfixed() []verdict.Remedy {
	if len(w.open) == 0 {
		return nil
	}
	base := "use another base image, "
	if origin(w.open) == verdict.OriginOwn {
		base = ""
	}
	return []verdict.Remedy{{
		Action: verdict.ActionNone, Packages: names(w.open), Findings: count(w.open), Base: ofBase(w.open),
		Text: "no fix exists for " + listed(w.open, (*item).name) + ": leave it out, " + base + "or accept it with --ignore-file",
	}}
}

// name returns the name of the package to upgrade, as the log names it.
func (it *item) name() string {
	return verdict.Short(cmp.Or(it.pkg.Source, it.pkg.Name))
}

func versioned(it *item) string { return it.name() + " " + verdict.Short(it.pkg.Version) }
func target(it *item) string    { return it.name() + " to " + verdict.Short(it.fixed) }

func names(items []*item) []string {
	var all []string
	for _, it := range items {
		if n := it.name(); !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

func count(items []*item) int {
	n := 0
	for _, it := range items {
		n += len(it.findings)
	}
	return n
}

// ofBase returns the number of findings of the base image.
func ofBase(items []*item) int {
	n := 0
	for _, it := range items {
		if it.origin == verdict.OriginBase {
			n += len(it.findings)
		}
	}
	return n
}

// origin returns the origin that all items have, or "" if they differ or it is unknown.
func origin(items []*item) string {
	of := items[0].origin
	if slices.ContainsFunc(items, func(it *item) bool { return it.origin != of }) {
		return ""
	}
	return of
}

// listed returns the first items, each by words once, and the number of the others.
func listed(items []*item, words func(*item) string) string {
	var all []string
	for _, it := range items {
		if s := words(it); !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return some(all)
}

// some returns the first words and the number of the others.
func some(all []string) string {
	const most = 3
	if more := len(all) - most; more > 1 {
		return strings.Join(all[:most], ", ") + " and " + number(more) + " more"
	}
	if n := len(all); n > 1 {
		return strings.Join(all[:n-1], ", ") + " and " + all[n-1]
	}
	return strings.Join(all, "")
}
