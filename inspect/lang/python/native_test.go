package python

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
	"assay/inspect/inventory"
)

// find returns the packages that are installed below root, as "name version", sorted
// and without repetitions.
func find(t *testing.T, root string) []string {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		metadata := WantsMetadata(rel) && (slices.Contains(MetadataBases(), e.Name()) || slices.Contains(MetadataExts(), filepath.Ext(rel)))
		egg := WantsEgg(rel)
		if !metadata && !egg {
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		var packages []inventory.Package
		if egg {
			info, err := f.Stat()
			if err != nil {
				return err
			}
			packages, err = ReadEgg(f, info.Size(), rel)
			if err != nil {
				t.Errorf("%s: %v", rel, err)
			}
		} else {
			packages, err = ReadMetadata(f, rel)
			if err != nil {
				t.Errorf("%s: %v", rel, err)
			}
		}
		for _, p := range packages {
			found[p.Name+" "+p.Version] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(found))
}

// pipList runs a command that prints a list of pip as JSON, and returns it in the form
// of find.
func pipList(t *testing.T, command ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "PIP_DISABLE_PIP_VERSION_CHECK=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v", command, err)
	}
	var list []struct{ Name, Version string }
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, p := range list {
		found[p.Name+" "+p.Version] = true
	}
	return slices.Sorted(maps.Keys(found))
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

// Packages that are installed in the ways that need no network access, as pip lists
// them there: with the virtual environment, by setuptools into a folder and as an egg,
// and from a wheel into any folder. The source tree, its build output and the remains
// of a package that pip could not remove are not installed.
func TestAsPipOfVirtualEnvironment(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		testkit.Missing(t, "python3, to compare with")
	}
	dir := t.TempDir()
	run := func(dir string, command ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_NO_INDEX=1", "PYTHONDONTWRITEBYTECODE=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", command, err, out)
		}
	}
	if out, err := exec.CommandContext(t.Context(), python, "-c", "import ensurepip, venv").CombinedOutput(); err != nil {
		testkit.Missing(t, "python3 with venv (apt-get install python3-venv): %s", out)
	}
	run(dir, python, "-m", "venv", "env")
	pip := filepath.Join(dir, "env", "bin", "pip")
	inner := filepath.Join(dir, "env", "bin", "python3")
	if exec.CommandContext(t.Context(), inner, "-c", "import setuptools").Run() != nil {
		testkit.Missing(t, "a python3 before 3.12, with a venv module that installs setuptools")
	}

	source := filepath.Join(dir, "source")
	write(t, filepath.Join(source, "m.py"), "")
	setup := "from setuptools import setup; setup(name='%s', version='1.0', py_modules=['m'], zip_safe=True)"
	run(source, inner, "-c", strings.ReplaceAll(setup, "%s", "ours.egg"), "-q", "install")
	run(source, inner, "-c", strings.ReplaceAll(setup, "%s", "ours.flat"), "-q", "install",
		"--single-version-externally-managed", "--record", filepath.Join(dir, "files"))
	for _, built := range []string{"ours.flat.egg-info/PKG-INFO", "dist/ours.egg-1.0-*.egg"} {
		if paths, err := filepath.Glob(filepath.Join(source, built)); err != nil || len(paths) != 1 {
			t.Errorf("%s in the source tree: %q, %v; nothing there could be mistaken", built, paths, err)
		}
	}
	libraries, err := filepath.Glob(filepath.Join(dir, "env", "lib", "python*", "site-packages"))
	if err != nil || len(libraries) != 1 {
		t.Fatalf("folders of packages: %v, %v", libraries, err)
	}
	write(t, filepath.Join(libraries[0], "~rs.left-1.0.dist-info", "METADATA"), "Name: ours.left\nVersion: 1.0\n")

	want := pipList(t, pip, "list", "--format=json")
	if !slices.Contains(want, "ours.egg 1.0") || !slices.Contains(want, "ours.flat 1.0") {
		t.Fatalf("pip lists %q", want)
	}
	if got := find(t, dir); !slices.Equal(got, want) {
		t.Errorf("found %q\npip lists %q", got, want)
	}

	bundled, err := exec.CommandContext(t.Context(), inner, "-c",
		"import ensurepip, glob, os; print((glob.glob(os.path.dirname(ensurepip.__file__) + '/_bundled/pip-*.whl') + glob.glob('/usr/share/python-wheels/pip-*.whl'))[0])").Output()
	if err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(dir, "app", "deps")
	run(dir, pip, "install", "--no-deps", "--no-compile", "--target", target, strings.TrimSpace(string(bundled)))
	want = pipList(t, pip, "list", "--format=json", "--path", target)
	if len(want) == 0 {
		t.Fatal("nothing is installed in the folder")
	}
	if got := find(t, filepath.Join(dir, "app")); !slices.Equal(got, want) {
		t.Errorf("found %q\npip lists %q", got, want)
	}
}
