package verdict

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// A Style is how WriteText writes.
type Style struct {
	// Color colours severities. The layout does not depend on it.
	Color bool
	// Width is the most columns of a line, from 60 to 100. 0 means 100, and other values
	// are taken as the nearest of these. A link and the stable line are never broken and
	// have at most 100 columns.
	Width int
	// Quiet writes only the stable line and the verdict in words.
	Quiet bool
	// Tail writes only the tail. Quiet takes precedence.
	Tail bool
	// Verbose also lists findings that do not fail, and says why each finding matched.
	// Quiet and Tail take precedence.
	Verbose bool
	// Exit is the exit code of the client: that of the decision, or 0 under
	// --continue-on-failure.
	Exit int
	// Server is the address of the service. It is used for a link if the verdict has no
	// report.
	Server string
}

const (
	// maxBody is the most bytes before the tail. Builders cut the output of a step that
	// writes more than 200 KiB in a second.
	maxBody = 128 << 10
	// maxIDs is the most vulnerabilities of one package, so that other packages have room.
	maxIDs = 1000
	// maxNotes is the most notes of one kind.
	maxNotes = 10
)

// WriteText writes the log of a scan: the failing findings, the worst first and grouped by
// the package to upgrade, then the number of findings that do not fail, then notes, then
// the tail. The tail has everything that is needed to continue, in at most ten lines,
// because that is what a builder repeats of a failed step.
//
// For any v, the text is printable ASCII, has at most 150 KiB, and has the stable line of
// docs/exit-codes.md exactly once.
func WriteText(w io.Writer, v Verdict, style Style) error {
	failing := slices.DeleteFunc(slices.Clone(v.Findings), func(f Finding) bool { return !f.Fails })
	t := &text{
		page:    newPage(style),
		Verdict: v,
		style:   style,
		failing: Groups(failing, v.Options),
		unrated: unrated(failing),
	}
	if style.Quiet {
		t.add(t.stable())
		t.add(t.inWords()...)
		return t.writeTo(w)
	}
	if !style.Tail {
		t.head()
		t.failed()
		t.remedies()
		t.rest()
		t.notes()
		t.blank()
	}
	t.tail()
	return t.writeTo(w)
}

// A text is the log of a verdict while it is written.
type text struct {
	*page
	Verdict
	style   Style
	failing []Group
	unrated int  // the number of unrated findings that fail by their severity
	full    bool // there is no room for more findings
}

func unrated(findings []Finding) int {
	n := 0
	for _, f := range findings {
		if f.Severity == Unrated && f.Rule == RuleSeverity {
			n++
		}
	}
	return n
}

func (t *text) head() {
	data := "no advisories"
	switch n := t.Data.Records; {
	case n == 1:
		data = "1 advisory"
	case n > 1:
		data = Number(n) + " advisories"
	}
	if !t.Data.Updated.IsZero() {
		data += ", updated " + Age(t.Data.Age) + " ago"
	}
	t.add(t.wrap("assay: ", "       ", sentence(fmt.Sprintf("%s: %s, %s",
		t.system(), Count(t.Counts.Packages, "package"), data), 3*maxWidth), 2)...)
	if !t.style.Verbose {
		return
	}
	t.add(t.labelled("with:", t.Options.Describe(Gate, Exit), 2)...)
}

func (t *text) system() string {
	s := t.System
	return clean(cmp.Or(s.PrettyName, strings.TrimSpace(s.ID+" "+s.VersionID), "no known system"), 60)
}

// failed lists the findings that fail.
func (t *text) failed() {
	if !t.known() {
		t.section("Failing", t.failing)
		return
	}
	of := func(origin string) (groups []Group) {
		for _, g := range t.failing {
			if g.Origin == origin {
				groups = append(groups, g)
			}
		}
		return groups
	}
	t.section("Failing in what the build adds", of(OriginOwn))
	t.section("Failing in the base image", of(OriginBase))
}

// known reports whether the findings have origins.
func (t *text) known() bool { return t.Baseline != nil && t.Baseline.Error == "" }

// section lists failing groups under a title.
func (t *text) section(title string, groups []Group) {
	if len(groups) == 0 {
		return
	}
	title += ", worst first, by the package to upgrade"
	if t.unrated > 0 {
		title += fmt.Sprintf(" (unrated counts as %s)", t.countsAs())
	}
	t.blank()
	t.add(t.wrap("", "", strings.Fields(title+":"), 2)...)
	t.list(groups)
}

