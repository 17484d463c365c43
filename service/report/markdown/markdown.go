// Package markdown writes a report in GitHub-flavoured Markdown: for the summary of a job, a
// comment on a pull request, or a wiki. What to do comes first.
package markdown

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/url"
	"strings"

	"assay/service/report"
	"assay/verdict"
)

// Format is the Markdown.
func Format() report.Format {
	return report.Format{Name: "markdown", Type: "text/markdown; charset=utf-8; variant=GFM", Extension: ".md", Render: render}
}

const (
	// maxBytes keeps a report below the 1 MiB of GitHub's job summaries, together with
	// what follows the tables.
	maxBytes = 960 << 10
	maxName  = 200 // runes
	maxText  = 1000
	maxIDs   = 100 // vulnerabilities of one row
	maxLines = 40  // of a command
	maxList  = 50  // fixes, reasons and gaps
)

// A page collects the Markdown of one report, up to maxBytes.
type page struct {
	bytes.Buffer
	scan report.Scan
	lost int // what did not fit
}

func render(w io.Writer, s report.Scan) error {
	p := &page{scan: s}
	p.headline()
	p.fixes()
	p.findings()
	p.gaps()
	p.footer()
	_, err := w.Write(p.Bytes())
	return err
}

// line adds a line, or several that belong together, if there is room for it.
func (p *page) line(format string, args ...any) {
	line := fmt.Sprintf(format+"\n", args...)
	if p.Len()+len(line) > maxBytes {
		p.lost++
		return
	}
	p.WriteString(line)
}

// headline says the outcome and why.
func (p *page) headline() {
	v := p.scan.Verdict
	c := v.Counts
	switch v.Decision.Outcome {
	case verdict.Pass:
		p.line("# assay: passed\n\n%s in %s, none of them fails.\n", verdict.Count(c.Findings, "finding"), verdict.Count(c.Packages, "package"))
	case verdict.Fail:
		p.line("# assay: FAILED\n\n%s of %s fail.\n", verdict.Number(c.Failing), verdict.Count(c.Findings, "finding"))
	default:
		p.line("# assay: NOT EVALUATED\n\n> [!CAUTION]\n> This report does not say that the image is clean: it could not be evaluated.\n")
	}
	for i, r := range v.Decision.Reasons {
		if i == maxList {
			break
		}
		p.line("- %s", text(r.Text))
		if r.Hint != "" {
			p.line("  (%s)", text(r.Hint))
		}
	}
	if name := cmp.Or(v.System.PrettyName, v.System.ID); name != "" {
		p.line("- %s: %s of %s evaluated", text(name), verdict.Number(c.Evaluated), verdict.Count(c.Packages, "package"))
	}
	if b := v.Baseline; b != nil && b.Error == "" {
		p.line("- %s", text(b.Text()))
	}
	p.line("")
}

// fixes says what to do, what to do first at the beginning.
func (p *page) fixes() {
	all := p.scan.Verdict.Remedies
	if len(all) == 0 {
		return
	}
	p.line("## What to do first\n")
	for i, r := range all {
		if i == maxList {
			p.line("%d. and %s more\n", i+1, verdict.Number(len(all)-i))
			break
		}
		p.line("%d. %s: %s\n", i+1, verdict.Count(r.Findings, "finding"), text(r.Text))
		if r.Command != "" {
			p.line("%s\n", block(r.Command))
		}
	}
}

// findings lists the failing findings, and folds the others.
func (p *page) findings() {
	var failing, passing []verdict.Finding
	rules := map[string]int{}
	for _, f := range p.scan.Verdict.Findings {
		if f.Fails {
			failing = append(failing, f)
		} else {
			passing = append(passing, f)
			rules[f.Rule]++
		}
	}
	if len(failing) > 0 {
		p.line("## Findings that fail\n")
		p.table(failing)
	}
	if len(passing) == 0 {
		return
	}
	p.line("## Findings that do not fail\n")
	known := verdict.PassingRules()
	for _, rule := range known {
		if n := rules[rule]; n > 0 {
			p.line("- %s by the rule %s", verdict.Count(n, "finding"), code(rule))
		}
		delete(rules, rule)
	}
	if len(rules) > 0 {
		p.line("- others by newer rules")
	}
	p.line("\n<details><summary>%s</summary>\n", verdict.Count(len(passing), "finding"))
	p.table(passing)
	p.WriteString("\n</details>\n\n")
}

