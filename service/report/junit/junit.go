// Package junit writes a report as the results of tests in the XML of Ant's JUnit task, the
// strict form that every reader of JUnit XML takes: CI systems show it beside other tests.
package junit

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/url"
	"strings"

	"assay/service/report"
	"assay/verdict"
)

// Format is the XML of JUnit.
func Format() report.Format {
	return report.Format{Name: "junit", Type: "application/xml", Extension: ".xml", Render: render}
}

// The most runes of a name and of a text.
const (
	maxName = 200
	maxText = 4000
)

type suites struct {
	XMLName xml.Name `xml:"testsuites"`
	Suite   suite    `xml:"testsuite"`
}

type suite struct {
	Name       string     `xml:"name,attr"`
	Package    string     `xml:"package,attr"`
	ID         int        `xml:"id,attr"`
	Timestamp  string     `xml:"timestamp,attr"`
	Hostname   string     `xml:"hostname,attr"`
	Tests      int        `xml:"tests,attr"`
	Failures   int        `xml:"failures,attr"`
	Errors     int        `xml:"errors,attr"`
	Skipped    int        `xml:"skipped,attr"`
	Time       string     `xml:"time,attr"`
	Properties []property `xml:"properties>property"`
	Cases      []testcase `xml:"testcase"`
	Out        string     `xml:"system-out"`
	Err        string     `xml:"system-err"`
}

type property struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

// A testcase has at most one result. Without one it passed.
type testcase struct {
	Name    string  `xml:"name,attr"`
	Class   string  `xml:"classname,attr"`
	Time    string  `xml:"time,attr"`
	Skipped *result `xml:"skipped"`
	Error   *result `xml:"error"`
	Failure *result `xml:"failure"`
}

type result struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

func render(w io.Writer, s report.Scan) error {
	d := s.Verdict.Decision
	host := "assay"
	if u, err := url.Parse(s.PublicURL); err == nil && u.Hostname() != "" {
		host = report.Line(u.Hostname(), maxName)
	}
	t := suite{
		Name: "assay", Package: "assay", Timestamp: s.At.UTC().Format("2006-01-02T15:04:05"), Hostname: host, Time: "0",
		Properties: []property{
			{"outcome", string(d.Outcome)}, {"code", fmt.Sprint(d.Code)},
			{"scan", report.Line(s.Verdict.Scan, maxName)}, {"snapshot", report.Line(s.Verdict.Data.Snapshot, maxName)},
			{"report", report.Line(s.Verdict.Report, maxText)},
		},
	}
	t.evaluation(s)
	for _, f := range s.Verdict.Findings {
		t.finding(f)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", " ")
	if err := e.Encode(suites{Suite: t}); err != nil {
		return fmt.Errorf("encode JUnit XML: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// evaluation adds the tests that the image could be evaluated. What forbids to trust the
// scan is an error, and what could not be evaluated otherwise is skipped.
func (t *suite) evaluation(s report.Scan) {
	const class = "assay.evaluation"
	causes := s.Causes()
	for _, r := range causes {
		failed := &result{Message: line(r.Text, r.Hint), Type: r.Rule, Text: line(r.Text, r.Hint)}
		if r.Rule == verdict.RuleEndOfLife {
			t.add(testcase{Name: r.Rule, Class: class, Failure: failed})
		} else {
			t.add(testcase{Name: r.Rule, Class: class, Error: failed})
		}
	}
	if len(causes) == 0 {
		t.add(testcase{Name: "the image was evaluated", Class: class})
	}
	for _, g := range s.Incomplete() {
		if g.Rule == report.GapPart || g.Rule == report.GapError || g.Rule == report.GapData {
			t.add(testcase{Name: g.Rule + ": " + g.Text, Class: class, Skipped: &result{Message: line(g.Text)}})
		}
	}
}

// finding adds a finding: a failure, or a skipped test if the policy lets it pass.
func (t *suite) finding(f verdict.Finding) {
	c := testcase{Name: f.ID + " in " + f.Package.Name + " " + f.Package.Version, Class: "assay." + f.Package.Type}
	if !f.Fails {
		c.Skipped = &result{Message: line(f.Rule, f.By, f.Reason)}
		t.add(c)
		return
	}
	_, address := report.Page(f.ID)
	text := []string{f.Summary, report.Fix(f), f.Why}
	for _, p := range f.Package.Paths {
		text = append(text, "/"+p)
	}
	text = append(text, address)
	var lines []string
	for _, l := range text {
		if l = line(l); l != "" {
			lines = append(lines, l)
		}
	}
	c.Failure = &result{Message: line(string(f.Severity), report.Fix(f)), Type: f.Rule, Text: strings.Join(lines, "\n")}
	t.add(c)
}

func (t *suite) add(c testcase) {
	c.Name, c.Class, c.Time = report.Line(c.Name, maxName), report.Line(c.Class, maxName), "0"
	t.Tests++
	switch {
	case c.Error != nil:
		t.Errors++
	case c.Failure != nil:
		t.Failures++
	case c.Skipped != nil:
		t.Skipped++
	}
	t.Cases = append(t.Cases, c)
}

// line joins the texts that are not empty.
func line(texts ...string) string {
	var some []string
	for _, text := range texts {
		if text = report.Line(text, maxText); text != "" {
			some = append(some, text)
		}
	}
	return strings.Join(some, ": ")
}
