package html

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"assay/service/report"
	"assay/verdict"
)

// A view is what the template writes. Its texts are clean and complete, so that the
// template has no logic.
type view struct {
	Title  string
	Policy string
	CSS    template.CSS
	JS     template.JS

	Outcome  string // one of the classes of the style
	Word     string
	Headline string
	Aside    string // about the exit code
	Reasons  []reason
	Facts    []fact
	Notes    []string

	Incomplete bool // the coverage comes first
	Coverage   coverage
	Remedies   []remedy
	Counts     []countRow
	Total      countRow
	Failing    []group
	CountsAs   string // what unrated findings count as, if one fails
	Passing    []rule
	Kernel     string
	Comparison string // with the reference of the ratchet
	Baseline   string // what the baseline counted

	Files   []file
	Data    []fact
	Sources []source
	Options []option
	Ignored []option
	Policed string
	Service string
}

type reason struct{ Text, Hint string }

type fact struct{ Name, Value, Time, Class string }

type coverage struct {
	Sentence string
	Parts    []part
	Errors   []scanError
	More     []scanError // after the first ones
	Sum      string
}

type part struct {
	Name, State, Class string
	Packages           string
	Causes             []string
}

type scanError struct{ Path, Err string }

type remedy struct{ Text, Fixes, Command, Short string }

type countRow struct {
	Severity, Class       string
	Failing, Passing, All string
}

type group struct {
	Name, Installed, Fixed, NoFix string
	Origin                        string // if it is not the build
	Detail                        string
	Count                         string
	Rows                          []row
}

type row struct {
	Severity, Class string
	Score           string
	ID, URL         string
	Marks           []string
	Rated           string
	EPSS            string
	Summary         string
	Grounds         string
	Why             string
}

type rule struct {
	Name, Count string
	Groups      []group
}

type file struct{ Name, Format, Entries, Accepted, Remarks string }

type source struct{ Name, Contributes, Age, Updated, For string }

type option struct{ Name, Value, Note string }

// Bounds of what is shown at once.
const (
	maxErrors = 8 // before the others are folded
	maxNames  = 6
)

func newView(s report.Scan) view {
	v := s.Verdict
	failing := slices.DeleteFunc(slices.Clone(v.Findings), func(f verdict.Finding) bool { return !f.Fails })
	failingGroups := verdict.Groups(failing, v.Options)
	out := view{
		Policy: Policy(), CSS: template.CSS(css), JS: template.JS(js),
		Headline: headline(v, len(failingGroups)), Aside: aside(v),
		Facts: facts(s), Notes: notes(v),
		Incomplete: incomplete(v), Coverage: coverageOf(v),
		Remedies: remedies(v), Failing: groupsOf(failingGroups), CountsAs: countsAs(v, failing),
		Passing: passing(v), Kernel: kernel(v),
		Files: files(v), Data: data(v), Sources: sources(v), Service: name(s.Service),
	}
	out.Outcome, out.Word = outcome(v)
	out.Counts, out.Total = counts(v, failing)
	for _, r := range v.Decision.Reasons {
		out.Reasons = append(out.Reasons, reason{sentence(r.Text), sentence(r.Hint)})
	}
	if v.Ratchet != nil {
		out.Comparison = sentence(v.Ratchet.Text())
	}
	if v.Baseline != nil && v.Baseline.Error == "" {
		out.Baseline = sentence(v.Baseline.Text())
	}
	for _, o := range verdict.DeclaredOptions() {
		if value := o.Value(v.Options); o.Effect != verdict.Label && value != "" && value != "0d" {
			note := ""
			if value != o.Value(verdict.DefaultOptions()) {
				note = "not the default"
			}
			out.Options = append(out.Options, option{o.Name, name(value), note})
		}
	}
	for _, o := range v.Ignored {
		out.Ignored = append(out.Ignored, option{name(o.Name), name(o.Value), report.Line("from "+o.Origin+": "+o.Reason, maxText)})
	}
	if p := v.Policy; p != nil {
		out.Policed = fmt.Sprintf("Version %d of the policy of the service: %s.", p.Version, names(p.Sections, maxNames))
	}
	out.Title = strings.Join(slices.DeleteFunc([]string{out.Word, name(v.Options.Project), name(v.Options.Ref)}, func(s string) bool { return s == "" }), " · ") + " · assay"
	return out
}

