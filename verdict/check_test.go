package verdict_test

import (
	"strings"
	"testing"

	"assay/verdict"
)

// TestCheckTakes: valid verdicts do not contradict themselves.
func TestCheckTakes(t *testing.T) {
	later := base()
	later.Decision.Reasons[0].Rule = "a-rule-of-a-later-version"
	strict := one()
	strict.Options.Strict = true
	eol := ended()
	kernel := june()
	for name, v := range map[string]verdict.Verdict{
		"pass": base(), "fail": one(), "all kinds": kernel, "malicious": malicious(), "end of life": eol, "unfixed": unfixed(),
		"listed": listed(), "nothing recognised": untrusted(), "no system": bare(), "excused": excused(), "without": without(),
		"not held": unheld(), "vendor": parts(base(), vendored), "a later rule": later, "strict": strict,
	} {
		if err := v.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, root := range []string{"debian12-minbase", "debian12-app"} {
		if err := real(t, root).Check(); err != nil {
			t.Errorf("%s: %v", root, err)
		}
	}
}

// TestCheck: every contradiction is found.
func TestCheck(t *testing.T) {
	change := func(of func() verdict.Verdict, change func(*verdict.Verdict)) verdict.Verdict {
		v := of()
		change(&v)
		return v
	}
	pass := func(v verdict.Verdict) verdict.Verdict {
		v.Decision = base().Decision
		return v
	}
	counts := func(of func() verdict.Verdict, to func(*verdict.Counts)) verdict.Verdict {
		return change(of, func(v *verdict.Verdict) { to(&v.Counts) })
	}
	part := func(to func(*verdict.Part)) verdict.Verdict {
		return change(base, func(v *verdict.Verdict) { to(&v.Evaluated[0]) })
	}
	finding := func(to func(*verdict.Finding)) verdict.Verdict {
		return change(listed, func(v *verdict.Verdict) { to(&v.Findings[0]) })
	}
	reasons := func(of func() verdict.Verdict, rules ...string) verdict.Verdict {
		return change(of, func(v *verdict.Verdict) {
			v.Decision.Reasons = nil
			for _, r := range rules {
				v.Decision.Reasons = append(v.Decision.Reasons, verdict.Reason{Rule: r, Text: "x"})
			}
		})
	}
	outcome := func(o verdict.Outcome, code int) verdict.Verdict {
		return change(base, func(v *verdict.Verdict) { v.Decision.Outcome, v.Decision.Code = o, code })
	}
	for _, tt := range []struct {
		name string
		v    verdict.Verdict
		says string
	}{
		{"nothing", verdict.Verdict{}, `the outcome "" is unknown`},
		{"a bare pass", verdict.Verdict{Decision: verdict.Decision{Outcome: verdict.Pass}}, "without a reason"},
		{"a pass that says nothing else", verdict.Verdict{Decision: base().Decision}, "without advisories"},
		{"another outcome", outcome("passed", 0), "is unknown"},
		{"fail with 0", outcome(verdict.Fail, 0), `"fail" with code 0`},
		{"pass with 4", outcome(verdict.Pass, 4), `"pass" with code 4`},
		{"untrusted with 0", outcome(verdict.Untrusted, 0), `"untrusted" with code 0`},
		{"no reasons", reasons(base), "without a reason"},
		{"no rule", reasons(base, ""), "without a rule"},
		{"pass by severity", reasons(base, "severity"), `"pass" by the rule "severity"`},
		{"pass, and something else", reasons(base, "clean", "no-data"), `"pass" by the rule "no-data"`},
		{"fail by clean", reasons(one, "clean"), `"fail" by the rule "clean"`},
		{"fail, and not trusted", reasons(one, "severity", "data-too-old"), `"fail" by the rule "data-too-old"`},
		{"untrusted by severity", reasons(unheld, "severity", "no-data"), `"untrusted" by the rule "severity"`},

		{"a pass with failing findings", pass(real(t, "debian12-minbase")), `"pass" with 16 failing findings`},
		{"a pass whose findings were left out", change(base, func(v *verdict.Verdict) { v.Counts = one().Counts }), "1 findings are counted and the verdict has 0"},
		{"counted as not failing", counts(one, func(c *verdict.Counts) { c.Failing = 0 }), "0 failing findings are counted and the verdict has 1"},
		{"counted as failing", counts(listed, func(c *verdict.Counts) { c.Failing = 16 }), "16 failing findings are counted and the verdict has 0"},
		{"fewer findings", counts(june, func(c *verdict.Counts) { c.Findings-- }), "findings are counted and"},
		{"severities", counts(listed, func(c *verdict.Counts) { c.BySeverity[verdict.Low]++ }), "add up to 3 of 2"},
		{"a negative severity", counts(listed, func(c *verdict.Counts) { c.BySeverity[verdict.Low]--; c.BySeverity[verdict.High]++ }), "negative"},
		{"more fixes than findings", counts(listed, func(c *verdict.Counts) { c.Fixable = 3 }), "3 of 2 findings have a fix"},
		{"a negative count", counts(base, func(c *verdict.Counts) { c.Kernel = -1; c.Findings = -1 }), "negative"},
		{"a fail without findings", change(one, func(v *verdict.Verdict) {
			v.Findings, v.Counts = nil, base().Counts
		}), `"fail" by the rule "severity" without a failing finding`},
		{"a finding without a rule", finding(func(f *verdict.Finding) { f.Rule = "" }), "no rule decided"},
		{"a finding that does not fail by severity", finding(func(f *verdict.Finding) { f.Rule = "severity" }), `fails is false by the rule "severity"`},
		{"an exploited finding that does not fail by that", finding(func(f *verdict.Finding) { f.Rule = "known-exploited" }), `fails is false`},
		{"a finding that fails by a rule that passes", change(one, func(v *verdict.Verdict) { v.Findings[0].Rule = "kernel" }), `fails is true by the rule "kernel"`},
		{"a malicious package that does not fail", finding(func(f *verdict.Finding) { f.Malicious = true }), "malicious and does not fail"},
		{"unfixed with a fix", finding(func(f *verdict.Finding) { f.Fixed = "2" }), `the rule "unfixed" with the fix "2"`},
		{"high below high", finding(func(f *verdict.Finding) { f.Rule = "below-threshold" }), `severity "high" by the rule "below-threshold"`},
		{"unrated below high", finding(func(f *verdict.Finding) { f.Rule, f.Severity = "below-threshold", verdict.Unrated }), `severity "high" by the rule "below-threshold"`},

		{"more evaluated than there are", part(func(p *verdict.Part) { p.Evaluated = 89 }), "89 of 88 packages"},
		{"a negative part", part(func(p *verdict.Part) { p.Evaluated = -1 }), "-1 of 88 packages"},
		{"a cause with more packages", part(func(p *verdict.Part) { p.Causes = []verdict.PartCause{{Cause: "vendor", Packages: 89}} }), "88 of 88 packages"},
		{"evaluated, with fewer", part(func(p *verdict.Part) { p.Evaluated = 87 }), `"Debian:12" is "evaluated" with 87 of 88`},
		{"evaluated, with a cause", part(func(p *verdict.Part) { p.Causes = []verdict.PartCause{{Cause: "vendor", Packages: 1}} }), `is "evaluated"`},
		{"partly, without a cause", part(func(p *verdict.Part) { p.Evaluated, p.State = 87, verdict.Partly }), "without a cause"},
		{"an empty part", part(func(p *verdict.Part) { p.Packages, p.Evaluated = 0, 0 }), `is "evaluated" with 0 of 0`},
		{"parts with fewer packages", counts(base, func(c *verdict.Counts) { c.Packages = 89 }), "the parts have 88 of 89 packages"},
		{"parts with fewer evaluated", counts(base, func(c *verdict.Counts) { c.Evaluated = 87 }), "88 packages are evaluated by the parts and 87 by the counts"},
		{"no parts", change(base, func(v *verdict.Verdict) { v.Evaluated = nil }), "the parts have 0 of 88 packages"},

		{"no advisories", change(base, func(v *verdict.Verdict) { v.Data.Records = 0 }), "without advisories"},
		{"nothing evaluated", change(untrusted, func(v *verdict.Verdict) { v.Decision = base().Decision }), "without an evaluated package"},
		{"strict, with a vendor's package", change(func() verdict.Verdict { return parts(base(), vendored) }, func(v *verdict.Verdict) { v.Options.Strict = true }), "165 of 170 packages"},
		{"strict, with a gap", change(base, func(v *verdict.Verdict) {
			v.Options.Strict, v.ScanErrors = true, []verdict.ScanError{{Path: "root", Kind: "directory"}}
		}), "1 places not read"},
		{"a database that was not read", change(base, func(v *verdict.Verdict) {
			v.ScanErrors = []verdict.ScanError{{Path: "var/lib/dpkg/status", Kind: "database"}}
		}), "/var/lib/dpkg/status could not be read"},
		{"an end of life that should fail", change(base, func(v *verdict.Verdict) { v.Options.FailOnEOL, v.System.Ended = true, true }), "support has ended"},
		{"an ecosystem that is not held", pass(unheld()), `although "npm" was not evaluated (type)`},
		{"an ecosystem that another was done without", change(func() verdict.Verdict { return pass(unheld()) }, func(v *verdict.Verdict) {
			v.Evaluated[1].Causes = []verdict.PartCause{{Cause: verdict.CauseWithout, Packages: 12}}
			v.Without = []string{"PyPI"}
		}), `although "npm" was not evaluated (without)`},
		{"a system without packages", change(excused, func(v *verdict.Verdict) { v.Options.NoOSPackages = false }), `although "Debian:12" was not evaluated (missing)`},
		{"a system without its part", change(base, func(v *verdict.Verdict) { *v = parts(*v, python) }), "without the packages of debian"},
		{"a system of other vendors only", change(base, func(v *verdict.Verdict) {
			foreign := vendored
			foreign.Evaluated = 0
			*v = parts(*v, foreign, python)
		}), "no package of the operating system was evaluated"},
	} {
		err := tt.v.Check()
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.says)
		}
		if err == nil {
			continue
		}
		v := tt.v.Distrusted(err)
		if d := v.Decision; d.Outcome != verdict.Untrusted || d.Code != 5 || d.Reasons[0].Rule != "contradiction" || d.Reasons[0].Hint == "" {
			t.Errorf("%s: %+v", tt.name, d)
		}
		log := text(t, v, verdict.Style{Exit: 5})
		hold(t, log, verdict.Style{Exit: 5})
		if !strings.Contains(last(log), "verdict=untrusted code=5 ") || !strings.Contains(last(log), "contradicts itself") {
			t.Errorf("%s:\n%s", tt.name, log)
		}
	}
}
