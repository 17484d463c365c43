package main

import (
	"fmt"
	"path"
	"strings"
)

// heading is that of the section with the table.
const heading = "## Differences"

// An entry is a line of the table: it accounts for differences.
type entry struct {
	roots   string // glob
	tool    string
	kind    kind
	names   string // glob, of packages
	whose   string
	why     string
	matched int // differences so far
}

// A kind says how a tool differs from the judge.
type kind string

const (
	lacks  kind = "lacks"  // does not have a package
	adds   kind = "adds"   // has one that the judge has not
	source kind = "source" // has the package, with another source
)

// Whose a difference is. One that is ours is a fault to be mended, not an entry.
const (
	theirs      = "theirs missed"
	anotherRule = "another rule"
)

// parseEntries returns the lines of the table in a text of Markdown,
//
//	| `rpm/*-ndb` | trivy | lacks | `gpg-*` | another rule | why |
func parseEntries(text string) ([]*entry, error) {
	_, section, ok := strings.Cut(text, "\n"+heading+"\n")
	if !ok {
		return nil, fmt.Errorf("no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var entries []*entry
	for line := range strings.Lines(section) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if len(cells) != 6 {
			return nil, fmt.Errorf("%q: %d cells, want 6", line, len(cells))
		}
		for i := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(cells[i]), "`")
		}
		e := &entry{roots: cells[0], tool: cells[1], kind: kind(cells[2]), names: cells[3], whose: cells[4], why: cells[5]}
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func (e *entry) check() error {
	for _, glob := range []string{e.roots, e.names} {
		if _, err := path.Match(glob, ""); err != nil {
			return fmt.Errorf("%q: %w", glob, err)
		}
	}
	switch e.kind {
	case lacks, adds, source:
	default:
		return fmt.Errorf("difference %q is none of %s, %s and %s", e.kind, lacks, adds, source)
	}
	if e.whose != theirs && e.whose != anotherRule {
		return fmt.Errorf("%q is neither %q nor %q", e.whose, theirs, anotherRule)
	}
	if e.tool == "" || e.why == "" {
		return fmt.Errorf("an empty cell")
	}
	return nil
}

// of reports whether an entry speaks of a tool in a root.
func (e *entry) of(root, tool string) bool {
	ok, _ := path.Match(e.roots, root)
	return ok && e.tool == tool
}

// covers reports whether an entry accounts for a difference.
func (e *entry) covers(d difference) bool {
	ok, _ := path.Match(e.names, d.row.Name)
	return ok && e.kind == d.kind && e.of(d.root, d.tool)
}
