//go:build fat

package node

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"assay/check/testkit"
)

// npmList returns the packages that npm ls lists in the project dir.
func npmList(t *testing.T, dir string) []record {
	t.Helper()
	type node struct {
		Path, Name, Version string
		Dependencies        map[string]node
	}
	var project node
	if err := json.Unmarshal(npm(t, dir, "ls", "--all", "--json", "--long"), &project); err != nil {
		t.Fatal(err)
	}
	found := map[record]bool{}
	var walk func(node)
	walk = func(n node) {
		for _, d := range n.Dependencies {
			if d.Path != "" { // an optional one may be absent
				found[record{relative(t, project.Path, d.Path), d.Name, d.Version}] = true
			}
			walk(d)
		}
	}
	walk(project)
	return slices.Collect(maps.Keys(found))
}

// The packages that npm installed for applications are those that npm ls lists, without
// those that other packages contain as test data (resolve) or compiled into them
// (next).
func TestAsNpmList(t *testing.T) {
	for _, app := range []string{"app", "old"} {
		dir := filepath.Join(testkit.Fat(t), "srv", app)
		want := npmList(t, dir)
		if len(want) < 400 {
			t.Fatalf("npm lists %d packages in %s", len(want), dir)
		}
		compare(t, find(t, dir, "."), want)
	}
}

// The packages in Debian's folder are those that npm finds if they are in a folder
// node_modules, including nested ones.
func TestAsNpmOfDebian(t *testing.T) {
	const folder = "usr/share/nodejs"
	source := filepath.Join(testkit.Fat(t), folder)
	project := t.TempDir()
	err := filepath.WalkDir(source, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		to := filepath.Join(project, modules, rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(to, 0o777)
		case d.Type().IsRegular() && d.Name() == manifest:
			return os.WriteFile(to, readFile(t, path), 0o666)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := npmQuery(t, project)
	if len(want) < 1000 {
		t.Fatalf("npm finds %d packages of Debian", len(want))
	}
	var got []record
	for _, r := range find(t, testkit.Fat(t), folder) {
		rel, err := filepath.Rel(folder, r.Path)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, record{filepath.Join(modules, rel), r.Name, r.Version})
	}
	compare(t, got, want)
}