// outcome returns the class and the word of an outcome.
func outcome(v verdict.Verdict) (class, word string) {
	switch v.Decision.Outcome {
	case verdict.Pass:
		return "pass", "Pass"
	case verdict.Fail:
		return "fail", "Fail"
	}
	return "untrusted", "Untrusted"
}

// headline is the verdict in one sentence.
func headline(v verdict.Verdict, groups int) string {
	c := v.Counts
	switch {
	case v.Decision.Outcome == verdict.Pass && c.Findings == 0:
		return "No findings in " + verdict.Count(c.Evaluated, "evaluated package") + "."
	case v.Decision.Outcome == verdict.Pass && c.Findings == 1:
		return "One finding, which does not fail the build."
	case v.Decision.Outcome == verdict.Pass:
		return "None of " + verdict.Number(c.Findings) + " findings fails the build."
	case v.Decision.Outcome == verdict.Fail && c.Failing > 0:
		verb := "fail"
		if c.Failing == 1 {
			verb = "fails"
		}
		return fmt.Sprintf("%s of %s %s the build, in %s.", verdict.Number(c.Failing), verdict.Count(c.Findings, "finding"), verb, verdict.Count(groups, "package"))
	case v.Decision.Outcome == verdict.Fail && endOfLife(v):
		return "No finding fails the build, but security support of the system has ended."
	case v.Decision.Outcome == verdict.Fail:
		return "The policy forbids this image."
	}
	return "This answer says nothing about the image."
}

// endOfLife reports whether the image fails because the support of its system has ended.
func endOfLife(v verdict.Verdict) bool {
	return slices.ContainsFunc(v.Decision.Reasons, func(r verdict.Reason) bool { return r.Rule == verdict.RuleEndOfLife })
}

// aside says what the client does with the outcome.
func aside(v verdict.Verdict) string {
	if v.Decision.Outcome == verdict.Fail && v.Options.ContinueOnFailure {
		return "The build went on: --continue-on-failure"
	}
	return fmt.Sprintf("Exit code %d", v.Decision.Code)
}

