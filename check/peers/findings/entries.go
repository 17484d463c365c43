package main

import (
	"fmt"
	"path"

	"assay/check/peers"
)

// heading is the heading of the section with the table.
const heading = "## Comparison with osv-scanner"

// An entry is a line of the table: it accounts for differences.
type entry struct {
	inputs, packages, vulnerabilities string // globs
	kind                              kind
	reason                            string // a case
	whose, why                        string
	matched                           int // differences so far

	holds func(detailed) bool
}

// A kind is how osv-scanner differs from assay.
type kind string

const (
	lacks kind = "lacks" // does not have a finding
	adds  kind = "adds"  // has a finding that assay does not have
)

// Causes of a difference. There is none for an error of assay, which is fixed instead.
const (
	theirs      = "theirs"
	anotherRule = "another rule"
)

// parseEntries returns the lines of the table in a text of Markdown,
//
//	| `dpkg/*` | lacks | `*` | `*` | source version | theirs | why |
func parseEntries(text string) ([]*entry, error) {
	lines, err := peers.Table(text, heading, 7)
	if err != nil {
		return nil, err
	}
	var entries []*entry
	for _, l := range lines {
		e := &entry{inputs: l[0], kind: kind(l[1]), packages: l[2], vulnerabilities: l[3], reason: l[4], whose: l[5], why: l[6]}
		e.holds = caseOf(e.reason)
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("%q: %w", l, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func (e *entry) check() error {
	for _, glob := range []string{e.inputs, e.packages, e.vulnerabilities} {
		if _, err := path.Match(glob, ""); err != nil {
			return fmt.Errorf("%q: %w", glob, err)
		}
	}
	switch {
	case e.holds == nil:
		return fmt.Errorf("unknown case %q", e.reason)
	case e.reason == byName && e.packages == "*":
		return fmt.Errorf("case %q needs a package", byName)
	case e.kind != lacks && e.kind != adds:
		return fmt.Errorf("difference %q is neither %q nor %q", e.kind, lacks, adds)
	case e.whose != theirs && e.whose != anotherRule:
		return fmt.Errorf("%q is neither %q nor %q", e.whose, theirs, anotherRule)
	case e.why == "":
		return fmt.Errorf("the reason is missing")
	}
	return nil
}

// of reports whether an entry is about an input.
func (e *entry) of(input string) bool {
	return glob(e.inputs, input)
}

// covers reports whether an entry accounts for a difference.
func (e *entry) covers(c detailed) bool {
	vulnerability, _ := path.Match(e.vulnerabilities, c.id())
	return vulnerability && glob(e.packages, c.name) && e.kind == c.kind && e.of(c.input) && e.holds(c)
}

// glob is path.Match, except that a lone "*" also matches names with slashes, which
// packages of Go and PHP have.
func glob(pattern, name string) bool {
	ok, _ := path.Match(pattern, name)
	return ok || pattern == "*"
}

func (e *entry) String() string {
	return fmt.Sprintf("%s %s %s %s (%s)", e.inputs, e.kind, e.packages, e.vulnerabilities, e.reason)
}