func (t *text) countsAs() string {
	return clean(cmp.Or(string(t.Options.Unrated), "nothing"), 20)
}

// list adds groups while there is room.
func (t *text) list(all []Group) {
	for i, g := range all {
		lines := t.group(g)
		size := 0
		for _, l := range lines {
			size += len(l) + 1
		}
		if t.full || t.size+size > maxBody {
			t.full = true // a smaller group must not follow a more urgent one that did not fit
			findings := 0
			for _, g := range all[i:] {
				findings += len(g.Findings)
			}
			t.blank()
			t.add(t.wrap("... and ", "    ", strings.Fields(fmt.Sprintf(
				"%s in %s more: the JSON has all of them (--output json=PATH, or the report with ?format=json)",
				Count(findings, "finding"), Count(len(all)-i, "package"))), 0)...)
			return
		}
		t.blank()
		t.add(lines...)
	}
}

// group returns the lines of a group: one that names it, and a paragraph for each severity
// with its vulnerabilities.
func (t *text) group(g Group) []string {
	head := g.title()
	if len(g.Binaries) > 1 || g.Binaries[0] != g.Name {
		head = append(head, among(g.Binaries, 20))
	} else if len(g.Paths) > 0 {
		head = append(head, among(g.Paths, 3))
	}
	lines := t.wrap("", "    ", strings.Fields(strings.Join(head, " ")), 4)
	lines = append(lines, t.layers(g)...)
	listed := g.Vulnerabilities[:min(len(g.Vulnerabilities), maxIDs)]
	for same := range chunk(listed) {
		if t.style.Verbose {
			for _, f := range same {
				lines = append(lines, t.detail(f)...)
			}
			continue
		}
		var ids []string
		for _, f := range same {
			ids = append(ids, marked(f))
		}
		if by := same[0].RatedBy(); by != "" {
			ids = append(ids, clean("("+by+")", 60))
		}
		lines = append(lines, t.row(same[0].Severity, ids, 0)...)
		lines = append(lines, t.failedBy(same)...)
	}
	if more := len(g.Vulnerabilities) - len(listed); more > 0 {
		lines = append(lines, "  ... and "+Number(more)+" more in this package")
	}
	return lines
}

// layers names the layers of the image that brought the packages of a group.
func (t *text) layers(g Group) []string {
	if t.Image == nil {
		return nil
	}
	const most = 3
	var lines []string
	for i, l := range t.Image.Layers {
		if l.DiffID == "" || !slices.ContainsFunc(g.Findings, func(f Finding) bool { return f.Layer == l.DiffID }) {
			continue
		}
		if len(lines) == most {
			return append(lines, "  ... and further layers")
		}
		// One line: commands are long, and the JSON has all of it.
		lines = append(lines, "  "+clean(fmt.Sprintf("layer %d: %s", i+1, cmp.Or(l.CreatedBy, "no command recorded")), t.width-2))
	}
	return lines
}

// failedBy says who decided that findings fail, and why, if that is not for their severity
// alone: what the policy forbids, what a build introduced, a grace or an exception that is
// over.
func (t *text) failedBy(findings []Finding) []string {
	var lines []string
	indent := pad("", 2+severityColumns)
	ids, said := byGrounds(slices.DeleteFunc(slices.Clone(findings), func(f Finding) bool { return !f.Fails }))
	for i, key := range said {
		if i == 3 {
			return append(lines, indent+"... and for "+Count(len(said)-i, "more reason"))
		}
		of := few(ids[key])
		if len(said) == 1 && len(ids[key]) == len(findings) {
			of = ""
		}
		words := sentence(strings.TrimPrefix(of+key, ": "), 4*maxWidth)
		lines = append(lines, t.wrap(indent, indent, words, 2)...)
	}
	return lines
}

// row returns a paragraph that begins with a severity.
func (t *text) row(s Severity, words []string, most int) []string {
	return t.wrap("  "+t.severity(s, string(s)), pad("", 2+severityColumns), words, most)
}

// chunk yields runs of findings with the same severity from the same source.
func chunk(findings []Finding) func(func([]Finding) bool) {
	return func(yield func([]Finding) bool) {
		for len(findings) > 0 {
			n := slices.IndexFunc(findings, func(f Finding) bool {
				return f.Severity != findings[0].Severity || f.RatedBy() != findings[0].RatedBy()
			})
			if n < 0 {
				n = len(findings)
			}
			if !yield(findings[:n]) {
				return
			}
			findings = findings[n:]
		}
	}
}

