package scan

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"assay/verdict"
)

// A Difference is how a second verdict differs from a first one. Ages, texts and
// probabilities of exploitation are not compared, because they change all the time.
type Difference struct {
	// Changes are those of the decision, the system, the counts and the options.
	Changes []Change `json:"changes,omitempty"`
	// Added are the findings that only the second verdict has. Removed are the findings
	// that only the first one has.
	Added   []verdict.Finding `json:"added,omitempty"`
	Removed []verdict.Finding `json:"removed,omitempty"`
	Changed []ChangedFinding  `json:"changed,omitempty"`
}

// A Change is one value that differs.
type Change struct {
	Name   string `json:"name"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// A ChangedFinding is a finding of both verdicts. Finding is that of the second one.
type ChangedFinding struct {
	Finding verdict.Finding `json:"finding"`
	Changes []Change        `json:"changes"`
}

// Empty reports whether nothing differs.
func (d Difference) Empty() bool {
	return len(d.Changes)+len(d.Added)+len(d.Removed)+len(d.Changed) == 0
}

// Compare returns how after differs from before.
func Compare(before, after verdict.Verdict) Difference {
	d := Difference{Changes: changes(
		Change{"decision", decision(before.Decision), decision(after.Decision)},
		Change{"system", system(before.System), system(after.System)},
		Change{"packages", strconv.Itoa(before.Counts.Packages), strconv.Itoa(after.Counts.Packages)},
		Change{"kernel findings", strconv.Itoa(before.Counts.Kernel), strconv.Itoa(after.Counts.Kernel)},
		Change{"options", before.Options.Describe(verdict.Gate), after.Options.Describe(verdict.Gate)},
	)}
	if len(before.Evaluated) > 0 { // verdicts of earlier versions do not have it
		d.Changes = append(d.Changes, changes(Change{"evaluated packages", strconv.Itoa(before.Counts.Evaluated), strconv.Itoa(after.Counts.Evaluated)})...)
	}
	type key struct{ id, purl, name, version string }
	of := func(f verdict.Finding) key {
		return key{f.ID, f.Package.PURL, f.Package.Name, f.Package.Version}
	}
	// A package that is installed twice has two findings with one key.
	old := map[key][]verdict.Finding{}
	for _, f := range before.Findings {
		old[of(f)] = append(old[of(f)], f)
	}
	for _, f := range after.Findings {
		was := old[of(f)]
		if len(was) == 0 {
			d.Added = append(d.Added, f)
			continue
		}
		old[of(f)] = was[1:]
		if c := changesOf(was[0], f); len(c) > 0 {
			d.Changed = append(d.Changed, ChangedFinding{f, c})
		}
	}
	for _, f := range before.Findings {
		if rest := old[of(f)]; len(rest) > 0 {
			d.Removed = append(d.Removed, rest[0])
			old[of(f)] = rest[1:]
		}
	}
	return d
}

// ComparePolicy returns the options of after that differ from those of before.
func ComparePolicy(before, after verdict.Verdict) []Change {
	return changes(Change{"options", before.Options.Describe(verdict.Gate), after.Options.Describe(verdict.Gate)})
}

func changes(all ...Change) []Change {
	return slices.DeleteFunc(all, func(c Change) bool { return c.Before == c.After })
}

func changesOf(before, after verdict.Finding) []Change {
	return changes(
		Change{"origin", cmp.Or(before.Origin, "unknown"), cmp.Or(after.Origin, "unknown")},
		Change{"fails", strconv.FormatBool(before.Fails), strconv.FormatBool(after.Fails)},
		Change{"rule", before.Rule, after.Rule},
		Change{"severity", string(before.Severity), string(after.Severity)},
		Change{"fix", cmp.Or(before.Fixed, "none"), cmp.Or(after.Fixed, "none")},
		Change{"known to be exploited", strconv.FormatBool(before.KnownExploited), strconv.FormatBool(after.KnownExploited)},
		Change{"malicious", strconv.FormatBool(before.Malicious), strconv.FormatBool(after.Malicious)},
	)
}

// decision leaves out the texts of the reasons, because they contain counts and ages.
func decision(d verdict.Decision) string {
	rules := make([]string, len(d.Reasons))
	for i, r := range d.Reasons {
		rules[i] = r.Rule
	}
	return fmt.Sprintf("%s, code %d (%s)", d.Outcome, d.Code, strings.Join(rules, ", "))
}

func system(s verdict.System) string {
	name := cmp.Or(s.Ecosystem, strings.TrimSpace(s.ID+" "+s.VersionID), "none")
	if s.Ended {
		name += " without security support"
	}
	return name
}

// maxListed is the most lines of each list of WriteText.
const maxListed = 50

// WriteText writes the difference for people, one line for each entry.
func (d Difference) WriteText(w io.Writer) error {
	var b strings.Builder
	for _, c := range d.Changes {
		b.WriteString(c.line() + "\n")
	}
	lines(&b, "only now", d.Added, found)
	lines(&b, "only before", d.Removed, found)
	lines(&b, "changed", d.Changed, func(c ChangedFinding) string {
		words := make([]string, len(c.Changes))
		for i, c := range c.Changes {
			words[i] = c.line()
		}
		return name(c.Finding) + ": " + strings.Join(words, ", ")
	})
	_, err := io.WriteString(w, b.String())
	return err
}

func lines[T any](b *strings.Builder, title string, list []T, line func(T) string) {
	for i, f := range list {
		if i == maxListed {
			fmt.Fprintf(b, "%s: %d more findings\n", title, len(list)-i)
			return
		}
		fmt.Fprintf(b, "%s: %s\n", title, line(f))
	}
}

func name(f verdict.Finding) string {
	return verdict.Clean(f.ID) + " in " + verdict.Clean(f.Package.Name) + " " + verdict.Clean(f.Package.Version)
}

func found(f verdict.Finding) string {
	s := fmt.Sprintf("%s: %s, fix %s, fails", name(f), f.Severity, verdict.Clean(cmp.Or(f.Fixed, "none")))
	if !f.Fails {
		s = strings.TrimSuffix(s, "fails") + "does not fail by the rule " + verdict.Clean(f.Rule)
	}
	return s
}

func (c Change) line() string {
	return c.Name + ": " + verdict.Clean(c.Before) + " -> " + verdict.Clean(c.After)
}
