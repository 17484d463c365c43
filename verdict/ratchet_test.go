package verdict

import (
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
	f.KnownExploited = true
	if with.checkFinding(f) == nil {
		t.Error("an exploited finding has a grace")
	}
}
