package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// bin holds the binaries under test, built as a release is.
var bin string

// The project's own sample: a Debian 12 and advisories of which some match it.
const (
	sampleRoot       = "testdata/sample/root"
	sampleAdvisories = "testdata/sample/advisories"
)

func TestMain(m *testing.M) {
	os.Exit(func() int {
		// The tests name files as seen from the project's root.
		if err := os.Chdir(filepath.Join("..", "..")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		dir, err := os.MkdirTemp("", "assay-bin-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		bin = dir
		for out, pkg := range map[string]string{"assay": ".", "assayd": "./service/assayd"} {
			cmd := exec.Command("go", "build", "-trimpath", "-tags", "urfave_cli_no_docs",
				"-ldflags", "-s -w -X main.version=0.0.0-test", "-o", filepath.Join(dir, out), pkg)
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
			if b, err := cmd.CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "build %s: %v\n%s", out, err, b)
				return 1
			}
		}
		return m.Run()
	}())
}

// debianData returns a data folder with the sample advisories.
var debianDataOnce = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(bin, "debian-data")
	records := sampleAdvisories
	if out, err := exec.Command(filepath.Join(bin, "assayd"), "import", records, "--data", dir).CombinedOutput(); err != nil {
		return "", fmt.Errorf("import %s: %w\n%s", records, err, out)
	}
	return dir, nil
})

func debianData(t *testing.T) string {
	dir, err := debianDataOnce()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
