package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// From each entry of a known shape, findings are made that it accepts and findings that it
// does not.
func TestFindings(t *testing.T) {
	for _, f := range shapes() {
		items, err := f.items()
		if err != nil {
			t.Errorf("%s: %v", f.path, err)
			continue
		}
		for _, e := range items {
			findings := e.findings()
			d := assayDecides(filepath.Base(f.path), f.text, findings)
			if d.refused != "" || len(findings) == 0 {
				continue
			}
			names, accepted := map[string]bool{}, map[string]bool{}
			for i, of := range findings {
				names[of.name] = true
				accepted[of.name] = accepted[of.name] || d.accepted[i]
			}
			switch filepath.Dir(f.path) {
			case "purls", "packages", "types", "languages", "upstreams", "justification", "all fix states":
				if !accepted["the entry"] {
					t.Errorf("%s: %+v does not accept its own finding", f.path, e)
				}
				if e.id != "" && accepted["other id"] {
					t.Errorf("%s: %+v accepts another vulnerability", f.path, e)
				}
			}
			for _, want := range []string{"the entry", "alias", "other id", "other package", "other version", "other path", "without a fix"} {
				if !names[want] {
					t.Errorf("%s: %+v: no finding %q", f.path, e, want)
				}
			}
		}
	}
}

// A pattern matches the path that is made from it, and an expression the name.
func TestSamples(t *testing.T) {
	for pattern, want := range map[string]string{
		"usr/lib/x": "usr/lib/x", "/usr/*/x": "usr/x/x", "**/package.json": "srv/app/package.json", "opt/{a,b}/**/*.jar": "opt/a/srv/app/x.jar",
		"a?": "ay",
	} {
		if got := concrete(pattern); got != want {
			t.Errorf("path of %q: %q, want %q", pattern, got, want)
		}
	}
	for pattern, want := range map[string]string{"zlib1g": "zlib1g", "linux-.*": "linux-x", "^lib.*-dev$": "libx-dev", "gcc|g": "gcc", `python3\.[0-9]+`: "python3.1"} {
		if got := sample(pattern); got != want {
			t.Errorf("name of %q: %q, want %q", pattern, got, want)
		}
	}
}

func TestReport(t *testing.T) {
	parse := func(lines ...string) []*entry {
		t.Helper()
		entries, err := parseEntries(heading + "\n\n" + strings.Join(lines, "\n") + "\n")
		if err != nil {
			t.Fatal(err)
		}
		return entries
	}
	alias := difference{"grype", "alias", true, "x"}
	for _, tt := range []struct {
		entries     []*entry
		differences []difference
		want        string
	}{
		{parse("| `grype` | `alias` | accepts | one finding |"), []difference{alias}, ""},
		{parse("| `*` | `al*` | accepts | one finding |"), []difference{alias, alias}, ""},
		{parse("| `grype` | `alias` | does not accept | why |"), []difference{alias}, "no entry: grype: alias: accepts: x"},
		{parse("| `trivy` | `alias` | accepts | why |"), []difference{alias}, "no entry"},
		{parse("| `grype` | `alias` | accepts | why |"), nil, "entry without a difference: grype: alias"},
		{nil, nil, ""},
	} {
		var out strings.Builder
		r := report{entries: tt.entries, differences: tt.differences}
		err := r.print(&out)
		if (err == nil) != (tt.want == "") || !strings.Contains(out.String(), tt.want) {
			t.Errorf("%+v: %v\n%s", tt.differences, err, out.String())
		}
	}
	for _, line := range []string{"| `grype` | `alias` | maybe | why |", "| `grype` | `alias` | accepts | |", "| `grype` | `alias` | accepts |"} {
		if _, err := parseEntries(heading + "\n" + line + "\n"); err == nil {
			t.Errorf("%q is no error", line)
		}
	}
}

// The table of the documentation can be read.
func TestEntries(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "policy.md"))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := parseEntries(string(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"trivy", "grype"} {
		if !slices.ContainsFunc(entries, func(e *entry) bool { return e.tool == tool }) {
			t.Errorf("no line about %s", tool)
		}
	}
}
