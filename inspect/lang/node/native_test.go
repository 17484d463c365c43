package node

import (
	"archive/zip"
	"cmp"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"assay/check/testkit"
	"assay/inspect/inventory"
)

// A record is a package and its package.json.
type record struct{ Path, Name, Version string }

func records(t *testing.T, packages []inventory.Package, path string) []record {
	t.Helper()
	var list []record
	for _, p := range packages {
		if p.Type != "npm" || !slices.Equal(p.Evidence, []inventory.Evidence{{Path: path, Kind: Kind}}) {
			t.Errorf("%s: %+v", path, p)
		}
		list = append(list, record{path, p.Name, p.Version})
	}
	return list
}

// compare checks that both have the same records, in any order.
func compare(t *testing.T, got, want []record) {
	t.Helper()
	for _, list := range [][]record{got, want} {
		slices.SortFunc(list, func(a, b record) int {
			return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
		})
	}
	for _, r := range got {
		if !slices.Contains(want, r) {
			t.Errorf("also %v", r)
		}
	}
	for _, r := range want {
		if !slices.Contains(got, r) {
			t.Errorf("not %v", r)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d packages, want %d", len(got), len(want))
	}
}

// find reads every package.json below the folder sub of root that Wants wants, with
// paths relative to root.
func find(t *testing.T, root, sub string) []record {
	t.Helper()
	var list []record
	err := filepath.WalkDir(filepath.Join(root, sub), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || d.Name() != Bases()[0] {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil || !Wants(rel) {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		packages, err := Read(f, rel)
		if err != nil {
			t.Errorf("%s: %v", rel, err)
		}
		list = append(list, records(t, packages, rel)...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// npm runs npm in dir, without network access. It may exit with 1: ls and query do so
// if there are packages that package.json does not ask for.
func npm(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath("npm"); err != nil {
		testkit.Missing(t, "npm, to compare with: apt-get install npm")
	}
	cmd := exec.CommandContext(t.Context(), "npm", append(args, "--offline", "--no-audit", "--no-fund", "--no-update-notifier")...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "npm_config_cache="+filepath.Join(t.TempDir(), "cache"))
	out, err := cmd.Output()
	if exit, ok := err.(*exec.ExitError); ok && (len(out) == 0 || exit.ExitCode() != 1) {
		t.Fatalf("npm %q: %v: %s", args, err, exit.Stderr)
	} else if !ok && err != nil {
		t.Fatalf("npm %q: %v", args, err)
	}
	return out
}

// npmQuery returns the packages that npm finds in the project dir, with the paths of
// their files. Entries without a version are left out: they are folders that npm passes
// on the way to a linked package.
func npmQuery(t *testing.T, dir string) []record {
	t.Helper()
	var packages []struct{ Location, Name, Version, Realpath string }
	if err := json.Unmarshal(npm(t, dir, "query", "*"), &packages); err != nil {
		t.Fatal(err)
	}
	found := map[record]bool{}
	for _, p := range packages {
		if p.Location != "" && p.Version != "" {
			found[record{relative(t, dir, p.Realpath), p.Name, p.Version}] = true
		}
	}
	return slices.Collect(maps.Keys(found))
}

// relative returns the path of the package.json in folder, relative to dir.
func relative(t *testing.T, dir, folder string) string {
	t.Helper()
	rel, err := filepath.Rel(dir, filepath.Join(folder, manifest))
	if err != nil {
		t.Fatal(err)
	}
	return rel
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// npm installs packages without network access, flat and linked from a store: one with
// a scope, one with an alias, and one that is a link to its source folder, which is not
// an installed package.
func TestAsNpmInstalls(t *testing.T) {
	own := unzip(t, testkit.Path(t, "lang", "node", "npm-own-tree", "tree.zip"))
	archives := t.TempDir()
	args := []string{"pack", "--ignore-scripts", "--silent"}
	for _, name := range []string{"ms", "@isaacs/string-locale-compare", "abbrev"} {
		args = append(args, filepath.Join(own, modules, "npm", modules, name))
	}
	npm(t, archives, args...)
	dependencies := map[string]string{"link": "file:link"}
	for name, pattern := range map[string]string{"ms": "ms-*.tgz", "@isaacs/string-locale-compare": "isaacs-*.tgz", "other": "abbrev-*.tgz"} {
		files, err := filepath.Glob(filepath.Join(archives, pattern))
		if err != nil || len(files) != 1 {
			t.Fatalf("%s: %q, %v", pattern, files, err)
		}
		dependencies[name] = "file:" + files[0]
	}
	for _, strategy := range []string{"hoisted", "linked"} {
		project := t.TempDir()
		text, err := json.Marshal(map[string]any{"name": "project", "version": "1.0.0", "dependencies": dependencies})
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(project, manifest), string(text))
		write(t, filepath.Join(project, "link", manifest), `{"name": "link", "version": "1.0.0"}`)
		npm(t, project, "install", "--ignore-scripts", "--install-strategy="+strategy)

		want := slices.DeleteFunc(npmQuery(t, project), func(r record) bool { return r.Name == "link" })
		if len(want) != 3 {
			t.Errorf("%s: npm finds %v", strategy, want)
		}
		compare(t, find(t, project, "."), want)
	}
}

// unzip returns a folder with the content of the archive at path.
func unzip(t *testing.T, path string) string {
	t.Helper()
	archive, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	dir := t.TempDir()
	if err := os.CopyFS(dir, archive); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o777)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}
