package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"assay/service/scan"
	"assay/verdict"
)

// A report gathers what differs over all roots.
type report struct {
	lines     []string // a block for each root
	decisions groups   // a change of decision, by what it was and is
	added     groups
	removed   groups
	changed   groups
	scanned   int
	same      int
	failed    []string
	findings  [2]int
}

// groups are the members of each group.
type groups map[string][]string

func (g *groups) add(group, member string) {
	if *g == nil {
		*g = groups{}
	}
	(*g)[group] = append((*g)[group], member)
}

// add counts the difference between the answers, and lists it for the root.
func (r *report) add(name string, answers [2]result) {
	d, ok := r.addQuiet(name, answers)
	if !ok {
		return
	}
	after := answers[1].verdict
	r.lines = append(r.lines, fmt.Sprintf("%s: %d findings only before, %d only after, %d changed",
		name, len(d.Removed), len(d.Added), len(d.Changed)))
	for _, c := range d.Changes {
		r.lines = append(r.lines, fmt.Sprintf("    %s: %s -> %s", c.Name, c.Before, c.After))
	}
	for _, c := range d.Changes {
		if c.Name == "decision" {
			for _, reason := range after.Decision.Reasons {
				r.lines = append(r.lines, "    after: "+reason.Rule+": "+verdict.Clean(reason.Text))
			}
		}
	}
}

func (r *report) addQuiet(name string, answers [2]result) (d scan.Difference, differs bool) {
	r.scanned++
	if answers[0].err != "" || answers[1].err != "" {
		if answers[0].err != answers[1].err {
			r.failed = append(r.failed, fmt.Sprintf("%s: %s -> %s", name, cmp.Or(answers[0].err, "answered"), cmp.Or(answers[1].err, "answered")))
		}
		return d, false
	}
	for i, a := range answers {
		r.findings[i] += len(a.verdict.Findings)
	}
	d = scan.Compare(answers[0].verdict, answers[1].verdict)
	if d.Empty() {
		r.same++
		return d, false
	}
	for _, c := range d.Changes {
		if c.Name == "decision" {
			r.decisions.add(c.Before+" -> "+c.After, name)
		}
	}
	member := func(f verdict.Finding) string {
		return fmt.Sprintf("%s %s %s in %s", f.ID, f.Package.Name, f.Package.Version, name)
	}
	for _, f := range d.Added {
		r.added.add(kind(f), member(f))
	}
	for _, f := range d.Removed {
		r.removed.add(kind(f), member(f))
	}
	for _, f := range d.Changed {
		var words []string
		for _, c := range f.Changes {
			switch c.Name {
			case "fix": // every version would be a group
				words = append(words, fmt.Sprintf("fix %s -> %s", some(c.Before), some(c.After)))
			default:
				words = append(words, fmt.Sprintf("%s %s -> %s", c.Name, c.Before, c.After))
			}
		}
		r.changed.add(f.Finding.Package.Type+": "+strings.Join(words, ", "), member(f.Finding))
	}
	return d, true
}

func some(fix string) string {
	if fix == "none" {
		return fix
	}
	return "a version"
}

// kind is the group of a finding that only one of the verdicts has: the type of its
// package, the publisher of its record, and the rule that decided.
func kind(f verdict.Finding) string {
	publisher := "?"
	if len(f.Advisories) > 0 {
		publisher = strings.TrimRight(strings.SplitN(f.Advisories[0], "-", 2)[0], "0123456789")
	}
	fix := "with a fix"
	if f.Fixed == "" {
		fix = "without a fix"
	}
	return fmt.Sprintf("%s, records %s-, rule %s, %s", f.Package.Type, publisher, f.Rule, fix)
}

const examples = 3

// write writes the groups, the largest first, with some members.
func (g groups) write(b *strings.Builder, title string) {
	fmt.Fprintf(b, "\n%s\n", title)
	names := slices.SortedFunc(maps.Keys(g), func(a, b string) int {
		return cmp.Or(len(g[b])-len(g[a]), cmp.Compare(a, b))
	})
	for _, name := range names {
		members := g[name]
		fmt.Fprintf(b, "%6d  %s\n", len(members), name)
		for _, m := range members[:min(examples, len(members))] {
			fmt.Fprintf(b, "        such as %s\n", verdict.Clean(m))
		}
	}
}

func (r *report) write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d scanned with both releases, %d without a difference; %d findings before, %d after\n\n",
		r.scanned, r.same, r.findings[0], r.findings[1])
	for _, l := range r.lines {
		b.WriteString(l + "\n")
	}
	for _, part := range [...]struct {
		title string
		groups
	}{
		{"Decisions", r.decisions}, {"Findings only after", r.added},
		{"Findings only before", r.removed}, {"Findings changed", r.changed},
	} {
		part.write(&b, part.title)
	}
	if len(r.failed) > 0 {
		fmt.Fprintf(&b, "\nNot answered\n%s\n", strings.Join(r.failed, "\n"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
