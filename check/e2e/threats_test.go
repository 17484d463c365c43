package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"assay/check/testkit"
)

// Every test that docs/threat-model.md names exists, and every row of its tables
// names one.
func TestThreatModel(t *testing.T) {
	root := testkit.Root(t)
	text, err := os.ReadFile(filepath.Join(root, "docs", "threat-model.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz)[A-Za-z0-9_]*)`")
	scripts := regexp.MustCompile("`([a-z-]+\\.txt)`")
	rows, heads := 0, 0
	for n, line := range strings.Split(string(text), "\n") {
		refs := named.FindAllStringSubmatch(line, -1)
		for _, ref := range refs {
			if !hasTest(t, root, ref[1], ref[2]) {
				t.Errorf("line %d: there is no %s in %s", n+1, ref[2], ref[1])
			}
		}
		files := scripts.FindAllStringSubmatch(line, -1)
		for _, file := range files {
			if _, err := os.Stat(filepath.Join(root, "service", "assayd", "testdata", "script", file[1])); err != nil {
				t.Errorf("line %d: %v", n+1, err)
			}
		}
		if got := len(refs); strings.Count(line, ".Test")+strings.Count(line, ".Fuzz") != got {
			t.Errorf("line %d: %q names a test in another form", n+1, line)
		}
		switch cells := strings.Split(strings.Trim(line, "| "), " | "); {
		case !strings.HasPrefix(line, "| "), strings.HasPrefix(line, "| ---"), cells[0] == "asset":
		case cells[len(cells)-1] == "test":
			heads++
		case len(cells) > 2: // the table of assets has two columns
			if rows++; len(refs)+len(files) == 0 {
				t.Errorf("line %d: no test holds %q", n+1, line)
			}
		}
	}
	if heads < 10 || rows < 90 {
		t.Errorf("%d tables with %d rows were recognized", heads, rows)
	}
}

// hasTest reports whether the package in the folder pkg has
// a test function of that name.
func hasTest(t *testing.T, root, pkg, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, pkg, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}
