package tree

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"assay/check/testkit"
)

// TestClientImports checks that nothing of the service is linked into assay.
func TestClientImports(t *testing.T) {
	t.Chdir(testkit.Root(t))
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 50 {
		t.Fatalf("only %d packages listed", len(deps))
	}
	for _, dep := range deps {
		if strings.HasPrefix(dep, "assay/service") || strings.HasPrefix(dep, "modernc.org/") ||
			strings.Contains(dep, "yaml") || strings.Contains(dep, "toml") ||
			strings.Contains(dep, "zstd") && !strings.HasPrefix(dep, "github.com/klauspost/compress/zstd") {
			t.Errorf("assay links %s", dep)
		}
	}
}

// TestTree holds what docs and a reader rely on.
func TestTree(t *testing.T) {
	t.Chdir(testkit.Root(t))
	b, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(b, []byte("\n")); n >= 60 {
		t.Errorf("main.go has %d lines; it parses, calls and exits, in less than 60", n)
	}
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			switch d.Name() {
			case "util", "utils", "common", "pkg", "internal", "helpers":
				t.Errorf("%s: a name that says nothing about what is in it", path)
			case "dist", ".git", ".cache":
				return fs.SkipDir
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDependencies checks that docs/dependencies.md names every module that
// go.mod requires directly.
func TestDependencies(t *testing.T) {
	t.Chdir(testkit.Root(t))
	doc, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{if not (or .Indirect .Main)}}{{.Path}}{{end}}", "all").Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := strings.Fields(string(out))
	if len(modules) < 5 {
		t.Fatalf("only %q listed", modules)
	}
	for _, m := range modules {
		if !bytes.Contains(doc, []byte(m)) {
			t.Errorf("docs/dependencies.md says nothing of %s", m)
		}
	}
}

// TestPaths checks that the files and folders that ARCHITECTURE.md names exist.
func TestPaths(t *testing.T) {
	root := testkit.Root(t)
	name := regexp.MustCompile("`([a-zA-Z.]+(?:/[a-zA-Z0-9_.-]+)+/?)`")
	found := 0
	b, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range name.FindAllSubmatch(b, -1) {
		found++
		if _, err := os.Stat(filepath.Join(root, string(m[1]))); err != nil {
			t.Errorf("ARCHITECTURE.md names %s: %v", m[1], err)
		}
	}
	if found < 30 {
		t.Errorf("only %d paths found", found)
	}
}
