package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"assay/check/testkit/pkgdb"
)

// rows are packages. Those of languages have a name and a version alone.
type rows map[pkgdb.Row]bool

// add adds a package. Epoch 0 is no epoch: rpm compares both as the same, and not
// all tools keep the difference.
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

// A tally is all that a tool found, by the types of purls.
type tally struct {
	tool  string
	types map[string]rows
	// aside says that it is of languages in whole roots alone, since the tool was
	// not asked for what is installed, or not for systems.
	aside bool
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
	if name, version = normal(typ, name, version); name != "" {
		t.add(typ, pkgdb.Row{Name: name, Version: version})
	}
}

// A subject is a tree whose packages are compared.
type subject struct {
	name, root string
	system     string // the root whose programs say what is installed, unless empty
	skip       string // a folder of the root that is left out, unless empty
	// judges are the lists that are held to be right, by type; what the first of
	// a type has is the truth, and others are compared with it. A type without
	// one is a type of which nothing is installed.
	judges map[string][]list
	only   string // the type to compare, unless empty
}

// compare adds to the report what the peers find.
func (s subject) compare(ctx context.Context, peers []peer, r *report) error {
	types := maps.Clone(s.judges)
	var tallies []tally
	for _, p := range peers {
		found, err := p(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		tallies = append(tallies, found...)
		for _, t := range found {
			for typ := range t.types {
				types[typ] = s.judges[typ]
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
			if t.aside && (ofSystem(typ) || s.system == "") {
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

// judge adds a list that is held to be right.
func (s *subject) judge(typ string, l list) {
	if s.judges == nil {
		s.judges = map[string][]list{}
	}
	s.judges[typ] = append(s.judges[typ], l)
}

// ofSystem reports whether a type of purls is one of operating systems.
func ofSystem(typ string) bool { return typ == "deb" || typ == "apk" || typ == "rpm" }

// normal returns name and version of a package in the form in which all tools have
// them: what an ecosystem takes for the same is the same. The name is empty for
// an archive of Java without a group: that is a guess by the name of the file,
// and no advisory speaks of it.
func normal(typ, name, version string) (string, string) {
	switch typ {
	case "pypi":
		words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r == '-' || r == '_' || r == '.' })
		name = strings.Join(words, "-")
	case "maven":
		if !strings.Contains(name, ":") {
			name = ""
		}
	case "composer":
		name, version = strings.ToLower(name), strings.TrimPrefix(version, "v")
	case "nuget":
		name = strings.ToLower(name)
	case "golang":
		version = strings.TrimPrefix(strings.TrimPrefix(version, "go"), "v")
		if version == "(devel)" {
			version = ""
		}
	}
	return name, cmp.Or(version, "none")
}
