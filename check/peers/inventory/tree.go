package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"assay/check/peers"
	"assay/check/testkit/pkgdb"
)

// rows are packages. Those of languages only have a name and a version.
type rows map[pkgdb.Row]bool

// add adds a package. Epoch 0 and a missing epoch are the same: rpm compares them as
// equal, and some tools do not distinguish them.
func (r rows) add(p pkgdb.Row) {
	p.Version = strings.TrimPrefix(p.Version, "0:")
	p.SourceVersion = strings.TrimPrefix(p.SourceVersion, "0:")
	r[p] = true
}

// A list is the packages of one type that a tool found.
type list struct {
	tool string
	rows rows
}

// A tally has all packages that a tool found, by purl type.
type tally struct {
	tool  string
	types map[string]rows
	// languagesOnly: only the packages of languages in whole roots are compared.
	languagesOnly bool
}

func newTally(tool string) tally { return tally{tool: tool, types: map[string]rows{}} }

func (t tally) add(typ string, p pkgdb.Row) {
	if t.types[typ] == nil {
		t.types[typ] = rows{}
	}
	t.types[typ].add(p)
}

// addPackage adds a package of a language, in the normal form of its ecosystem.
func (t tally) addPackage(typ, name, version string) {
	if name, version = peers.Normal(typ, name, version); name != "" {
		t.add(typ, pkgdb.Row{Name: name, Version: version})
	}
}

// A tree is a folder whose packages are compared.
type tree struct {
	name, root string
	system     string // the root with the native tools, if there is one
	skip       string // a folder of the root that is left out, if any
	// references are the lists that count as correct, by purl type. All other lists are
	// compared with the first of a type. Nothing is installed of a type without a list.
	references map[string][]list
	only       string // the type to compare; empty for all
}

// compare adds the packages that the peers find to the report.
func (s tree) compare(ctx context.Context, tools []peer, r *report) error {
	types := maps.Clone(s.references)
	var tallies []tally
	for _, p := range tools {
		found, err := p(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		tallies = append(tallies, found...)
		for _, t := range found {
			for typ := range t.types {
				types[typ] = s.references[typ]
			}
		}
	}
	for _, typ := range slices.Sorted(maps.Keys(types)) {
		if s.only != "" && typ != s.only {
			continue
		}
		lists := types[typ]
		if len(lists) == 0 {
			lists = []list{{tool: "nothing"}}
		}
		for _, t := range tallies {
			if t.languagesOnly && (ofSystem(typ) || s.system == "") {
				continue
			}
			lists = append(slices.Clip(lists), list{t.tool, t.types[typ]})
		}
		name := s.name
		if !ofSystem(typ) {
			name += "/" + typ
		}
		r.add(name, lists)
	}
	return nil
}

// addReference adds a list that counts as correct.
func (s *tree) addReference(typ string, l list) {
	if s.references == nil {
		s.references = map[string][]list{}
	}
	s.references[typ] = append(s.references[typ], l)
}

// ofSystem reports whether a purl type belongs to operating systems.
func ofSystem(typ string) bool { return typ == "deb" || typ == "apk" || typ == "rpm" }