// title returns the words that name a group: "openssl 3.0.11-1 -> 3.0.13-1".
func (g Group) title() []string {
	name, installed := clean(g.Name, 50), clean(g.Installed, 40)
	if g.Fixed == "" && g.Subscription != "" {
		return []string{name, installed + ",", "fix needs", clean(g.Subscription, 40)}
	}
	if g.Fixed == "" {
		return []string{name, installed + ",", "no fix"}
	}
	return []string{name, installed, "->", clean(g.Fixed, 40)}
}

// among returns the first most names in parentheses, and the number of the others.
func among(names []string, most int) string {
	var b strings.Builder
	for i, n := range names[:min(len(names), most)] {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(clean(n, 80))
	}
	if more := len(names) - most; more > 0 {
		fmt.Fprintf(&b, " and %d more", more)
	}
	return clean("("+b.String()+")", 4*maxWidth)
}

func identity(f Finding) string { return clean(cmp.Or(f.ID, "(no id)"), 40) }

// marked returns the id of a finding, with "malicious" or "known exploited".
func marked(f Finding) string {
	id := identity(f)
	if f.Malicious {
		id += " (malicious)"
	}
	if f.KnownExploited {
		id += " (known exploited)"
	}
	return id
}

// detail returns the lines of a finding in the verbose log.
func (t *text) detail(f Finding) []string {
	words := []string{marked(f)}
	if f.SeveritySource != "" {
		words = append(words, "rated by", clean(f.SeveritySource, 60))
	}
	if f.Score > 0 {
		words = append(words, fmt.Sprintf("score %.1f", f.Score))
	}
	if f.EPSS > 0 {
		words = append(words, fmt.Sprintf("EPSS %.3f", f.EPSS))
	}
	lines := t.row(f.Severity, words, 3)
	indent := pad("", 2+severityColumns)
	for _, s := range []string{f.Summary, f.Why} {
		if s != "" {
			lines = append(lines, t.wrap(indent, indent, sentence(s, 3*maxWidth), 3)...)
		}
	}
	return lines
}

// rest says how many findings do not fail, by rule.
func (t *text) rest() {
	passing := t.Passing()
	folded := t.Counts.Kernel
	if t.Options.Kernel {
		folded = 0 // they are among the findings
	}
	if len(passing) == 0 && folded <= 0 {
		return
	}
	if !t.style.Verbose {
		t.blank()
		t.add("Not failing:")
	}
	const column = 32
	for i, p := range passing {
		if i == maxNotes {
			t.add("  ... and for " + Count(len(passing)-i, "more reason"))
			break
		}
		if t.style.Verbose {
			t.blank()
			t.add("Not failing, " + p.Text + ":")
			t.list(Groups(p.Findings, t.Options))
			continue
		}
		var words []string
		for _, s := range Severities() {
			n := 0
			for _, f := range p.Findings {
				if f.Severity == s {
					n++
				}
			}
			if n > 0 {
				words = append(words, Number(n)+" "+t.paint(s, string(s)))
			}
		}
		t.add(t.wrap(pad("  "+p.Text, column), pad("", column), words, 2)...)
		t.grounds(p.Findings)
	}
	if folded > 0 && t.style.Verbose {
		t.blank()
		t.add(t.wrap("Not failing, ", "  ", strings.Fields(t.RuleText(RuleKernel)+": "+Count(folded, "finding")+" of kernel packages and headers"), 0)...)
	} else if folded > 0 {
		t.add(t.wrap(pad("  "+t.RuleText(RuleKernel), column), pad("", column), strings.Fields(Number(folded)+" of kernel packages and headers"), 0)...)
	}
}

// Passing has the findings that do not fail for one reason.
type Passing struct {
	Text     string // the reason in a few words
	Findings []Finding
}

// Passing returns the findings that do not fail, by rule in the order of the log. Those of the
// base image that are below a threshold of their own are apart.
func (v Verdict) Passing() []Passing {
	const apart = "\n" + OriginBase // after the rule, which has no line end
	by := map[string][]Finding{}
	for _, f := range v.Findings {
		if f.Fails {
			continue
		}
		key := f.Rule
		if f.Rule == RuleBelow && f.Origin == OriginBase && v.Options.FailOnBase != "" {
			key += apart
		}
		by[key] = append(by[key], f)
	}
	var all []Passing
	for _, key := range slices.SortedFunc(maps.Keys(by), func(a, b string) int {
		return cmp.Or(cmp.Compare(ruleOrder(strings.TrimSuffix(a, apart)), ruleOrder(strings.TrimSuffix(b, apart))), strings.Compare(a, b))
	}) {
		rule, base := strings.CutSuffix(key, apart)
		of, before := v, ""
		if base {
			of.Options, before = v.Options.For(OriginBase), "base: "
		}
		all = append(all, Passing{before + of.RuleText(rule), by[key]})
	}
	return all
}

