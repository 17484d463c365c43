package cli

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	ucli "github.com/urfave/cli/v2"

	"assay/remote/cyclonedx"
	"assay/service/policy"
	"assay/verdict"
)

// TestDecidedAsTheServiceDoes checks that client and service accept the same values.
func TestDecidedAsTheServiceDoes(t *testing.T) {
	texts := []string{
		"critical", "high", "HIGH", "medium", "low", "none", "negligible", "unrated", "hgih", "", " high",
		"true", "false", "1", "0", "TRUE", "yes", "on", "t", "main", "a\tb", "a\xff", "\u202e", "é",
		strings.Repeat("x", 512), strings.Repeat("x", 513),
	}
	taken := 0
	for _, d := range verdict.DeclaredOptions() {
		for _, text := range texts {
			_, ignored, err := policy.Options([]cyclonedx.Option{{Name: d.Name, Value: text, Origin: "flag"}}, policy.Allow{}, nil)
			if len(ignored) > 0 {
				t.Fatalf("the service does not know %s", d.Name)
			}
			set := flag.NewFlagSet("", flag.ContinueOnError)
			set.String(d.Name, "", "")
			if err := set.Parse([]string{"--" + d.Name + "=" + text}); err != nil {
				t.Fatal(err)
			}
			v := &values{c: ucli.NewContext(nil, set, nil), lookupEnv: func(string) (string, bool) { return "", false }}
			sent := v.decided()
			if (v.bad == nil) != (err == nil) {
				t.Errorf("--%s %q: the client says %v, the service %v", d.Name, text, v.bad, err)
			} else if len(sent) == 1 {
				taken++
			}
		}
	}
	if taken < 50 {
		t.Errorf("only %d values were taken", taken)
	}
}

// weakening has words that a hint must not contain, because they would advise to let more
// through.
var weakening = []string{
	"--on-error", "--continue-on-failure", "-c ", "--no-verify", "--skip", "--no-os-packages", "--without",
	"--fail-on none", "--fail-on critical", "--unrated low", "--allow-env",
}

// TestNoHintWeakens checks that no text of the client advises to weaken the gate. The
// descriptions of the flags, the hints for the flags of other scanners, and the warning of
// a build that goes on are no advice.
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
		if strings.HasSuffix(path, "_test.go") || path == "foreign.go" {
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
				if strings.Contains(s+" ", w) && !strings.Contains(s, "THE BUILD GOES ON") && !strings.Contains(s, "which --on-error warn turns into 0") {
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
