package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"assay/check/peers"
	"assay/check/testkit/pkgdb"
)

// A difference is a package in which a tool differs from the reference.
type difference struct {
	root, tool string
	kind       kind
	row        pkgdb.Row // of the reference; for adds of the tool
	instead    pkgdb.Row // for source: of the tool
}

func (d difference) String() string {
	s := fmt.Sprintf("%s: %s %s ", d.root, d.tool, d.kind)
	if d.row.Source == "" { // of a language
		s += d.row.Name + " " + d.row.Version
	} else {
		s += d.row.String()
	}
	if d.kind == source {
		s += fmt.Sprintf(", but names %s %s", d.instead.Source, d.instead.SourceVersion)
	}
	return s
}

// differences returns the differences of a tool's list from the reference, sorted.
func differences(root string, reference, l list) []difference {
	type identity struct{ name, version, arch string }
	of := func(r pkgdb.Row) identity { return identity{r.Name, r.Version, r.Arch} }
	byIdentity := map[identity]pkgdb.Row{}
	for r := range l.rows {
		if !reference.rows[r] {
			byIdentity[of(r)] = r
		}
	}
	var all []difference
	for r := range reference.rows {
		if l.rows[r] {
			continue
		}
		if instead, ok := byIdentity[of(r)]; ok {
			all = append(all, difference{root, l.tool, source, r, instead})
			delete(byIdentity, of(r))
		} else {
			all = append(all, difference{root: root, tool: l.tool, kind: lacks, row: r})
		}
	}
	for _, r := range byIdentity {
		all = append(all, difference{root: root, tool: l.tool, kind: adds, row: r})
	}
	slices.SortFunc(all, func(a, b difference) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), a.row.Compare(b.row))
	})
	return all
}

// A report gathers the differences of all roots.
type report struct {
	entries   []*entry
	compared  map[*entry]bool // its tool was compared in one of its roots
	lines     []string        // of the table
	uncovered []difference
}

func newReport(entries []*entry) *report {
	return &report{entries: entries, compared: map[*entry]bool{}}
}

// add compares the lists of a root with the first, which is the reference.
func (r *report) add(root string, lists []list) {
	reference := lists[0]
	line := fmt.Sprintf("%s\t%s %d", root, reference.tool, len(reference.rows))
	for _, l := range lists[1:] {
		for _, e := range r.entries {
			if e.of(root, l.tool) {
				r.compared[e] = true
			}
		}
		counts := map[kind]int{}
		for _, d := range differences(root, reference, l) {
			counts[d.kind]++
			if !slices.ContainsFunc(r.entries, func(e *entry) bool { return e.account(d) }) {
				r.uncovered = append(r.uncovered, d)
			}
		}
		line += fmt.Sprintf("\t%s %d", l.tool, len(l.rows))
		for _, k := range []kind{lacks, adds, source} {
			if counts[k] > 0 {
				line += fmt.Sprintf(" (%s %d)", k, counts[k])
			}
		}
	}
	r.lines = append(r.lines, line)
}

// print writes the table. It returns an error if a difference has no entry, or an entry no
// difference.
func (r *report) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(r.lines, "\n"))
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	var problems []string
	for _, e := range r.entries {
		total := 0
		for i, n := range e.matched {
			if total += n; n == 0 && r.compared[e] {
				problems = append(problems, fmt.Sprintf("entry without a difference: %s: %s %s %s", e.roots, e.tool, e.kind, e.packages[i]))
			}
		}
		if total > 0 {
			fmt.Fprintf(out, "%d × %s: %s %s %s: %s: %s\n", total, e.roots, e.tool, e.kind, strings.Join(e.packages, ", "), e.whose, e.why)
		}
	}
	for _, d := range r.uncovered {
		problems = append(problems, "no entry: "+d.String())
	}
	return peers.Agree(out, problems)
}
