package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"assay/check/peers"
)

// A difference is a case in which assay and a tool decide differently.
type difference struct {
	tool string
	what string // the name of the finding, or "refused: " and the reason
	// assay is whether assay accepts the finding, or reads the file.
	assay bool
	where string
}

func (d difference) String() string {
	return fmt.Sprintf("%s: %s: %s: %s", d.tool, d.what, verdictOf(d.what, d.assay), d.where)
}

// verdictOf returns the word of the table.
func verdictOf(what string, assay bool) string {
	if assay {
		return accepts
	}
	return rejects
}

// A report counts the decisions and their differences.
type report struct {
	entries     []*entry
	files       map[string]int // by tool
	packages    map[string]int // by tool
	decisions   map[string]int // by tool
	accepted    map[string]int // by tool
	refused     map[string]int // files that the tool and assay both refuse
	elsewhere   map[string]int // packages at paths where assay did not find them, by tool and type
	differences []difference
}

// compareFile compares the decisions about the findings of one file.
func (r *report) compareFile(ctx context.Context, t tools, f file) error {
	items, err := f.items()
	if err != nil {
		return err
	}
	var findings []finding
	for _, e := range items {
		findings = append(findings, e.findings()...)
	}
	if len(findings) == 0 { // an empty file accepts nothing
		findings = append(findings, item{id: "CVE-2000-0001"}.subjects()[0].finding())
	}
	add(&r.files, f.kind, 1)
	return r.compare(ctx, t, f, findings)
}

// compare compares the decisions of assay and a tool about findings.
func (r *report) compare(ctx context.Context, t tools, f file, findings []finding) error {
	decide := t.trivyDecides
	if f.kind == "grype" {
		decide = t.grypeDecides
	}
	theirs, err := decide(ctx, f.path, f.text, findings)
	if err != nil {
		return err
	}
	ours := assayDecides(path.Base(f.path), f.text, findings)
	switch {
	case ours.refused != "" && theirs.refused != "":
		add(&r.refused, f.kind, 1)
		return nil
	case ours.refused != "" || theirs.refused != "":
		reads := ours.refused == ""
		r.differences = append(r.differences, difference{f.kind, "refused: " + ours.refused + theirs.refused, reads, f.path})
		return nil
	}
	for i, of := range findings {
		add(&r.decisions, f.kind, 1)
		if theirs.accepted[i] {
			add(&r.accepted, f.kind, 1)
		}
		if ours.accepted[i] != theirs.accepted[i] {
			where := fmt.Sprintf("%s: %s %v in %s at %s, with %+v %+v", f.path, of.match.ID, of.match.Aliases, of.pkg.PURL, of.pkg.Paths, of.trivy, of.grype)
			what := of.name
			if cause := ours.cause(of.match.ID); cause != "" && !ours.accepted[i] {
				what = "unsupported: " + cause
			}
			r.differences = append(r.differences, difference{f.kind, what, ours.accepted[i], where})
		}
	}
	return nil
}

func add(counts *map[string]int, key string, n int) {
	if *counts == nil {
		*counts = map[string]int{}
	}
	(*counts)[key] += n
}

// print writes what was compared and the entries. It returns an error if a difference has
// no entry, or an entry has no difference.
func (r *report) print(out io.Writer) error {
	for _, tool := range slices.Sorted(maps.Keys(r.decisions)) {
		fmt.Fprintf(out, "%s: %d files (%d refused by both), %d packages, %d decisions, %d accept\n",
			tool, r.files[tool], r.refused[tool], r.packages[tool], r.decisions[tool], r.accepted[tool])
	}
	for _, what := range slices.Sorted(maps.Keys(r.elsewhere)) {
		fmt.Fprintf(out, "%s: %d packages at paths where assay did not find them\n", what, r.elsewhere[what])
	}
	fmt.Fprintln(out)
	var problems []string
	for _, d := range r.differences {
		if !slices.ContainsFunc(r.entries, func(e *entry) bool { return e.account(d) }) {
			problems = append(problems, "no entry: "+d.String())
		}
	}
	for _, e := range r.entries {
		if e.matched == 0 {
			problems = append(problems, fmt.Sprintf("entry without a difference: %s: %s: %s", e.tool, e.what, e.assay))
			continue
		}
		fmt.Fprintf(out, "%d × %s: %s: assay %s it: %s\n", e.matched, e.tool, e.what, e.assay, e.why)
	}
	return peers.Agree(out, problems)
}

// heading is the heading of the section with the table.
const heading = "#### Differences"

// An entry is a line of the table: it accounts for differences.
type entry struct {
	tool, what, assay, why string // tool and what are globs
	matched                int    // differences so far
}

// What assay does, other than the tool.
const (
	accepts = "accepts"
	rejects = "does not accept"
)

// parseEntries returns the lines of the table in a text of Markdown,
//
//	| `grype` | `alias` | accepts | why |
//
// An asterisk matches any text.
func parseEntries(text string) ([]*entry, error) {
	lines, err := peers.Table(text, heading, 4)
	if err != nil {
		return nil, err
	}
	var entries []*entry
	for _, cells := range lines {
		e := &entry{tool: cells[0], what: cells[1], assay: cells[2], why: cells[3]}
		if e.assay != accepts && e.assay != rejects || e.why == "" {
			return nil, fmt.Errorf("%q: want %q or %q, and a reason", cells, accepts, rejects)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// account reports whether an entry accounts for a difference, and counts it.
func (e *entry) account(d difference) bool {
	if verdictOf(d.what, d.assay) != e.assay || !glob(e.tool, d.tool) || !glob(e.what, d.what) {
		return false
	}
	e.matched++
	return true
}

func glob(pattern, text string) bool {
	slash := strings.NewReplacer("/", "\x00", "\n", " ", "[", "(", "]", ")")
	ok, err := path.Match(slash.Replace(pattern), slash.Replace(text))
	return ok && err == nil
}