// table writes a row for each package to upgrade, the worst first.
func (p *page) table(findings []verdict.Finding) {
	p.line("| severity | package | installed | fixed | vulnerabilities |\n| --- | --- | --- | --- | --- |")
	for _, g := range verdict.Groups(findings, p.scan.Verdict.Options) {
		var ids []string
		for j, f := range g.Vulnerabilities {
			if j == maxIDs {
				ids = append(ids, fmt.Sprintf("and %s more", verdict.Number(len(g.Vulnerabilities)-j)))
				break
			}
			_, address := report.Page(report.Line(f.ID, maxName))
			id := fmt.Sprintf("[%s](<%s>)", code(f.ID), address)
			if f.KnownExploited {
				id += " **exploited**"
			}
			ids = append(ids, id)
		}
		worst := g.Vulnerabilities[0]
		severity := text(string(worst.Severity))
		if worst.Malicious {
			severity = "**malicious**"
		}
		name := code(g.Name)
		if len(g.Binaries) > 1 || g.Binaries[0] != g.Name {
			var names []string
			for j, b := range g.Binaries {
				if j == maxIDs {
					names = append(names, "…")
					break
				}
				names = append(names, code(b))
			}
			name += " (" + strings.Join(names, ", ") + ")"
		}
		if g.Origin == verdict.OriginBase {
			name += ", base image"
		}
		fixed := "none"
		switch {
		case g.Fixed != "":
			fixed = code(g.Fixed)
		case g.Subscription != "":
			fixed = text(g.Subscription)
		}
		p.line("| %s | %s | %s | %s | %s |", severity, name, code(g.Installed), fixed, strings.Join(ids, " "))
	}
	p.line("")
}

// gaps lists what was not evaluated.
func (p *page) gaps() {
	gaps := p.scan.Incomplete()
	if len(gaps) == 0 {
		return
	}
	p.line("## Not evaluated\n")
	for i, g := range gaps {
		if i == maxList {
			p.line("- and %s more", verdict.Number(len(gaps)-i))
			break
		}
		p.line("- %s", text(g.Text))
	}
	p.line("")
}

func (p *page) footer() {
	v := p.scan.Verdict
	if p.lost > 0 {
		fmt.Fprintf(p, "**%s do not fit here: the report in JSON has all of them.**\n\n", verdict.Count(p.lost, "more line"))
	}
	if v.Report != "" {
		fmt.Fprintf(p, "Report: %s\n\n", link(v.Report))
	}
	fmt.Fprintf(p, "Scan %s with data %s of %s.\n", code(cmp.Or(v.Scan, "not stored")), code(cmp.Or(v.Data.Snapshot, "unknown")), v.Data.Updated.UTC().Format("2006-01-02 15:04"))
}

// text returns a text from outside as Markdown. GitHub looks for mentions in text whose
// markup is already resolved, so an at sign is followed by an invisible space.
func text(s string) string {
	return strings.ReplaceAll(report.Markdown(s, maxText), `\@`, "&#64;&#8203;")
}

// link returns an address as a link, because GitHub makes none of escaped text. An address that
// is not plain HTTP or HTTPS stays text.
func link(address string) string {
	odd := func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`<>\`, r) }
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" ||
		len(address) > maxName || strings.ContainsFunc(address, odd) {
		return text(address)
	}
	return "[" + text(address) + "](<" + address + ">)"
}

// code returns a name from outside in a fixed-width font. Every character that Markdown or a
// table could take for markup is an entity.
func code(s string) string {
	var b strings.Builder
	b.WriteString("<code>")
	for _, r := range report.Line(s, maxName) {
		switch {
		case r >= 0x80, 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == ' ', r == '-', r == '+':
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "&#%d;", r)
		}
	}
	b.WriteString("</code>")
	return b.String()
}

// block returns a command as a block of code. Its fence is longer than any in the command.
func block(command string) string {
	lines := strings.Split(command, "\n")
	if len(lines) > maxLines {
		lines = append(lines[:maxLines], "…")
	}
	for i, l := range lines {
		indent := len(l) - len(strings.TrimLeft(l, " "))
		lines[i] = "   " + strings.Repeat(" ", min(indent, 16)) + report.Line(l, 4*maxText)
	}
	text, fence := strings.Join(lines, "\n"), "```"
	for strings.Contains(text, fence) { // without the characters that were dropped
		fence += "`"
	}
	return "   " + fence + "\n" + text + "\n   " + fence
}
