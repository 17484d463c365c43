package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// tailLines is the number of lines of a failed step that BuildKit repeats.
const tailLines = 10

// tail adds the last lines of the log, the most important ones at the end: the verdict, the
// reasons, what to do. Above them are the worst findings, if there is room, and at the top
// the link and the stable line, which a shortened log loses first.
func (t *text) tail() {
	notes := t.caveats()
	first := slices.Concat(t.link(), []string{t.stable()})
	room := tailLines - len(first) - len(notes) - len(t.inWords())
	remedy := t.remedy(min(5, room-2)) // besides the worst finding and the first reason
	room -= len(remedy)
	why := t.why(max(1, min(2, room-min(1, len(t.failing)))))
	t.add(first...)
	t.add(t.worst(min(3, len(t.failing), room-len(why)))...)
	t.add(remedy...)
	t.add(notes...)
	t.add(why...)
	t.add(t.inWords()...)
}

// MaxReport is the most columns of Verdict.Report that fit the log.
const MaxReport = maxWidth - labels

// link returns the line with the address of the report.
func (t *text) link() []string {
	address := t.Report
	if address == "" && t.style.Server != "" && t.Scan != "" {
		address = strings.TrimRight(t.style.Server, "/") + "/api/v1/scans/" + t.Scan
	}
	line := pad("report:", labels) + clean(address, 4*maxWidth)
	switch {
	case address == "":
		return nil
	case len(line) > maxWidth:
		return []string{pad("report:", labels) + "kept by the service under the id of the next line"}
	}
	return []string{line}
}

// stable returns the stable line, an interface that docs/exit-codes.md describes.
func (t *text) stable() string {
	d := t.Decision
	line := fmt.Sprintf("assay: verdict=%s code=%d", token(string(d.Outcome), 16), d.Code)
	if t.style.Exit != d.Code {
		line += fmt.Sprintf(" exit=%d", t.style.Exit)
	}
	line += fmt.Sprintf(" findings=%d failing=%d scan=", t.Counts.Findings, t.Counts.Failing)
	line += token(t.Scan, maxWidth-len(line))
	const key = " snapshot="
	if room := maxWidth - len(line) - len(key); room >= 6 {
		_, hex, found := strings.Cut(t.Data.Snapshot, ":")
		if !found {
			hex = t.Data.Snapshot
		}
		line += key + token(hex, min(12, room))
	}
	return line
}

// worst returns a line for each of the first most groups.
func (t *text) worst(most int) []string {
	var lines []string
	for i, g := range t.failing[:most] {
		label := ""
		if i == 0 {
			label = "worst:"
		}
		f := g.Vulnerabilities[0]
		word := string(f.Severity)
		switch {
		case f.Malicious:
			word = "malicious"
		case f.KnownExploited:
			word = "exploited"
		}
		id := identity(f)
		if more := len(g.Vulnerabilities) - 1; more > 0 {
			id += " and " + Number(more) + " more"
		}
		title := strings.Join(g.title(), " ") + ","
		if g.Origin == OriginBase {
			title = strings.TrimSuffix(title, ",") + " (base image),"
		}
		lines = append(lines, t.wrap(pad(label, labels)+t.severity(f.Severity, word), "", strings.Fields(title+" "+id), 1)...)
	}
	return lines
}

// caveats returns notes that a reader must not miss.
func (t *text) caveats() []string {
	var lines []string
	if t.System.Ended && !t.endOfLife() {
		ended := cmp.Or(clean(t.System.EndOfLife, 10), "some time ago")
		lines = append(lines, t.labelled("note:", "security support of "+t.system()+" ended "+ended, 1)...)
	}
	if t.Decision.Outcome == Fail {
		for _, note := range t.toFailing() {
			if len(lines) < 2 {
				lines = append(lines, t.labelled("note:", note, 2-len(lines))...)
			}
		}
	}
	if t.Data.Sample {
		lines = append(lines, t.labelled("note:", "sample data for demonstration: most advisories are not in it", 1)...)
	}
	return lines
}

// given returns the option as the build wrote it: a flag with its value, or a variable.
func (o IgnoredOption) given() string {
	name := clean(o.Origin, 40)
	if o.Origin == "flag" {
		name = "--" + clean(o.Name, 30)
	}
	return name + "=" + clean(o.Value, 40)
}

// toFailing returns notes that matter to a failing image, the most important first: what the
// policy refused, and what came of the ratchet and of the exceptions.
func (t *text) toFailing() []string {
	var notes, refused []string
	for _, o := range t.Ignored {
		if o.Origin == "flag" { // which the build gave on purpose
			refused = append(refused, o.given())
		}
	}
	if len(refused) > 0 {
		notes = append(notes, "not taken because of the policy: "+few(refused))
	}
	if r := t.Ratchet; r != nil && r.Introduced+r.Known > 0 {
		notes = append(notes, r.short())
	}
	for _, f := range t.Exceptions {
		if f.Expired > 0 {
			notes = append(notes, t.expired(f))
		}
	}
	for _, f := range t.Exceptions {
		if f.empty() {
			notes = append(notes, f.nothing())
		}
		if f.Unmatched > 0 && !f.vex() {
			notes = append(notes, t.unmatched(f))
		}
	}
	return notes
}

