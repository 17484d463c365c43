package match

import (
	"fmt"
	"slices"
	"strings"

	"assay/inspect/inventory"
)

// importsOf returns the affected packages of a Go module: all that one of the candidates
// names. Most records of other databases name none, and are about the same vulnerability, so
// those that do decide.
func importsOf(matching []*candidate) []string {
	var imports []string
	for _, c := range matching {
		imports = append(imports, c.entry.Imports...)
	}
	slices.Sort(imports)
	return slices.Compact(imports)
}

// absent reports whether a package is a Go module in a program that has no function of the
// packages that c is about. It does not if one of the two is unknown.
func (c *Match) absent(p *inventory.Package) bool {
	return len(c.imports) > 0 && p.Linked.Known() && !slices.ContainsFunc(c.imports, p.Linked.Has)
}

// maxAbsent bounds the packages that a reason names.
const maxAbsent = 3

// notLinked returns c for a package for which it is absent.
func (c *Match) notLinked(p *inventory.Package) *Match {
	var names []string
	for _, path := range c.imports[:min(len(c.imports), maxAbsent)] {
		switch {
		case p.Name == stdlib:
		case path == ".":
			path = p.Name
		default:
			path = p.Name + "/" + path
		}
		names = append(names, shown(path))
	}
	text := strings.Join(names, ", ")
	if more := len(c.imports) - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	own := &Match{
		Finding: c.Finding, Published: c.Published, Kernel: c.Kernel, Unimportant: c.Unimportant, Status: c.Status,
		Owned: c.Owned, NotLinked: true, imports: c.imports,
	}
	own.Why += fmt.Sprintf("; the program %s has no function of %s", shown(p.EmbeddedIn), text)
	return own
}

// stdlib is the name of Go's standard library in advisories and inventories.
const stdlib = "stdlib"