func day(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04 UTC") }

func machine(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func system(s verdict.System) string {
	return name(cmp.Or(s.PrettyName, strings.TrimSpace(s.ID+" "+s.VersionID), "no known system"))
}

func facts(s report.Scan) []fact {
	v := s.Verdict
	all := []fact{{Name: "System", Value: system(v.System)}}
	if end := name(v.System.EndOfLife); end != "" {
		verb := "until "
		if v.System.Ended {
			verb = "ended "
		}
		all = append(all, fact{Name: "Security support", Value: verb + end})
	}
	all = append(all, fact{Name: "Project", Value: name(v.Options.Project)}, fact{Name: "Ref", Value: name(v.Options.Ref)},
		fact{Name: "Commit", Value: name(v.Options.Commit)})
	if !s.At.IsZero() {
		all = append(all, fact{Name: "Scanned", Value: day(s.At), Time: machine(s.At)})
	}
	all = append(all, fact{Name: "Scan", Value: name(v.Scan)})
	return slices.DeleteFunc(all, func(f fact) bool { return f.Value == "" })
}

// notes are what a reader must not miss besides the reasons.
func notes(v verdict.Verdict) []string {
	var all []string
	if v.Data.Sample {
		all = append(all, "The data is a sample for demonstration: most advisories are not in it.")
	}
	if v.System.Ended && !endOfLife(v) {
		all = append(all, sentence("security support of "+system(v.System)+" has ended"))
	}
	for _, f := range v.Exceptions {
		if f.Error != "" {
			all = append(all, sentence("the exceptions of "+name(f.File)+" do not count: "+f.Error))
		}
		if f.Expired > 0 {
			all = append(all, sentence(verdict.Count(f.Expired, "exception")+" of "+name(f.File)+" expired: "+names(f.ExpiredNames, maxNames)))
		}
	}
	for _, n := range v.Notices {
		all = append(all, sentence(n))
	}
	return all
}

func incomplete(v verdict.Verdict) bool {
	return len(v.ScanErrors) > 0 || v.Counts.Evaluated != v.Counts.Packages ||
		slices.ContainsFunc(v.Evaluated, func(p verdict.Part) bool { return p.State != verdict.Evaluated })
}

func coverageOf(v verdict.Verdict) coverage {
	c := coverage{}
	switch missing := v.Counts.Packages - v.Counts.Evaluated; {
	case v.Counts.Packages == 0:
		c.Sentence = "No packages were found."
	case missing > 0:
		c.Sentence = fmt.Sprintf("%s of %s were not evaluated. What was not evaluated is not clean.", verdict.Number(missing), verdict.Count(v.Counts.Packages, "package"))
	case v.Counts.Packages == 1:
		c.Sentence = "The only package was evaluated."
	default:
		c.Sentence = "All " + verdict.Number(v.Counts.Packages) + " packages were evaluated."
	}
	for _, p := range v.Evaluated {
		out := part{Name: name(cmp.Or(p.Ecosystem, p.Type, p.Part)), Packages: verdict.Number(p.Evaluated) + " of " + verdict.Number(p.Packages), State: "evaluated"}
		if p.Part == verdict.PartSystem && p.Ecosystem == "" {
			out.Name = system(v.System)
		}
		switch p.State {
		case verdict.Evaluated:
		case verdict.Partly:
			out.State, out.Class = "partly evaluated", "missing"
		default:
			out.State, out.Class = "not evaluated", "missing"
		}
		for _, cause := range p.Causes {
			text := sentence(cause.Text)
			if cause.Packages > 0 {
				text = verdict.Count(cause.Packages, "package") + ": " + text
			}
			if len(cause.Names) > 0 {
				text += " " + names(cause.Names, maxNames)
			}
			out.Causes = append(out.Causes, text)
		}
		c.Parts = append(c.Parts, out)
	}
	for _, e := range v.ScanErrors {
		c.Errors = append(c.Errors, scanError{name("/" + strings.TrimPrefix(e.Path, "/")), report.Line(e.Err, maxText)})
	}
	if n := len(c.Errors); n > 0 {
		c.Sum = verdict.Count(n, "place") + " could not be read"
		c.Errors, c.More = c.Errors[:min(n, maxErrors)], c.Errors[min(n, maxErrors):]
	}
	return c
}

func remedies(v verdict.Verdict) []remedy {
	var all []remedy
	for _, r := range v.Remedies {
		text := sentence(r.Text)
		if command(r.Command) != "" {
			text = strings.TrimRight(text, ".") + ":"
		}
		all = append(all, remedy{Text: text, Fixes: verdict.Count(r.Findings, "finding"), Command: command(r.Command), Short: command(r.Short)})
	}
	return all
}

// severity returns a severity and its class in the style.
func severity(s verdict.Severity) (word, class string) {
	if s.Rank() < 0 {
		return name(string(s)), string(verdict.Unrated)
	}
	return string(s), string(s)
}

func counts(v verdict.Verdict, failing []verdict.Finding) (rows []countRow, total countRow) {
	fails := map[verdict.Severity]int{}
	for _, f := range failing {
		fails[f.Severity]++
	}
	for _, s := range verdict.Severities() {
		if all := v.Counts.BySeverity[s]; all > 0 {
			word, class := severity(s)
			rows = append(rows, countRow{word, class, verdict.Number(fails[s]), verdict.Number(all - fails[s]), verdict.Number(all)})
		}
	}
	c := v.Counts
	return rows, countRow{"all", "", verdict.Number(c.Failing), verdict.Number(c.Findings - c.Failing), verdict.Number(c.Findings)}
}

// countsAs returns what an unrated finding counts as, if one fails by its severity.
func countsAs(v verdict.Verdict, failing []verdict.Finding) string {
	if slices.ContainsFunc(failing, func(f verdict.Finding) bool {
		return f.Severity == verdict.Unrated && f.Rule == verdict.RuleSeverity
	}) {
		return name(string(v.Options.Unrated))
	}
	return ""
}

func groupsOf(all []verdict.Group) []group {
	out := make([]group, 0, len(all))
	for _, g := range all {
		one := group{Name: name(g.Name), Installed: name(g.Installed), Fixed: name(g.Fixed), Count: verdict.Number(len(g.Vulnerabilities))}
		switch {
		case g.Fixed != "":
		case g.Subscription != "":
			one.NoFix = "the fix needs " + name(g.Subscription)
		default:
			one.NoFix = "no fix"
		}
		switch {
		case len(g.Binaries) > 1 || g.Binaries[0] != g.Name:
			one.Detail = names(g.Binaries, 20)
		case len(g.Paths) > 0:
			one.Detail = names(g.Paths, 3)
		}
		if g.Origin == verdict.OriginBase {
			one.Origin = "base image"
		}
		for _, f := range g.Vulnerabilities {
			one.Rows = append(one.Rows, rowOf(f))
		}
		out = append(out, one)
	}
	return out
}

func rowOf(f verdict.Finding) row {
	r := row{ID: name(cmp.Or(f.ID, "(no id)")), URL: link(f.ID), Summary: report.Line(f.Summary, maxText), Why: report.Line(f.Why, maxText)}
	r.Severity, r.Class = severity(f.Severity)
	if f.Score > 0 {
		r.Score = fmt.Sprintf("%.1f", f.Score)
	}
	if f.Malicious {
		r.Marks = append(r.Marks, "malicious")
	}
	if f.KnownExploited {
		r.Marks = append(r.Marks, "known exploited")
	}
	if f.Fails && f.Rule == verdict.RuleForbidden {
		r.Marks = append(r.Marks, "forbidden by the policy")
	}
	r.Rated = name(f.RatedBy())
	switch {
	case f.EPSS >= 0.001:
		r.EPSS = fmt.Sprintf("%.1f%%", 100*f.EPSS)
	case f.EPSS > 0:
		r.EPSS = "<0.1%"
	}
	if f.Grounds != (verdict.Grounds{}) {
		r.Grounds = grounds(f)
	}
	return r
}

// grounds says who decided on a finding, why and until when.
func grounds(f verdict.Finding) string {
	var parts []string
	if f.Until != nil {
		word := "until "
		if f.Fails {
			word = "grace ended "
		}
		parts = append(parts, word+f.Until.UTC().Format(time.DateOnly))
	}
	if f.Reason != "" {
		parts = append(parts, report.Line(f.Reason, maxText))
	}
	if f.By != "" {
		parts = append(parts, name(f.By))
	}
	if f.Written != "" {
		parts = append(parts, name(f.Written))
	}
	return strings.Join(parts, " · ")
}

// passing returns the findings that do not fail, by rule in the order of the log.
func passing(v verdict.Verdict) []rule {
	var all []rule
	for _, p := range v.Passing() {
		all = append(all, rule{report.Capital(name(p.Text)), verdict.Number(len(p.Findings)), groupsOf(verdict.Groups(p.Findings, v.Options))})
	}
	return all
}

func kernel(v verdict.Verdict) string {
	if v.Counts.Kernel <= 0 || v.Options.Kernel {
		return ""
	}
	return verdict.Count(v.Counts.Kernel, "finding") + " of kernel packages and headers are counted and not listed: an image does not run its own kernel. --kernel lists them."
}

func files(v verdict.Verdict) []file {
	var all []file
	for _, f := range v.Exceptions {
		one := file{Name: name(f.File), Format: name(f.Format), Entries: verdict.Number(f.Entries), Accepted: verdict.Number(f.Accepted)}
		var remarks []string
		if f.Error != "" {
			remarks = append(remarks, sentence(f.Error))
		}
		if f.Expired > 0 {
			remarks = append(remarks, verdict.Number(f.Expired)+" expired: "+names(f.ExpiredNames, maxNames)+".")
		}
		if f.Unmatched > 0 {
			remarks = append(remarks, verdict.Number(f.Unmatched)+" matched no finding: "+names(f.UnmatchedNames, maxNames)+".")
		}
		one.Remarks = strings.Join(remarks, " ")
		all = append(all, one)
	}
	return all
}

func data(v verdict.Verdict) []fact {
	d := v.Data
	all := []fact{{Name: "Advisories", Value: verdict.Number(d.Records)}}
	if !d.Updated.IsZero() {
		all = append(all, fact{Name: "Updated", Value: verdict.Age(d.Age) + " before the scan, on " + day(d.Updated), Time: machine(d.Updated)})
	}
	if !d.Newest.IsZero() {
		all = append(all, fact{Name: "Newest", Value: day(d.Newest), Time: machine(d.Newest)})
	}
	if d.Snapshot != "" {
		all = append(all, fact{Name: "Snapshot", Value: name(d.Snapshot), Class: "long"})
	}
	if len(v.Without) > 0 {
		all = append(all, fact{Name: "Without", Value: names(v.Without, maxNames)})
	}
	return all
}

func sources(v verdict.Verdict) []source {
	var all []source
	for _, s := range v.Data.Sources {
		age := verdict.Age(s.Age)
		if s.Age < 0 {
			age = "dated in the future"
		}
		all = append(all, source{name(s.Name), name(s.Contributes), age, day(s.Updated), names(s.Ecosystems, maxNames)})
	}
	return all
}
