package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"assay/remote/cyclonedx"
	"assay/service/policy"
)

// TestDecidedAsTheServiceDoes holds that client and service take the same values.
func TestDecidedAsTheServiceDoes(t *testing.T) {
	values := []string{
		"critical", "high", "HIGH", "medium", "low", "none", "negligible", "unrated", "hgih", "", " high",
		"true", "false", "1", "0", "TRUE", "yes", "on", "t", "main", "a\tb", "a\xff", "\u202e", "é",
		strings.Repeat("x", maxText), strings.Repeat("x", maxText+1),
	}
	taken := 0
	for _, name := range decided {
		for _, v := range values {
			_, ignored, err := policy.Options([]cyclonedx.Option{{Name: name, Value: v, Origin: "flag"}}, policy.Allow{})
			if len(ignored) > 0 {
				t.Fatalf("the service does not know %s", name)
			}
			if here := checkDecided(name, v) == ""; here != (err == nil) {
				t.Errorf("--%s %q: taken here %v, by the service %v", name, v, here, err)
			} else if here {
				taken++
			}
		}
	}
	if taken < 50 {
		t.Errorf("only %d values were taken", taken)
	}
}

// weakening are words that, in a hint, would advise to let more through.
var weakening = []string{
	"--on-error", "--continue-on-failure", "-c ", "--no-verify", "--skip", "--no-os-packages", "--without",
	"--fail-on none", "--fail-on critical", "--unrated low", "--allow-env",
}

// TestNoHintWeakens holds that no text of the client advises to weaken the gate.
// What stands in a flag's own description or translates another scanner's, and the
// shout of a build that goes on, is no advice.
func TestNoHintWeakens(t *testing.T) {
	var files []string
	for _, dir := range []string{".", "argv", "../remote", "../remote/token", "../remote/slot", "../verdict"} {
		found, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	texts := 0
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") || path == "foreign.go" { // which translates
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			s, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			texts++
			for _, w := range weakening {
				if strings.Contains(s+" ", w) && !strings.Contains(s, "THE BUILD GOES ON") && !strings.Contains(s, "which --on-error warn makes 0") {
					t.Errorf("%s: %q advises %q", path, s, w)
				}
			}
			return true
		})
	}
	if texts < 500 {
		t.Errorf("only %d texts read", texts)
	}
}
