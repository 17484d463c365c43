package verdict

import (
	"strings"
	"testing"
	"time"
)

func TestRatchetText(t *testing.T) {
	day := func(d int) *time.Time { at := time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC); return &at }
	for want, r := range map[string]Ratchet{
		"2 introduced by this build, 32 known (30 in their grace, the first until 2026-11-30; 1 overdue since 2026-11-02; 1 without a known date of the fix), compared with scan s of main on 2026-11-20": {
			Against: "main", Scan: "s", At: day(20), Introduced: 2, Known: 32, InGrace: 30, Overdue: 1, Ends: day(30), OverdueSince: day(2)},
		"0 introduced by this build, 0 known, compared with scan s of main": {Against: "main", Scan: "s"},
		"3 introduced by this build, 0 known: nothing to compare with in main, because no stored scan of main has passed": {
			Against: "main", Introduced: 3, Missing: "no stored scan of main has passed"},
	} {
		if got := r.Text(); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	f := Finding{ID: "CVE-1", Rule: RuleRatchet, Grounds: Grounds{Until: day(30)}}
	with := Verdict{Ratchet: &Ratchet{Scan: "s"}}
	if err := with.checkFinding(f); err != nil {
		t.Error(err)
	}
	if (Verdict{}).checkFinding(f) == nil {
		t.Error("a known finding without a reference is accepted")
	}
	f.KnownExploited = false
	for _, r := range []Ratchet{
		{Scan: "s", Known: 1},
		{Scan: "s", Known: 2, InGrace: 2},
		{Scan: "s", Known: 1, InGrace: 1, Overdue: 1},
		{Scan: "s", Known: 1, InGrace: 1, Introduced: 1},
		{Scan: "s", Known: 1, InGrace: 1, Introduced: -1},
		{Known: 1, InGrace: 1},
	} {
		v := Verdict{Ratchet: &r, Findings: []Finding{f}, Counts: Counts{Findings: 1}}
		if v.checkRatchet() == nil {
			t.Errorf("%+v is accepted", r)
		}
	}
	right := Verdict{Ratchet: &Ratchet{Scan: "s", Known: 1, InGrace: 1}, Findings: []Finding{f}, Counts: Counts{Findings: 1}}
	if err := right.checkRatchet(); err != nil {
		t.Error(err)
	}
	f.KnownExploited = true
	if with.checkFinding(f) == nil {
		t.Error("an exploited finding has a grace")
	}
}

// The tail has the ratchet in a line, and the exceptions that expired or matched nothing.
func TestTailNotes(t *testing.T) {
	day := func(d int) *time.Time { at := time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC); return &at }
	for want, r := range map[string]Ratchet{
		"2 introduced by this build, 31 known in main: 1 overdue since 2026-11-02, 30 in their grace": {
			Against: "main", Scan: "s", Introduced: 2, Known: 31, InGrace: 30, Overdue: 1, OverdueSince: day(2)},
		"1 introduced by this build, 0 known in main":                             {Against: "main", Scan: "s", Introduced: 1},
		"0 introduced by this build, 1 known in main: 1 without a day of the fix": {Against: "main", Scan: "s", Known: 1},
		"3 introduced by this build, 0 known: nothing to compare with in main, because the build has no project": {
			Against: "main", Introduced: 3, Missing: "the build has no project"},
	} {
		if got := r.short(); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	v := Verdict{
		Decision: Decision{Outcome: Fail, Code: CodeFail, Reasons: []Reason{{Rule: RuleSeverity, Text: "one finding"}}},
		Counts:   Counts{Findings: 2, Failing: 2},
		Findings: []Finding{
			{ID: "CVE-1", Fails: true, Rule: RuleSeverity, Severity: High, Package: Package{Name: "a"}, Grounds: Grounds{Reason: "introduced by this build", Written: "policy version 1 line 2"}},
			{ID: "CVE-2", Fails: true, Rule: RuleSeverity, Severity: High, Package: Package{Name: "a"}},
		},
		Exceptions: []ExceptionFile{
			{File: "unused.yaml", Format: "assayignore", Entries: 2, Unmatched: 1, UnmatchedNames: []string{"CVE-9 (line 2)"}},
			{File: "vendor.json", Format: FormatOpenVEX, Entries: 2, Unmatched: 1, UnmatchedNames: []string{"CVE-8"}},
			{File: "old.yaml", Format: "assayignore", Entries: 1, Expired: 1, ExpiredNames: []string{"CVE-1 (line 2) on 2026-01-31"}},
		},
	}
	log := func(v Verdict) string {
		var b strings.Builder
		if err := WriteText(&b, v, Style{Exit: v.Decision.Code}); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	text := log(v)
	tail := text[strings.LastIndex(text, "\n\n"):]
	for want, in := range map[string]bool{
		"note:   1 exception of old.yaml expired: CVE-1 (line 2) on 2026-01-31":       true,
		"note:   1 of 2 exceptions of unused.yaml matched no finding: CVE-9 (line 2)": true,
		"vendor.json": false,
	} {
		if strings.Contains(tail, want) != in {
			t.Errorf("%q in the tail is not %t:\n%s", want, in, tail)
		}
	}
	if !strings.Contains(text, "  high        CVE-1 CVE-2\n              CVE-1: introduced by this build (policy version 1 line 2)\n") {
		t.Errorf("the log does not say why CVE-1 fails:\n%s", text)
	}
	v.Ratchet = &Ratchet{Against: "main", Scan: "s", Introduced: 1}
	if text := log(v); !strings.Contains(text, "note:   1 introduced by this build, 0 known in main\nnote:   1 exception of old.yaml") {
		t.Errorf("the ratchet is not in the tail:\n%s", text)
	}
}
