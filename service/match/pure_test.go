package match_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"assay/check/testkit"
)

// TestPure checks that match, policy and the orders of versions, and the packages of this
// project that they import, use no SQL, no network, no filesystem and no clock.
func TestPure(t *testing.T) {
	root := testkit.Root(t)
	todo := []string{"service/match", "service/policy"}
	err := filepath.WalkDir(filepath.Join(root, "service", "version"), func(path string, d fs.DirEntry, err error) error {
		// Packages that only tests import are left out.
		if err == nil && d.IsDir() && d.Name() != "testdata" && !strings.HasSuffix(d.Name(), "test") {
			dir, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			todo = append(todo, filepath.ToSlash(dir))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	files := 0
	for ; len(todo) > 0; todo = todo[1:] {
		dir := todo[0]
		if seen[dir] {
			continue
		}
		seen[dir] = true
		paths, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(dir), "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if !strings.HasSuffix(path, "_test.go") {
				files++
				todo = append(todo, pureFile(t, path)...)
			}
		}
	}
	for _, dir := range []string{"service/version/dpkg", "verdict", "inspect/inventory", "remote/cyclonedx"} {
		if !seen[dir] {
			t.Errorf("%s was not checked", dir)
		}
	}
	if files < 20 {
		t.Errorf("only %d files", files)
	}
}

// pureFile checks one file, and returns the folders of this project that it imports.
func pureFile(t *testing.T, path string) (imports []string) {
	t.Helper()
	banned := map[string]bool{"database/sql": true, "net": true, "net/http": true, "os": true, "os/exec": true, "io/ioutil": true, "syscall": true}
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	clock := "" // the name of package time in this file
	for _, spec := range f.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if banned[name] {
			t.Errorf("%s imports %s", path, name)
		}
		if name == "time" {
			clock = "time"
			if spec.Name != nil {
				clock = spec.Name.Name
			}
		}
		if own, ok := strings.CutPrefix(name, "assay/"); ok {
			imports = append(imports, own)
		}
	}
	if clock == "." {
		t.Errorf("%s has a dot import of time", path)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if pkg, ok := sel.X.(*ast.Ident); ok && clock != "" && pkg.Name == clock {
			switch sel.Sel.Name {
			case "Now", "Since", "Until", "After", "Tick", "NewTimer", "NewTicker", "Sleep", "AfterFunc":
				t.Errorf("%s uses time.%s", path, sel.Sel.Name)
			}
		}
		return true
	})
	return imports
}

// TestNothingOptional checks that no decision depends on the concrete type of an index. A
// type assertion that fails because of a wrapper would turn a fail into a pass.
func TestNothingOptional(t *testing.T) {
	root := testkit.Root(t)
	files := 0
	for _, dir := range []string{"match", "policy", "scan", "explain"} {
		paths, err := filepath.Glob(filepath.Join(root, "service", dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			files++
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				a, ok := n.(*ast.TypeAssertExpr)
				if !ok {
					return true
				}
				if of, ok := a.Type.(*ast.Ident); !ok || of.Name != "string" {
					t.Errorf("%s: a type assertion; make it a method of the interface", set.Position(a.Pos()))
				}
				return true
			})
		}
	}
	if files < 20 {
		t.Fatalf("only %d files were looked at", files)
	}
}