// why returns the reasons of the decision.
func (t *text) why(most int) []string {
	if t.Decision.Outcome == Pass {
		return nil
	}
	var texts []string
	for _, r := range t.Decision.Reasons {
		if r.Text != "" {
			texts = append(texts, clean(r.Text, 2*maxWidth))
		}
	}
	if len(texts) == 0 {
		return nil
	}
	return t.labelled("why:", strings.Join(texts, "; "), most)
}

// inWords returns the verdict in words.
func (t *text) inWords() []string {
	c := t.Counts
	words := fmt.Sprintf("%s, exit code %d: ", strings.ToUpper(token(string(t.Decision.Outcome), 16)), t.style.Exit)
	switch t.Decision.Outcome {
	case Pass:
		words += t.howMuch() + ", "
		switch {
		case c.Findings > 1:
			words += "none of " + Number(c.Findings) + " findings fails" + t.origins(t.own())
		case c.Findings == 1:
			words += "one finding, which does not fail" + t.origins(t.own())
		default:
			words += "no findings"
		}
		words += t.howMuchNot()
	case Fail:
		if t.style.Exit == 0 {
			words = "FAIL, yet THE BUILD GOES ON (--continue-on-failure): "
		}
		words += t.whatFails() + t.howMuchNot()
	case Untrusted:
		words += "this answer says nothing about the image"
	}
	return t.wrap("assay: ", "       ", strings.Fields(words), 2)
}

// whatFails says in a few words what fails an image.
func (t *text) whatFails() string {
	c := t.Counts
	if c.Failing == 0 {
		if t.endOfLife() {
			return "no finding fails, but security support of the system has ended"
		}
		return "the policy forbids this image"
	}
	words := Number(c.Failing) + " of " + Count(c.Findings, "finding") + " fail"
	if c.Failing == 1 {
		words += "s"
	}
	if t.known() {
		words += t.origins(t.Baseline.OwnFailing, t.Baseline.BaseFailing)
	}
	if n := len(t.failing); n > 0 {
		words += ", in " + Count(n, "package")
	}
	return words
}

// endOfLife reports whether the image fails because the support of its system has ended.
func (t *text) endOfLife() bool {
	return slices.ContainsFunc(t.Decision.Reasons, func(r Reason) bool { return r.Rule == RuleEndOfLife })
}

// own returns the numbers of own findings and of those from the base image.
func (t *text) own() (own, base int) {
	if t.Baseline == nil {
		return 0, 0
	}
	return t.Baseline.Own, t.Baseline.Base
}

// howMuch says how many packages were evaluated.
func (t *text) howMuch() string {
	c := t.Counts
	switch {
	case t.Evaluated == nil: // from a service of an earlier version
		return Count(c.Packages, "package")
	case c.Evaluated == c.Packages:
		return Count(c.Packages, "package") + " evaluated"
	}
	return Number(c.Evaluated) + " of " + Count(c.Packages, "package") + " evaluated"
}

// howMuchNot says what was not evaluated, and why.
func (t *text) howMuchNot() string {
	if t.Evaluated == nil {
		return ""
	}
	text := ""
	if n := t.Counts.Packages - t.Counts.Evaluated; n > 0 {
		text = "; " + Number(n) + " not evaluated"
		if causes := t.causes(); causes != "" {
			text += " (" + causes + ")"
		}
	}
	system := slices.IndexFunc(t.Evaluated, func(p Part) bool { return p.Part == PartSystem })
	switch {
	case system < 0 && t.System.ID == "":
		text += "; no operating system"
	case t.Options.NoOSPackages && system >= 0:
		if _, missing := t.Evaluated[system].causes(CauseMissing); missing {
			text += "; no packages of the operating system (accepted)"
		}
	}
	return text
}

// causes says in a few words why packages were not evaluated, the most frequent cause
// first.
func (t *text) causes() string {
	const most = 3
	type cause struct {
		words    string
		packages int
	}
	var all []cause
	for _, p := range t.Evaluated {
		for _, c := range p.Causes {
			if c.Packages <= 0 {
				continue
			}
			words := causeWords(p, c)
			if i := slices.IndexFunc(all, func(o cause) bool { return o.words == words }); i >= 0 {
				all[i].packages += c.Packages
				continue
			}
			all = append(all, cause{words, c.Packages})
		}
	}
	slices.SortStableFunc(all, func(a, b cause) int { return cmp.Compare(b.packages, a.packages) })
	if len(all) == 1 {
		return all[0].words
	}
	var texts []string
	for i, c := range all {
		if i == most {
			texts = append(texts, "other causes")
			break
		}
		texts = append(texts, Number(c.packages)+" "+c.words)
	}
	return strings.Join(texts, ", ")
}

// causeWords returns a cause in a few words.
func causeWords(p Part, c PartCause) string {
	of := clean(cmp.Or(p.Ecosystem, p.Type, "packages of other types"), 30)
	switch c.Cause {
	case CauseSystem, CauseType:
		return "no advisories for " + of
	case CauseOld:
		return "old advisories for " + of
	case CauseWithout:
		return "without " + of
	case CauseUncovered:
		return "no source for " + of
	case CauseVersion:
		return "invalid version"
	case CauseName:
		return "unidentified"
	case CauseVendor:
		return "other vendor"
	case CauseOwner:
		return "owner unknown"
	}
	return clean(c.Cause, 30)
}
