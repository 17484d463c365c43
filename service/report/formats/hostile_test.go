package formats

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/service/report"
	"assay/verdict"
)

// hostile are texts that no image or feed may bring into a report as they are.
var hostile = []string{
	"<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "</style></script><!--", "<![CDATA[ ]]>", "]]>", "&lt;&amp;&#60;",
	"a\nb\r\nc\x00d", "\x1b[31m\x9b1m", "\u202e\u2066\u200f", "\xff\xfe\xc3(", "\ufffe\uffff\U0010ffff", "|a|b|", "`code` ``` $(x)", "[x](javascript:alert(1))", "![i](https://evil.example/i)",
	"=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\t=1", `\`, `\"`, "'", `{"a":1}`, "{0}{{x}}", "%s%n%00", "::error::x", "##vso[task.complete]", "assay: verdict=pass code=0",
	"../../etc/passwd", "javascript:alert(1)", "", " ", strings.Repeat("x", 100_000), strings.Repeat("\u0301", 5000), strings.Repeat("<", 20_000),
}

var at = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// scanOf returns a scan with one finding for each text, which is in every field.
func scanOf(texts []string) report.Scan {
	v := verdict.Verdict{
		Version: verdict.Version, Scan: "mzxw6ytboi3dgnbv",
		Decision: verdict.Decision{Outcome: verdict.Fail, Code: 4, Reasons: []verdict.Reason{{Rule: verdict.RuleSeverity, Text: "findings"}}},
		Options:  verdict.DefaultOptions(),
		Data:     verdict.Data{Snapshot: "s1", Records: 1, Updated: at},
		Counts:   verdict.Counts{Packages: len(texts), Evaluated: len(texts), Findings: len(texts), Failing: (len(texts) + 1) / 2, BySeverity: map[verdict.Severity]int{verdict.High: len(texts)}},
		Report:   "https://assay.example.com/api/v1/scans/mzxw6ytboi3dgnbv/report",
	}
	sent := cyclonedx.Scan{Client: "assay 1.0.0"}
	for i, text := range texts {
		f := verdict.Finding{
			ID: id(i), Advisories: []string{id(i), text}, Aliases: []string{text}, Summary: text,
			Package: verdict.Package{Type: "deb", Name: text, Version: text, Arch: text, Source: text, SourceVersion: text, PURL: text, Paths: []string{text}},
			Fixed:   text, Subscription: text, Severity: verdict.High, SeveritySource: text, Vector: text, Score: 7.5, EPSS: 0.5,
			Fails: i%2 == 0, Rule: verdict.RuleSeverity, Why: text, Grounds: verdict.Grounds{By: text, Reason: text, Written: text, Until: &at},
		}
		if !f.Fails {
			f.Rule = verdict.PassingRules()[i/2%len(verdict.PassingRules())]
		}
		v.Findings = append(v.Findings, f)
		v.Remedies = append(v.Remedies, verdict.Remedy{Action: verdict.ActionUpgrade, Text: text, Command: text, Packages: []string{text}, Findings: 1})
		v.Evaluated = append(v.Evaluated, verdict.Part{Part: text, Type: text, Ecosystem: text, State: verdict.Evaluated})
		v.ScanErrors = append(v.ScanErrors, verdict.ScanError{Path: text, Kind: text, Err: text})
		v.Notices = append(v.Notices, text)
		v.System = verdict.System{ID: text, VersionID: text, PrettyName: text, Ecosystem: text, EndOfLife: text}
		v.Options.Project, v.Options.Ref, v.Options.Commit = text, text, text
		sent.Inventory.Packages = append(sent.Inventory.Packages, inventory.Package{
			Type: "deb", Name: text, Version: text, Arch: text, Source: text, SourceVersion: text, Evidence: []inventory.Evidence{{Path: text, Kind: "dpkg"}}})
	}
	return report.Scan{Verdict: v, Sent: sent, At: at, PublicURL: "https://assay.example.com", Service: "1.0.0"}
}

func id(i int) string { return fmt.Sprintf("CVE-2024-%06d", i) }