// grounds says who decided on findings, why and until when, if a person or a date did.
func (t *text) grounds(findings []Finding) {
	ids, said := byGrounds(findings)
	for i, key := range said {
		if i == maxNotes {
			t.add("    ... and for " + Count(len(said)-i, "more reason"))
			return
		}
		t.add(t.wrap("    ", "      ", sentence(few(ids[key])+key, 4*maxWidth), 3)...)
	}
}

// byGrounds returns the ids of findings by the text of their grounds, and these texts in
// their order.
func byGrounds(findings []Finding) (ids map[string][]string, said []string) {
	ids = map[string][]string{}
	for _, f := range findings {
		key := f.Grounds.Text()
		if key == "" {
			continue
		}
		if ids[key] == nil {
			said = append(said, key)
		}
		if id := identity(f); !slices.Contains(ids[key], id) {
			ids[key] = append(ids[key], id)
		}
	}
	return ids, said
}

// Text returns grounds as " until 2027-01-31: not reachable (security team, FILE line 4)", to
// follow what was decided.
func (g Grounds) Text() string {
	text := ""
	if g.Until != nil {
		text = " until " + g.Until.UTC().Format(time.DateOnly)
	}
	if g.Reason != "" {
		text += ": " + clean(g.Reason, maxWidth)
	}
	var from []string
	for _, s := range []string{g.By, g.Written} {
		if s != "" {
			from = append(from, clean(s, maxWidth))
		}
	}
	if len(from) > 0 {
		text += " (" + strings.Join(from, ", ") + ")"
	}
	return text
}

// Text returns the counts as "2 introduced by this build, 31 known (30 in their grace, the
// first until 2026-12-05; 1 overdue since 2026-11-02)", and names the reference.
func (r Ratchet) Text() string {
	day := func(before string, t *time.Time) string {
		if t == nil {
			return ""
		}
		return before + t.UTC().Format(time.DateOnly)
	}
	text := Number(r.Introduced) + " introduced by this build, "
	if r.Scan == "" {
		return text + "0 known: nothing to compare with in " + clean(r.Against, 40) + ", because " + clean(r.Missing, maxWidth)
	}
	text += Number(r.Known) + " known"
	var parts []string
	if r.InGrace > 0 {
		parts = append(parts, Number(r.InGrace)+" in their grace"+day(", the first until ", r.Ends))
	}
	if r.Overdue > 0 {
		parts = append(parts, Number(r.Overdue)+" overdue"+day(" since ", r.OverdueSince))
	}
	if n := r.Known - r.InGrace - r.Overdue; n > 0 {
		parts = append(parts, Number(n)+" without a known date of the fix")
	}
	if len(parts) > 0 {
		text += " (" + strings.Join(parts, "; ") + ")"
	}
	return text + ", compared with scan " + clean(r.Scan, 40) + " of " + clean(r.Against, 40) + day(" on ", r.At)
}

// short is text in a line: "2 introduced by this build, 31 known in main: 1 overdue since
// 2026-11-02, 30 in their grace".
func (r Ratchet) short() string {
	if r.Scan == "" {
		return r.Text()
	}
	text := Number(r.Introduced) + " introduced by this build, " + Number(r.Known) + " known in " + clean(r.Against, 40)
	var parts []string
	if r.Overdue > 0 {
		part := Number(r.Overdue) + " overdue"
		if r.OverdueSince != nil {
			part += " since " + r.OverdueSince.UTC().Format(time.DateOnly)
		}
		parts = append(parts, part)
	}
	if n := r.Known - r.InGrace - r.Overdue; n > 0 {
		parts = append(parts, Number(n)+" without a day of the fix")
	}
	if r.InGrace > 0 {
		parts = append(parts, Number(r.InGrace)+" in their grace")
	}
	if len(parts) == 0 {
		return text
	}
	return text + ": " + strings.Join(parts, ", ")
}

