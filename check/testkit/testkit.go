// Package testkit finds the large test data, which is not part of the project: real
// advisories, package databases and pairs of versions. It also makes small trees.
package testkit

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Dir returns the folder of the test data: the value of TESTDATA, else ../shared/data
// relative to the root of the project. The folder need not exist.
func Dir(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("TESTDATA"); dir != "" {
		return dir
	}
	return filepath.Join(Root(t), "..", "shared", "data")
}

// Path returns the path of a file or folder below Dir. If it does not exist, Path
// skips or fails the test as Missing does.
func Path(t testing.TB, elem ...string) string {
	t.Helper()
	p := filepath.Join(append([]string{Dir(t)}, elem...)...)
	if _, err := os.Stat(p); err != nil {
		missing(t, MissingData+fmt.Sprintf("%v; set TESTDATA to its folder (see CONTRIBUTING.md)", err))
	}
	return p
}

// Thorough reports whether the tests are to try everything, however long it takes.
// "make test-long" sets the variable.
func Thorough() bool { return os.Getenv("ASSAY_LONG") != "" }

// Some returns how many of many cases a test tries: quick, or thorough if Thorough
// reports true.
func Some(quick, thorough int) int {
	if Thorough() {
		return thorough
	}
	return quick
}

// Long skips a test that takes minutes, unless Thorough reports true.
func Long(t testing.TB) {
	t.Helper()
	if !Thorough() {
		t.Skip(TooLong + "make test-long runs this test")
	}
}

// The messages of skipped tests begin with one of these; check/gotest counts them.
const (
	MissingData = MissingTool + "test data: "
	MissingTool = "missing: "
	TooLong     = "takes minutes: "
)

// Missing skips a test that needs something this machine lacks, such as a program.
// Where CI is set and the test data is there, it fails the test instead: a machine
// that can run every test must not skip one.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	missing(t, MissingTool+fmt.Sprintf(format, args...))
}

func missing(t testing.TB, message string) {
	t.Helper()
	if _, err := os.Stat(Dir(t)); err == nil && os.Getenv("CI") != "" {
		t.Fatal("with CI set nothing may be missing: " + message)
	}
	t.Skip(message)
}

// Tree makes a tree in a new folder. The keys of entries are paths. A value that begins
// with "-> " makes a symbolic link, "/" a directory, any other value a file with that
// content.
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

// Fat returns the large root that "testdata/roots/make.sh fat" makes in about an hour.
// The tests that need it have the build tag "fat" and fail without the root. They may
// run its programs with chroot.
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
		t.Fatalf("only root can run programs in %s", root)
	}
	return root
}

// Root returns the root folder of the project.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd() // a test runs in the folder of its package
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod in the working directory or above")
		}
	}
}

// Syft returns the path of Syft. The test is skipped if it is neither installed nor built in
// dist/tools, since it takes minutes to build.
func Syft(t testing.TB) string {
	t.Helper()
	if path, err := exec.LookPath("syft"); err == nil {
		return path
	}
	built, _ := filepath.Glob(filepath.Join(Root(t), "dist", "tools", "syft-*", "syft"))
	if len(built) == 0 {
		t.Skip("syft is missing: make compare builds it into dist/tools")
	}
	return built[0]
}