// TestHostile renders hostile texts in every format. Each report is text without control
// characters that a parser of its format reads, is the same each time, and has all findings.
func TestHostile(t *testing.T) {
	for _, f := range All() {
		t.Run(f.Name, func(t *testing.T) {
			for i, texts := range append([][]string{hostile}, single()...) {
				s := scanOf(texts)
				doc := render(t, f, s)
				if again := render(t, f, s); !bytes.Equal(doc, again) {
					t.Error("the same scan gives two reports")
				}
				clean(t, f, doc)
				parse(t, f, doc)
				// SPDX has no findings, copa no hostile name, and the log a bounded length.
				if i > 0 || f.Name == "spdx" || f.Name == "copa" || f.Name == "text" {
					continue
				}
				for n := range texts {
					if !bytes.Contains(doc, []byte(id(n))) {
						t.Errorf("%s of %.40q is missing", id(n), texts[n])
					}
				}
			}
		})
	}
}

// single returns each hostile text alone.
func single() [][]string {
	var all [][]string
	for _, text := range hostile {
		all = append(all, []string{text})
	}
	return all
}

func render(t *testing.T, f report.Format, s report.Scan) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := f.Render(&b, s); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// clean checks the characters of a report, and that no text began a line for a program that
// reads the log.
func clean(t *testing.T, f report.Format, doc []byte) {
	t.Helper()
	if !utf8.Valid(doc) {
		t.Error("the report is not valid UTF-8")
	}
	for _, r := range string(doc) {
		if r < ' ' && r != '\n' && r != '\t' && !(r == '\r' && f.Name == "csv") || 0x7f <= r && r < 0xa0 || r == '\u202e' || r == '\u2066' {
			t.Errorf("the report contains %U", r)
			break
		}
	}
	for _, line := range strings.Split(string(doc), "\n") {
		if strings.HasPrefix(line, "::") || strings.HasPrefix(line, "##vso[") || strings.HasPrefix(line, "assay: verdict=pass") {
			t.Errorf("a line begins with %.40q", line)
		}
	}
	if (f.Name == "html" || f.Name == "junit") && bytes.Contains(doc, []byte("<script>alert")) {
		t.Error("the report contains the script")
	}
}

// parse reads a report with a parser of its format.
func parse(t *testing.T, f report.Format, doc []byte) {
	t.Helper()
	switch {
	case verdict.ReportIsJSON(f.Name):
		if !json.Valid(doc) {
			t.Errorf("invalid JSON: %.500s", doc)
		}
	case f.Name == "csv":
		if _, err := csv.NewReader(bytes.NewReader(doc)).ReadAll(); err != nil {
			t.Error(err)
		}
	case f.Name == "junit":
		for d := xml.NewDecoder(bytes.NewReader(doc)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				return
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestTogether: the reports of an image with 4,500 findings in all formats that the service
// renders for the client fit into one answer, with the verdict.
func TestTogether(t *testing.T) {
	texts := make([]string, 4500)
	for i := range texts {
		texts[i] = fmt.Sprintf("package-%d of forty characters or so", i)
	}
	s := scanOf(texts)
	whole, err := json.Marshal(s.Verdict)
	if err != nil {
		t.Fatal(err)
	}
	total := len(whole)
	for _, f := range All() {
		if f.Name == verdict.ReportText || f.Name == verdict.ReportJSON {
			continue
		}
		var text bytes.Buffer
		e := json.NewEncoder(&text)
		e.SetEscapeHTML(false)
		if err := e.Encode(string(render(t, f, s))); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d KiB", f.Name, text.Len()>>10)
		total += text.Len()
	}
	t.Logf("together: %d KiB", total>>10)
	if total > verdict.MaxAnswer {
		t.Errorf("%d MiB", total>>20)
	}
}

// TestNeverClean: every report of a scan that evaluated nothing differs from that of a clean
// image by more than its numbers: it has a word for it.
func TestNeverClean(t *testing.T) {
	s := scanOf(nil)
	s.Verdict.Decision = verdict.Decision{Outcome: verdict.Untrusted, Code: 5, Reasons: []verdict.Reason{{Rule: verdict.RuleUnreadable, Text: "the package database could not be read"}}}
	s.Verdict.Remedies, s.Verdict.Evaluated, s.Verdict.ScanErrors = nil, nil, nil
	for _, f := range All() {
		if doc := render(t, f, s); !bytes.Contains(doc, []byte("ackage database could not be read")) {
			t.Errorf("%s does not say why the scan is untrusted:\n%.2000s", f.Name, doc)
		}
	}
}