// Text returns the counts as "2 own findings (1 fails), 31 from the base image (12 fail); baseline
// base.json, 88 packages".
func (b *Baseline) Text() string {
	failing := func(n int) string {
		if n == 1 {
			return " (1 fails)"
		}
		return " (" + Number(n) + " fail)"
	}
	by := clean(b.Name(), 60)
	if b.Scan != "" && b.At != nil {
		by = "scan " + clean(b.Scan, 40) + " of " + b.At.UTC().Format(time.DateOnly)
	}
	return Count(b.Own, "own finding") + failing(b.OwnFailing) + ", " + Number(b.Base) + " from the base image" + failing(b.BaseFailing) +
		"; baseline " + by + ", " + Count(b.Packages, "package")
}

// origins returns numbers of findings as " (2 own, 31 from the base image)", or nothing if
// origins are unknown.
func (t *text) origins(own, base int) string {
	if !t.known() {
		return ""
	}
	return " (" + Number(own) + " own, " + Number(base) + " from the base image)"
}

// few returns the first ids and the number of the others.
func few(ids []string) string {
	const most = 3
	if more := len(ids) - most; more > 0 {
		return strings.Join(ids[:most], ", ") + " and " + Number(more) + " more"
	}
	return strings.Join(ids, ", ")
}

func ruleOrder(rule string) int {
	rules := PassingRules()
	if i := slices.Index(rules, rule); i >= 0 {
		return i
	}
	return len(rules)
}

// RuleText returns in a few words why a finding does not fail by a rule.
func (v Verdict) RuleText(rule string) string {
	switch rule {
	case RuleUnfixed:
		return "no fix yet"
	case RuleSubscription:
		return "fix needs a subscription"
	case RuleBelow:
		if v.Options.FailOn == FailOnNone && v.Options.FailOnEPSS == 0 {
			return "no severity fails"
		}
		return "below " + clean(DeclaredOptions()[0].Value(v.Options), 20)
	case RuleAccepted:
		return "accepted by an exception"
	case RuleVEX:
		return "not affected by VEX"
	case RuleRatchet:
		if v.Ratchet == nil {
			return "known, in its grace"
		}
		return "known, in its grace of " + v.Ratchet.Grace.String()
	case RuleGrace:
		return "in its grace of " + v.Options.Grace.String()
	case RuleUnimportant:
		return "unimportant here"
	case RuleIgnored:
		return "ignored by the distribution"
	case RuleOwned:
		return "left to the distribution"
	case RuleNotLinked:
		return "not in the program"
	case RuleKernel:
		return "kernel, which no image runs"
	}
	return clean(cmp.Or(rule, "no reason given"), 28)
}

// notes adds notes about how complete and reliable the answer is.
func (t *text) notes() {
	t.blank()
	t.evaluated()
	t.scanErrors()
	t.exceptions()
	if r := t.Ratchet; r != nil {
		t.note(r.Text())
	}
	if t.known() {
		t.note(t.Baseline.Text())
	}
	for i, o := range t.Ignored {
		if i == maxNotes {
			t.note("and " + Count(len(t.Ignored)-i, "other option") + " not taken")
			break
		}
		t.note(fmt.Sprintf("not taken: %s (%s)", o.given(), clean(o.Reason, maxWidth)))
	}
	for i, s := range t.Notices {
		if i == maxNotes {
			t.note("and " + Count(len(t.Notices)-i, "other notice"))
			break
		}
		t.note(s)
	}
	for _, w := range t.Warnings[:min(len(t.Warnings), maxNotes)] {
		t.note(w.Text)
		if w.Hint != "" {
			t.add(t.labelled("hint:", w.Hint, 2)...)
		}
	}
}

// evaluated says how much of each part of the image was evaluated. Parts that were
// evaluated completely are only in the verbose log.
func (t *text) evaluated() {
	listed := 0
	for _, p := range t.Evaluated {
		if p.State == Evaluated && !t.style.Verbose {
			continue
		}
		if listed++; listed > 2*maxNotes {
			t.note("and more parts that were not evaluated")
			break
		}
		name := clean(cmp.Or(p.Ecosystem, p.Type, p.Part), 60)
		if p.Part == PartSystem && p.Ecosystem == "" {
			name = t.system()
		}
		head := fmt.Sprintf("%s: %s of %s evaluated", name, Number(p.Evaluated), Count(p.Packages, "package"))
		switch {
		case p.Packages == 0:
			head = name + ": not evaluated"
		case p.State == Evaluated:
			head = fmt.Sprintf("%s: %s evaluated", name, Count(p.Packages, "package"))
		}
		if !t.style.Verbose || len(p.Causes) == 0 {
			t.note(head + t.because(p))
			continue
		}
		t.note(head + ":")
		for _, c := range p.Causes {
			text := clean(c.Text, maxWidth)
			if c.Packages > 0 {
				text = Number(c.Packages) + ": " + text
			}
			if len(c.Names) > 0 {
				text += " " + among(c.Names, maxNotes)
			}
			t.add(t.labelled("", text, 3)...)
		}
	}
}

