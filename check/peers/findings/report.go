package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"assay/check/peers"
)

// A difference is a finding that only one side has.
type difference struct {
	input string
	kind  kind
	finding
}

func (d difference) String() string {
	return fmt.Sprintf("%s: osv-scanner %s %s in %s %s (%s)", d.input, d.kind, strings.Join(d.names, " "), d.name, d.version, strings.Join(d.records, " "))
}

// A report gathers the differences of all inputs.
type report struct {
	entries   []*entry
	compared  map[*entry]bool // an input that it is about was compared
	lines     []string        // of the table
	findings  int             // of assay
	uncovered []difference
}

func newReport(entries []*entry) *report {
	return &report{entries: entries, compared: map[*entry]bool{}}
}

// add compares the findings of both sides in an input. details adds the details to a
// difference.
func (r *report) add(input string, ours, theirs evaluated, details func(difference) detailed) {
	for _, e := range r.entries {
		if e.of(input) {
			r.compared[e] = true
		}
	}
	line := fmt.Sprintf("%s\tpackages %d\tfindings %d\tosv-scanner %d, %d", input, ours.packages, len(ours.findings), theirs.packages, len(theirs.findings))
	for _, side := range []struct {
		kind        kind
		have, other []finding
	}{{lacks, ours.findings, theirs.findings}, {adds, theirs.findings, ours.findings}} {
		lost := missing(side.have, side.other)
		for _, f := range lost {
			r.sort(details(difference{input, side.kind, f}))
		}
		if len(lost) > 0 {
			line += fmt.Sprintf("\t%s %d", side.kind, len(lost))
		}
	}
	r.lines = append(r.lines, line)
	r.findings += len(ours.findings)
}

// sort counts a difference for the first entry that accounts for it.
func (r *report) sort(c detailed) {
	i := slices.IndexFunc(r.entries, func(e *entry) bool { return e.covers(c) })
	if i < 0 {
		r.uncovered = append(r.uncovered, c.difference)
		return
	}
	r.entries[i].matched++
}

// print writes the table. It returns an error if a difference has no entry, or an entry no
// difference.
func (r *report) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(r.lines, "\n"))
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d inputs, %d findings of assay\n\n", len(r.lines), r.findings)
	var problems []string
	for _, e := range r.entries {
		if e.matched > 0 {
			fmt.Fprintf(out, "%d × %s: %s: %s\n", e.matched, e, e.whose, e.why)
		} else if r.compared[e] {
			problems = append(problems, fmt.Sprintf("entry without a difference: %s", e))
		}
	}
	for _, d := range r.uncovered {
		problems = append(problems, "no entry: "+d.String())
	}
	return peers.Agree(out, problems)
}
