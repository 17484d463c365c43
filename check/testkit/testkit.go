// Package testkit finds the data that tests are held against and that is not
// part of the project: real advisories, package databases and version pairs. It
// makes small trees too.
package testkit

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Path returns the path of a file or folder of the test data: below the folder
// that the variable TESTDATA names, else below ../shared/data seen from the
// root of the project. A test whose data is missing is skipped and says how to
// get it; with CI set it fails, since a skipped test shows nothing.
func Path(t testing.TB, elem ...string) string {
	t.Helper()
	base := os.Getenv("TESTDATA")
	if base == "" {
		base = filepath.Join(Root(t), "..", "shared", "data")
	}
	p := filepath.Join(append([]string{base}, elem...)...)
	if _, err := os.Stat(p); err != nil {
		Missing(t, "test data: %v; set TESTDATA to the folder that holds osv/, pkgdb/ and versions/", err)
	}
	return p
}

// Tree makes a tree in a new folder: a value that begins with "-> " is a link, one
// that is "/" a directory, all else the content of a file.
func Tree(t testing.TB, entries map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range entries {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			err = os.Symlink(target, p)
		} else if content == "/" {
			err = os.MkdirAll(p, 0o755)
		} else {
			err = os.WriteFile(p, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Missing skips a test that lacks what format says, and fails it with CI set.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("missing in CI: "+format, args...)
	}
	t.Skipf("missing: "+format, args...)
}

// Fat returns the large root that testdata/roots/make.sh makes, and which takes too
// long to make for every run: the tests that need it have the build tag "fat", and
// fail without it. They may run its programs with chroot.
func Fat(t testing.TB) string {
	t.Helper()
	roots := os.Getenv("ROOTS")
	if roots == "" {
		roots = filepath.Join(Root(t), "dist", "roots")
	}
	root := filepath.Join(roots, "fat")
	if _, err := os.Stat(root); err != nil {
		t.Fatalf("the large root: %v; make it with testdata/roots/make.sh fat", err)
	}
	if os.Getuid() != 0 {
		t.Fatalf("root's rights are needed to run programs in %s", root)
	}
	return root
}

// Root returns the root folder of the project.
func Root(t testing.TB) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok || !filepath.IsAbs(file) {
		t.Fatal("the project's root is not known: run the tests without -trimpath")
	}
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}
