package markdown

import (
	"fmt"
	"html"
	"regexp"
	"strings"
	"testing"

	"assay/check/testkit/reporttest"
	"assay/service/report"
	"assay/verdict"
)

// shown returns a report as it is shown.
func shown(doc []byte) string { return html.UnescapeString(string(doc)) }

func TestDebian(t *testing.T) {
	s := reporttest.Debian(t)
	doc := shown(reporttest.Render(t, Format(), s))
	if !strings.HasPrefix(doc, "# assay: FAILED\n") {
		t.Errorf("%.200s", doc)
	}
	first, findings := strings.Index(doc, "## What to do first"), strings.Index(doc, "## Findings that fail")
	if first < 0 || findings < first {
		t.Errorf("what to do is at %d, the findings at %d", first, findings)
	}
	for _, r := range s.Verdict.Remedies {
		if r.Command != "" && !strings.Contains(doc, strings.Split(r.Command, "\n")[0]) {
			t.Errorf("the command %q is missing", r.Command)
		}
	}
	for _, f := range s.Verdict.Findings {
		if !strings.Contains(doc, "<code>"+f.ID+"</code>") || f.Fixed != "" && f.Fails && !strings.Contains(doc, "<code>"+f.Package.Version+"</code>") && f.Package.Source == "" {
			t.Errorf("%s in %s is missing", f.ID, f.Package.Name)
		}
	}
}

// With a baseline, the summary counts what is of the base image, and rows mark it.
func TestBaseline(t *testing.T) {
	s := reporttest.Debian(t)
	for i := range s.Verdict.Findings {
		s.Verdict.Findings[i].Origin = verdict.OriginBase
	}
	s.Verdict.Baseline = &verdict.Baseline{File: "base.json", Packages: 88, Base: 16, BaseFailing: 16}
	doc := shown(reporttest.Render(t, Format(), s))
	for _, want := range []string{`16 from the base image \(16 fail\)\; baseline base\.json\, 88 packages`, ", base image |"} {
		if !strings.Contains(doc, want) {
			t.Errorf("%q is missing:\n%.2000s", want, doc)
		}
	}
}

// The address of the report is a link. One that is not plain stays text.
func TestReportLink(t *testing.T) {
	s := reporttest.Debian(t)
	for address, want := range map[string]string{
		"https://assay.example.com/api/v1/scans/mzxw6ytboi3dgnbv/report": "](<https://assay.example.com/api/v1/scans/mzxw6ytboi3dgnbv/report>)\n",
		"http://127.0.0.1:8080/assay/x":                                  "](<http://127.0.0.1:8080/assay/x>)\n",
		"javascript:alert(1)":                                            `Report: javascript\:alert\(1\)`,
		"https://a.example/>)[x](<https://b.example":                     `Report: https\:\/\/a\.example\/&#62;\)\[x\]\(&#60;https`,
		"https://a.example/x?y\u202e":                                    `Report: https\:\/\/a\.example\/x\?y`,
		"/relative":                                                      `Report: \/relative`,
	} {
		s.Verdict.Report = address
		doc := string(reporttest.Render(t, Format(), s))
		if _, line, _ := strings.Cut(doc, "\nReport: "); !strings.Contains("Report: "+line, want) || strings.Contains(line, "](<") != strings.HasPrefix(want, "](<") {
			t.Errorf("%q: %.200s, want %q", address, line, want)
		}
	}
}

func TestUntrusted(t *testing.T) {
	for name, s := range map[string]report.Scan{"untrusted": reporttest.Untrusted(t), "empty": {}} {
		doc := shown(reporttest.Render(t, Format(), s))
		if !strings.HasPrefix(doc, "# assay: NOT EVALUATED\n") || !strings.Contains(doc, "does not say that the image is clean") || strings.Contains(doc, "passed") {
			t.Errorf("%s: %s", name, doc)
		}
	}
	if doc := shown(reporttest.Render(t, Format(), reporttest.Clean(t))); !strings.HasPrefix(doc, "# assay: passed\n") || strings.Contains(doc, "Not evaluated") {
		t.Errorf("%s", doc)
	}
}

// TestHostile: the markup of a text from outside is not markup of the report.
func TestHostile(t *testing.T) {
	doc := string(reporttest.Render(t, Format(), reporttest.Rules(t)))
	for _, bad := range []string{"<script", "](https://evil", "![", "`a`", "\x1b", "\u202e", "@admin", "\n::"} {
		if strings.Contains(doc, bad) {
			t.Errorf("the report contains %q:\n%s", bad, doc)
		}
	}
	// Every row of a table has five cells.
	cell := regexp.MustCompile(`\\.|\|`)
	for _, line := range strings.Split(doc, "\n") {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		bars := 0
		for _, m := range cell.FindAllString(line, -1) {
			if m == "|" {
				bars++
			}
		}
		if bars != 6 {
			t.Errorf("%d bars in %q", bars, line)
		}
	}
}

// TestLimit: the report of a huge scan has less than 1 MiB, and says what is missing.
func TestLimit(t *testing.T) {
	s := report.Scan{Verdict: verdict.Verdict{Decision: verdict.Decision{Outcome: verdict.Fail, Code: 4}}}
	for i := range 20000 {
		s.Verdict.Findings = append(s.Verdict.Findings, verdict.Finding{
			ID: fmt.Sprintf("CVE-2024-%d", i), Fails: i%2 == 0, Rule: verdict.RuleSeverity, Severity: verdict.High,
			Package: verdict.Package{Name: fmt.Sprintf("%s%d", strings.Repeat("&|", 60), i/2), Version: strings.Repeat("1.", 50)},
		})
	}
	long := strings.Repeat("&", 5000)
	for range 100 {
		s.Verdict.Remedies = append(s.Verdict.Remedies, verdict.Remedy{Text: long, Command: strings.Repeat(long+"\n", 100)})
		s.Verdict.Decision.Reasons = append(s.Verdict.Decision.Reasons, verdict.Reason{Text: long, Hint: long})
	}
	doc := reporttest.Render(t, Format(), s)
	if len(doc) >= 1<<20 || !strings.Contains(string(doc), "do not fit here") {
		t.Errorf("%d bytes", len(doc))
	}
}

func TestBlock(t *testing.T) {
	for command, want := range map[string]string{
		"RUN a && \\\n    b": "   ```\n   RUN a && \\\n       b\n   ```",
		"a ``` b\n```\n# x":  "   ````\n   a ``` b\n   ```\n   # x\n   ````",
		"``\u200b`\n# x":     "   ````\n   ```\n   # x\n   ````", // the invisible space is dropped
		"RUN \x1b[31m\r\nx":  "   ```\n   RUN [31m\n   x\n   ```",
	} {
		if got := block(command); got != want {
			t.Errorf("%q:\n%s\nwant\n%s", command, got, want)
		}
	}
}
