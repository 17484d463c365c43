package main

import (
	"fmt"
	"path"
	"strings"

	"assay/check/peers"
)

// heading is the heading of the section with the table.
const heading = "## Differences"

// An entry is a line of the table: it accounts for differences.
type entry struct {
	roots    string // glob
	tool     string // glob
	kind     kind
	packages []string // globs, of names, or of "name version"
	whose    string
	why      string
	matched  []int // differences so far, by packages
}

// A kind is how a tool differs from the reference.
type kind string

const (
	lacks  kind = "lacks"  // does not have a package
	adds   kind = "adds"   // has one that the reference lacks
	source kind = "source" // has the package, with another source
)

// Causes of a difference. There is none for an error of assay, which is fixed instead.
const (
	theirs      = "theirs missed"
	anotherRule = "another rule"
)

// parseEntries returns the lines of the table in a text of Markdown,
//
//	| `rpm/*-ndb` | trivy | lacks | `gpg-*`, `a 1.*` | another rule | why |
//
// An asterisk matches any text without a slash, and in names any text.
func parseEntries(text string) ([]*entry, error) {
	lines, err := peers.Table(text, heading, 6)
	if err != nil {
		return nil, err
	}
	var entries []*entry
	for _, cells := range lines {
		e := &entry{roots: cells[0], tool: cells[1], kind: kind(cells[2]), whose: cells[4], why: cells[5]}
		for glob := range strings.SplitSeq(cells[3], ",") {
			e.packages = append(e.packages, strings.Trim(strings.TrimSpace(glob), "`"))
		}
		e.matched = make([]int, len(e.packages))
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("%q: %w", cells, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func (e *entry) check() error {
	for _, glob := range append([]string{e.roots, e.tool}, e.packages...) {
		if _, err := path.Match(glob, ""); err != nil {
			return fmt.Errorf("%q: %w", glob, err)
		}
	}
	switch e.kind {
	case lacks, adds, source:
	default:
		return fmt.Errorf("difference %q is not one of %s, %s and %s", e.kind, lacks, adds, source)
	}
	if e.whose != theirs && e.whose != anotherRule {
		return fmt.Errorf("%q is neither %q nor %q", e.whose, theirs, anotherRule)
	}
	if e.tool == "" || e.why == "" {
		return fmt.Errorf("empty cell")
	}
	return nil
}

// of reports whether an entry is about a tool in a root.
func (e *entry) of(root, tool string) bool {
	isRoot, _ := path.Match(e.roots, root)
	isTool, _ := path.Match(e.tool, tool)
	return isRoot && isTool
}

// account reports whether an entry accounts for a difference, and counts it.
func (e *entry) account(d difference) bool {
	if e.kind != d.kind || !e.of(d.root, d.tool) {
		return false
	}
	for i, glob := range e.packages {
		text := d.row.Name
		if strings.Contains(glob, " ") {
			text += " " + d.row.Version
		}
		slash := strings.NewReplacer("/", "\x00") // an asterisk does not match a slash
		if ok, _ := path.Match(slash.Replace(glob), slash.Replace(text)); ok {
			e.matched[i]++
			return true
		}
	}
	return false
}
