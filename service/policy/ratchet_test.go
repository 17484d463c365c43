package policy

import (
	"testing"
	"time"

	"assay/inspect/inventory"
	"assay/verdict"
)

// Findings in components of the reference have a grace, others and downgrades have none.
func TestRatchet(t *testing.T) {
	evidence := func(path string) []inventory.Evidence { return []inventory.Evidence{{Path: path}} }
	reference := ComponentsOf(inventory.Inventory{Packages: []inventory.Package{
		{Type: "npm", Name: "a", Version: "2.0.0", Evidence: evidence("app/a")},
		{Type: "deb", Name: "b", Version: "2", Arch: "amd64", Evidence: evidence("var/lib/dpkg/status")},
		{Type: "none", Name: "c", Version: "x"},
	}})
	service := servicePolicy(t, "all:\n  ratchet: {against: main, grace: 14d}\n")
	const young, old = 3, 20 // days since the fix
	tests := []struct {
		name, words                       string
		typ, pkg, version, arch, path     string
		days                              int
		graceFlag                         verdict.Seconds
		rule                              string
		introduced, known, grace, overdue int
	}{
		{"the same", "high fixed", "npm", "a", "2.0.0", "", "app/a", young, 0, verdict.RuleRatchet, 0, 1, 1, 0},
		{"newer", "high fixed", "npm", "a", "10.0.0", "", "app/a", young, 0, verdict.RuleRatchet, 0, 1, 1, 0},
		{"overdue", "high fixed", "npm", "a", "2.0.0", "", "app/a", old, 0, verdict.RuleSeverity, 0, 1, 0, 1},
		{"a longer grace of the build", "high fixed", "npm", "a", "2.0.0", "", "app/a", old, 30 * 86400, verdict.RuleGrace, 0, 1, 0, 1},
		{"no day", "high fixed", "npm", "a", "2.0.0", "", "app/a", 0, 0, verdict.RuleSeverity, 0, 1, 0, 0},
		{"downgrade", "high fixed", "npm", "a", "1.9.9", "", "app/a", young, 0, verdict.RuleSeverity, 1, 0, 0, 0},
		{"not comparable", "high fixed", "npm", "a", "latest", "", "app/a", young, 0, verdict.RuleSeverity, 1, 0, 0, 0},
		{"another path", "high fixed", "npm", "a", "2.0.0", "", "lib/a", young, 0, verdict.RuleSeverity, 1, 0, 0, 0},
		{"another package", "high fixed", "npm", "z", "2.0.0", "", "app/a", young, 0, verdict.RuleSeverity, 1, 0, 0, 0},
		{"another architecture", "high fixed", "deb", "b", "2", "i386", "var/lib/dpkg/status", young, 0, verdict.RuleSeverity, 1, 0, 0, 0},
		{"of the system", "high fixed", "deb", "b", "2", "amd64", "var/lib/dpkg/status", young, 0, verdict.RuleRatchet, 0, 1, 1, 0},
		{"without an order", "high fixed", "none", "c", "y", "", "", young, 0, verdict.RuleSeverity, 1, 0, 0, 0},
		{"without an order, the same", "high fixed", "none", "c", "x", "", "", young, 0, verdict.RuleRatchet, 0, 1, 1, 0},
		{"exploited", "high fixed kev", "npm", "a", "2.0.0", "", "app/a", young, 0, verdict.RuleKnownExploited, 0, 0, 0, 0},
		{"malicious", "high fixed malicious", "npm", "a", "2.0.0", "", "app/a", young, 0, verdict.RuleMalicious, 0, 0, 0, 0},
		{"mild", "low fixed", "npm", "a", "1.0.0", "", "app/a", young, 0, verdict.RuleBelow, 0, 0, 0, 0},
	}
	for _, tt := range tests {
		f := found(tt.words)
		f.Package = &verdict.Package{Type: tt.typ, Name: tt.pkg, Version: tt.version, Arch: tt.arch}
		if tt.path != "" {
			f.Package.Paths = []string{tt.path}
		}
		if tt.days > 0 {
			seen := today.AddDate(0, 0, -tt.days)
			f.FirstSeen = &seen
		}
		in := scanned(f)
		in.Now, in.Options.Grace, in.Ratchet = today, tt.graceFlag, NewRatchet(service)
		in.Ratchet.Scan, in.Ratchet.Components = "s", reference
		_, findings, _ := Decide(in)
		r := in.Ratchet
		if got := findings[0]; got.Rule != tt.rule || r.Introduced != tt.introduced || r.Known != tt.known || r.InGrace != tt.grace || r.Overdue != tt.overdue {
			t.Errorf("%s: %s, %+v", tt.name, got.Rule, r.Ratchet)
		}
		if tt.rule == verdict.RuleRatchet {
			g := findings[0].Grounds
			if g == nil || !g.Until.Equal(today.AddDate(0, 0, 14-young)) || g.Written != "policy version 3 line 2" ||
				g.Reason != "known in main; this service first saw the fix on "+today.AddDate(0, 0, -young).Format(time.DateOnly) {
				t.Errorf("%s: %+v", tt.name, g)
			}
		}
		in.Ratchet = NewRatchet(service) // without a reference
		in.Options.Grace = 0
		if _, findings, _ := Decide(in); findings[0].Fails != (tt.rule != verdict.RuleBelow) || in.Ratchet.Known > 0 {
			t.Errorf("%s, without a reference: %s, %+v", tt.name, findings[0].Rule, in.Ratchet.Ratchet)
		}
	}
}

// A package at two paths is known only if both are.
func TestRatchetPaths(t *testing.T) {
	c := ComponentsOf(inventory.Inventory{Packages: []inventory.Package{
		{Type: "npm", Name: "a", Version: "1.0.0", Evidence: []inventory.Evidence{{Path: "x"}, {Path: "y"}}},
	}})
	for _, tt := range []struct {
		paths []string
		want  bool
	}{{[]string{"x"}, true}, {[]string{"x", "y"}, true}, {[]string{"x", "z"}, false}, {nil, false}} {
		if c.have(&verdict.Package{Type: "npm", Name: "a", Version: "1.0.0", Paths: tt.paths}) != tt.want {
			t.Errorf("%v", tt.paths)
		}
	}
}
