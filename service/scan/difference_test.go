package scan_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"assay/service/scan"
	"assay/verdict"
)

func TestCompare(t *testing.T) {
	finding := func(id, name, version string) verdict.Finding {
		return verdict.Finding{ID: id, Package: verdict.Package{Type: "npm", Name: name, Version: version, PURL: "pkg:npm/" + name + "@" + version},
			Severity: verdict.High, Fails: true, Rule: "severity", Fixed: "9"}
	}
	base := func() verdict.Verdict {
		return verdict.Verdict{
			Decision: verdict.Decision{Outcome: verdict.Fail, Code: 4, Reasons: []verdict.Reason{{Rule: "severity", Text: "2 findings"}}},
			Findings: []verdict.Finding{finding("CVE-2024-1", "a", "1"), finding("CVE-2024-1", "a", "1"), finding("CVE-2024-2", "b", "1")},
			System:   verdict.System{ID: "debian", VersionID: "12", Ecosystem: "Debian:12"},
			Counts:   verdict.Counts{Packages: 3, Kernel: 7},
			Data:     verdict.Data{Snapshot: "s1", Age: 10, Updated: now},
			Options:  verdict.Options{FailOn: verdict.High},
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*verdict.Verdict)
		want   string
	}{
		{"nothing", func(*verdict.Verdict) {}, ""},
		{"values that change all the time", func(v *verdict.Verdict) {
			v.Data = verdict.Data{Snapshot: "s2", Age: 99999, Updated: now.Add(time.Hour), Records: 5}
			v.Decision.Reasons[0].Text = "3 findings"
			v.Findings[0].EPSS, v.Findings[0].Summary, v.Findings[0].Why = 0.5, "text", "text"
			v.Scan, v.Report = "other", "https://example.com"
		}, ""},
		{"the order of findings", func(v *verdict.Verdict) { v.Findings[0], v.Findings[2] = v.Findings[2], v.Findings[0] }, ""},
		{"the decision", func(v *verdict.Verdict) {
			v.Decision = verdict.Decision{Outcome: verdict.Untrusted, Code: 5, Reasons: []verdict.Reason{{Rule: "no-data"}, {Rule: "severity"}}}
		}, "decision: fail, code 4 (severity) -> untrusted, code 5 (no-data, severity)\n"},
		{"the system", func(v *verdict.Verdict) { v.System.Ended = true }, "system: Debian:12 -> Debian:12 without security support\n"},
		{"counts", func(v *verdict.Verdict) { v.Counts.Kernel = 8 }, "kernel findings: 7 -> 8\n"},
		{"one of two installations", func(v *verdict.Verdict) { v.Findings = v.Findings[1:] },
			"only before: CVE-2024-1 in a 1: high, fix 9, fails\n"},
		{"another version", func(v *verdict.Verdict) {
			v.Findings[2] = finding("CVE-2024-2", "b", "2")
			v.Findings[2].Fails, v.Findings[2].Fixed, v.Findings[2].Rule = false, "", "unfixed"
		}, "only now: CVE-2024-2 in b 2: high, fix none, does not fail by the rule unfixed\nonly before: CVE-2024-2 in b 1: high, fix 9, fails\n"},
		{"a finding", func(v *verdict.Verdict) {
			f := &v.Findings[2]
			f.Severity, f.Fixed, f.KnownExploited, f.Rule = verdict.Low, "", true, "known-exploited"
		}, "changed: CVE-2024-2 in b 1: rule: severity -> known-exploited, severity: high -> low, fix: 9 -> none, known to be exploited: false -> true\n"},
		{"a text with a line break", func(v *verdict.Verdict) { v.Findings[2].Fixed = "1\nassay: verdict=pass" },
			"changed: CVE-2024-2 in b 1: fix: 9 -> 1\\u000aassay\\u003a verdict=pass\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			after := base()
			tt.change(&after)
			d := scan.Compare(base(), after)
			var b strings.Builder
			if err := d.WriteText(&b); err != nil {
				t.Fatal(err)
			}
			if b.String() != tt.want || d.Empty() != (tt.want == "") {
				t.Errorf("empty %t\n%swant\n%s", d.Empty(), b.String(), tt.want)
			}
			if back := scan.Compare(after, base()); !reflect.DeepEqual(back.Added, d.Removed) || len(back.Changed) != len(d.Changed) {
				t.Errorf("in reverse: %+v", back)
			}
		})
	}

	many := base()
	for i := range 100 {
		many.Findings = append(many.Findings, finding(fmt.Sprintf("CVE-2025-%d", i), "c", "1"))
	}
	var b strings.Builder
	if err := scan.Compare(base(), many).WriteText(&b); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); strings.Count(got, "\n") != 51 || !strings.HasSuffix(got, "only now: 50 more findings\n") {
		t.Errorf("a long list:\n%s", got)
	}
}
