package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"assay/inspect/inventory"
	"assay/service/match"
	"assay/verdict"
)

// at returns a package of a reference or a build.
func at(typ, name, version, arch string, paths ...string) *verdict.Package {
	return &verdict.Package{Type: typ, Name: name, Version: version, Arch: arch, Paths: paths}
}

// having returns a finding of a package.
func having(p *verdict.Package, words string) match.Finding {
	f := found(words)
	f.Package = p
	return f
}

// Findings of the reference have a grace, others and downgrades have none.
func TestRatchet(t *testing.T) {
	reference := NewReference(inventory.Inventory{Packages: []inventory.Package{{Arch: "amd64"}}}, []match.Finding{
		having(at("npm", "a", "2.0.0", "", "app/a"), "high fixed"),
		having(at("deb", "b", "2", "amd64", "var/lib/dpkg/status"), "high fixed"),
		having(at("npm", "owned", "2.0.0", "", "app/a"), "high fixed owned"),
		having(at("deb", "minor", "2", "amd64", "var/lib/dpkg/status"), "negligible fixed unimportant"),
		having(at("golang", "absent", "v1.0.0", "", "app/a"), "high fixed absent"),
		having(at("none", "c", "x", ""), "high fixed"),
	})
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
		{"a day in the future", "high fixed", "npm", "a", "2.0.0", "", "app/a", -2, 0, verdict.RuleSeverity, 0, 1, 0, 0},
		{"downgrade", "high fixed", "npm", "a", "1.9.9", "", "app/a", young, 0, verdict.RuleSeverity, 1, 0, 0, 0},
		{"not comparable", "high fixed", "npm", "a", "latest", "", "app/a", young, 0, verdict.RuleSeverity, 1, 0, 0, 0},
		{"another path", "high fixed", "npm", "a", "2.0.0", "", "lib/a", young, 0, verdict.RuleSeverity, 1, 0, 0, 0},
		{"another package", "high fixed", "npm", "z", "2.0.0", "", "app/a", young, 0, verdict.RuleSeverity, 1, 0, 0, 0},
		{"another type", "high fixed", "pypi", "a", "2.0.0", "", "app/a", young, 0, verdict.RuleSeverity, 1, 0, 0, 0},
		{"another vulnerability", "high fixed other", "npm", "a", "2.0.0", "", "app/a", young, 0, verdict.RuleSeverity, 1, 0, 0, 0},
		{"another architecture", "high fixed", "deb", "b", "2", "i386", "var/lib/dpkg/status", young, 0, verdict.RuleSeverity, 1, 0, 0, 0},
		{"of the system", "high fixed", "deb", "b", "2", "arm64", "var/lib/dpkg/status", young, 0, verdict.RuleRatchet, 0, 1, 1, 0},
		{"fixed in the distribution's build", "high fixed", "npm", "owned", "2.0.0", "", "app/a", young, 0, verdict.RuleSeverity, 1, 0, 0, 0},
		{"unimportant in the reference", "high fixed", "deb", "minor", "2", "arm64", "var/lib/dpkg/status", young, 0, verdict.RuleSeverity, 1, 0, 0, 0},
		{"not in the program of the reference", "high fixed", "golang", "absent", "v1.0.0", "", "app/a", young, 0, verdict.RuleSeverity, 1, 0, 0, 0},
		{"without an order", "high fixed", "none", "c", "y", "", "", young, 0, verdict.RuleSeverity, 1, 0, 0, 0},
		{"without an order, the same", "high fixed", "none", "c", "x", "", "", young, 0, verdict.RuleRatchet, 0, 1, 1, 0},
		{"exploited", "high fixed kev", "npm", "a", "2.0.0", "", "app/a", young, 0, verdict.RuleKnownExploited, 0, 0, 0, 0},
		{"malicious", "high fixed malicious", "npm", "a", "2.0.0", "", "app/a", young, 0, verdict.RuleMalicious, 0, 0, 0, 0},
		{"mild", "low fixed", "npm", "a", "1.0.0", "", "app/a", young, 0, verdict.RuleBelow, 0, 0, 0, 0},
	}
	for _, tt := range tests {
		words, other := strings.CutSuffix(tt.words, " other")
		f := having(at(tt.typ, tt.pkg, tt.version, tt.arch), words)
		if other {
			f.ID = "CVE-2024-2222"
		}
		if tt.path != "" {
			f.Package.Paths = []string{tt.path}
		}
		if tt.days != 0 {
			seen := today.AddDate(0, 0, -tt.days)
			f.FirstSeen = &seen
		}
		in := scanned(f)
		in.Now, in.Options.Grace, in.Ratchet = today, tt.graceFlag, NewRatchet(service)
		in.Ratchet.Scan, in.Ratchet.Reference, in.Ratchet.Arch = "s", reference, "arm64"
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

// A package at two paths is known only if both are, and several versions at one path count
// together. What is beyond the bounds is introduced.
func TestRatchetPaths(t *testing.T) {
	many := make([]string, maxPaths+1)
	for i := range many {
		many[i] = fmt.Sprint("many", i)
	}
	reference := []match.Finding{
		having(at("npm", "a", "1.0.0", "", "x", "y"), "high fixed"),
		having(at("npm", "b", "3.0.0", "", "x"), "high fixed"),
		having(at("npm", "b", "1.0.0", "", "x"), "high fixed"),
		having(at("npm", "c", "1.0.0", "", many...), "high fixed"),
	}
	for i := range 100 {
		reference = append(reference, having(at("npm", "d", fmt.Sprintf("%d.0.0", i), "", "x"), "high fixed"))
	}
	r := NewRatchet(servicePolicy(t, "all: {ratchet: {against: main, grace: 14d}}"))
	r.Reference = NewReference(inventory.Inventory{}, reference)
	for _, tt := range []struct {
		p    *verdict.Package
		want bool
	}{
		{at("npm", "a", "1.0.0", "", "x"), true},
		{at("npm", "a", "1.0.0", "", "x", "y"), true},
		{at("npm", "a", "1.0.0", "", "x", "z"), false},
		{at("npm", "a", "1.0.0", ""), false},
		{at("npm", "b", "2.0.0", "", "x"), true},
		{at("npm", "b", "0.9.0", "", "x"), false},
		{at("npm", "c", "1.0.0", "", "many1"), false},
		{at("npm", "c", "1.0.0", "", many...), false},
		{at("npm", "d", "5.0.0", "", "x"), true},
	} {
		for range 2 { // the second answer is remembered
			if r.known(having(tt.p, "high fixed")) != tt.want {
				t.Errorf("%+v", tt.p)
			}
		}
	}
	if n := len(r.Reference.installed[componentOf(at("npm", "d", "", ""), "x", "")]); n != maxVersions {
		t.Errorf("%d versions of one package are compared", n)
	}
}

func TestNativeArch(t *testing.T) {
	for want, archs := range map[string]string{
		"":      "all noarch",
		"amd64": "i386 amd64 all all all amd64",
		"arm64": "riscv64 arm64", // the same number
	} {
		var inv inventory.Inventory
		for _, arch := range strings.Fields(archs) {
			inv.Packages = append(inv.Packages, inventory.Package{Arch: arch})
		}
		if got := NativeArch(inv); got != want {
			t.Errorf("%s: %q", archs, got)
		}
	}
}