// because returns the first causes of a part.
func (t *text) because(p Part) string {
	const most = 3
	var texts []string
	for i, c := range p.Causes {
		if i == most {
			texts = append(texts, "and "+Count(len(p.Causes)-most, "more reason"))
			break
		}
		text := clean(c.Text, maxWidth)
		if len(p.Causes) > 1 && c.Packages > 0 {
			text = Number(c.Packages) + " " + text
		}
		texts = append(texts, text)
	}
	if len(texts) == 0 {
		return ""
	}
	return "; " + strings.Join(texts, "; ")
}

// exceptions names the expired entries of each file, and those that matched nothing.
func (t *text) exceptions() {
	for i, f := range t.Exceptions {
		if i == maxNotes {
			t.note("and " + Count(len(t.Exceptions)-i, "other file") + " of exceptions")
			break
		}
		if f.Expired > 0 {
			t.note(t.expired(f))
		}
		if f.empty() {
			t.note(f.nothing())
		}
		if f.Unmatched > 0 {
			t.note(t.unmatched(f))
		}
	}
}

// vex reports whether a file has VEX statements.
func (f ExceptionFile) vex() bool {
	return f.Format == FormatOpenVEX || f.Format == FormatCycloneDX || f.Format == FormatCSAF
}

// empty reports whether a file was read and has no entries.
func (f ExceptionFile) empty() bool { return f.Entries == 0 && f.Format != "" && f.Error == "" }

// nothing says that a file has no entries.
func (f ExceptionFile) nothing() string { return clean(f.File, 60) + " has no " + f.noun() + "s" }

// noun returns what the entries of a file are.
func (f ExceptionFile) noun() string {
	if f.vex() {
		return "VEX statement"
	}
	return "exception"
}

// unmatched names the entries of a file that matched no finding.
func (t *text) unmatched(f ExceptionFile) string {
	return fmt.Sprintf("%s of %s of %s matched no finding: %s",
		Number(f.Unmatched), Count(f.Entries, f.noun()), clean(f.File, 60), t.some(f.UnmatchedNames, f.Unmatched))
}

// expired names the expired entries of a file.
func (t *text) expired(f ExceptionFile) string {
	return Count(f.Expired, "exception") + " of " + clean(f.File, 60) + " expired: " + t.some(f.ExpiredNames, f.Expired)
}

// some returns the first of n names; the verbose log has more of them.
func (t *text) some(names []string, n int) string {
	most := 3
	if t.style.Verbose {
		most = maxNotes
	}
	var shown []string
	for _, name := range names[:min(len(names), most)] {
		shown = append(shown, clean(name, 80))
	}
	if more := n - len(shown); more > 0 {
		shown = append(shown, "and "+Number(more)+" more")
	}
	return strings.Join(shown, ", ")
}

func (t *text) note(s string) { t.add(t.labelled("note:", s, 2)...) }

// scanErrors says what the client could not read, in one sentence, or in the verbose log
// in a line for each path.
func (t *text) scanErrors() {
	if len(t.ScanErrors) == 0 {
		return
	}
	most := 3
	if t.style.Verbose {
		most = 200
	}
	var places []string
	for _, p := range t.ScanErrors[:min(len(t.ScanErrors), most)] {
		places = append(places, fmt.Sprintf("%s (%s)", clean("/"+p.Path, 60), clean(p.Err, 100)))
	}
	if more := len(t.ScanErrors) - len(places); more > 0 {
		places = append(places, "and "+Number(more)+" more")
	}
	sum := Count(len(t.ScanErrors), "place") + " could not be read"
	if !t.style.Verbose {
		t.note(sum + ": " + strings.Join(places, ", "))
		return
	}
	t.note(sum + ":")
	for _, p := range places {
		t.add(t.labelled("", p, 2)...)
	}
}
