package match

import (
	"strings"
	"testing"

	"assay/service/advisory"
	"assay/verdict"
)

// FuzzRate: whatever a record says, a rating has a score that CVSS knows, the
// severity of that score, and a source that can be printed.
func FuzzRate(f *testing.F) {
	f.Add("CVSS_V3", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H")
	f.Add("CVSS_V3", "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H/E:U")
	f.Add("CVSS_V4", "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:L/VI:L/VA:L/SC:N/SI:N/SA:N/E:X/CR:X/MAV:X")
	f.Add("CVSS_V2", "AV:N/AC:L/Au:N/C:P/I:P/A:P/E:POC/CDP:LM")
	f.Add("Ubuntu", "Negligible")
	f.Fuzz(func(t *testing.T, kind, score string) {
		got := rate([]advisory.Severity{{Type: kind, Score: score}}, "DSA-\x1b[1m"+kind)
		if got.score < 0 || got.score > 10 || (got.source == "") != (got.severity == verdict.Unrated) {
			t.Errorf("%q %q: %+v", kind, score, got)
		}
		if got.severity.Rank() < 0 || got.vector != "" && got.severity != scoreSeverity(got.score) {
			t.Errorf("%q %q: %+v", kind, score, got)
		}
		if strings.ContainsFunc(got.source, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("source %q", got.source)
		}
	})
}
