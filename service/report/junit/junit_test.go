package junit

import (
	"bytes"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/reporttest"
	"assay/service/report"
	"assay/verdict"
)

// read reads a report back, and checks that its numbers are those of its tests.
func read(t *testing.T, doc []byte) suite {
	t.Helper()
	var s suites
	if err := xml.Unmarshal(doc, &s); err != nil {
		t.Fatal(err)
	}
	var counted suite
	for _, c := range s.Suite.Cases {
		counted.add(c)
	}
	if got, want := []int{s.Suite.Tests, s.Suite.Failures, s.Suite.Errors, s.Suite.Skipped}, []int{counted.Tests, counted.Failures, counted.Errors, counted.Skipped}; [4]int(got) != [4]int(want) {
		t.Errorf("tests, failures, errors, skipped are %v, want %v", got, want)
	}
	return s.Suite
}

// TestSchema validates reports with the schema of Ant's JUnit task.
func TestSchema(t *testing.T) {
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		testkit.Missing(t, "xmllint")
	}
	schema := testkit.Path(t, "schemas", "junit.xsd")
	for name, s := range map[string]report.Scan{
		"rules": reporttest.Rules(t), "untrusted": reporttest.Untrusted(t), "clean": reporttest.Clean(t), "debian": reporttest.Debian(t), "empty": {},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "report.xml")
			if err := os.WriteFile(file, reporttest.Render(t, Format(), s), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(xmllint, "--noout", "--nonet", "--schema", schema, file).CombinedOutput(); err != nil {
				t.Errorf("%v: %.2000s", err, out)
			}
		})
	}
}

// TestDebian: each failing finding of a real Debian is a failure.
func TestDebian(t *testing.T) {
	s := reporttest.Debian(t)
	got := read(t, reporttest.Render(t, Format(), s))
	if got.Failures != s.Verdict.Counts.Failing || got.Failures < 10 || got.Errors != 0 {
		t.Errorf("%d failures and %d errors, want %d and 0", got.Failures, got.Errors, s.Verdict.Counts.Failing)
	}
	if n := len(got.Cases); n < len(s.Verdict.Findings)+1 {
		t.Errorf("%d tests of %d findings", n, len(s.Verdict.Findings))
	}
}

// TestOutcomes: only a scan that passed has neither failures nor errors.
func TestOutcomes(t *testing.T) {
	ended := reporttest.Clean(t)
	ended.Verdict.Decision = verdict.Decision{Outcome: verdict.Fail, Code: 4, Reasons: []verdict.Reason{{Rule: verdict.RuleEndOfLife, Text: "x"}}}
	later := reporttest.Clean(t)
	later.Verdict.Decision = verdict.Decision{Outcome: verdict.Fail, Code: 4, Reasons: []verdict.Reason{{Rule: "later", Text: "x"}}}
	for name, tt := range map[string]struct {
		scan             report.Scan
		failures, errors int
	}{
		"clean":       {reporttest.Clean(t), 0, 0},
		"untrusted":   {reporttest.Untrusted(t), 0, 1},
		"rules":       {reporttest.Rules(t), reporttest.Rules(t).Verdict.Counts.Failing, 0},
		"end of life": {ended, 1, 0},
		"new rule":    {later, 0, 1},
		"empty":       {report.Scan{}, 0, 1},
	} {
		if got := read(t, reporttest.Render(t, Format(), tt.scan)); got.Failures != tt.failures || got.Errors < tt.errors || tt.errors == 0 && got.Errors > 0 {
			t.Errorf("%s: %d failures and %d errors, want %d and %d", name, got.Failures, got.Errors, tt.failures, tt.errors)
		}
	}
}

// TestText: texts of an image are one line without control characters, and no markup.
func TestText(t *testing.T) {
	doc := reporttest.Render(t, Format(), reporttest.Rules(t))
	if bytes.ContainsAny(doc, "\x1b\u202e\r") || bytes.Contains(doc, []byte("<script")) {
		t.Errorf("%.3000s", doc)
	}
}
