package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"assay/check/testkit/assayd"
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

// TestScript runs the scripts in script against the real binaries. Beside the
// commands of testscript there are:
//
//	debian-root DIR           a root with the dpkg database of a Debian 12
//	debian-data DIR           a data folder with advisories of Debian
//	assayd-up DIR FLAG…       start assayd, wait for it, set $SERVER
//	token-for DIR FLAG…       make the token "test", or rotate it, set $TOKEN
//	exit CODE PROGRAM ARG…    run and hold the exit code; output to stdout, stderr
//	tail N TEXT               the last N lines of standard output contain the text
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("check", "e2e", "script"),
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", bin+string(filepath.ListSeparator)+e.Getenv("PATH"))
			e.Setenv("BIN", bin)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"debian-root": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(os.CopyFS(ts.MkAbs(args[0]), os.DirFS(sampleRoot)))
				apt := filepath.Join(ts.MkAbs(args[0]), "etc", "apt")
				ts.Check(os.MkdirAll(apt, 0o755))
				ts.Check(os.WriteFile(filepath.Join(apt, "sources.list"), []byte("deb http://deb.debian.org/debian bookworm main\n"+
					"deb http://deb.debian.org/debian-security bookworm-security main\n"), 0o644))
			},
			"debian-data": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(os.CopyFS(ts.MkAbs(args[0]), os.DirFS(debianData(t))))
			},
			"assayd-up": assaydUp,
			"token-for": func(ts *testscript.TestScript, _ bool, args []string) {
				cmd := exec.Command(filepath.Join(bin, "assayd"), append([]string{"token", "create", "--data", ts.MkAbs(args[0]), "--name", "test", "--rotate"}, args[1:]...)...)
				out, err := cmd.Output()
				ts.Check(err)
				ts.Setenv("TOKEN", strings.TrimSpace(string(out)))
			},
			"exit": exitCode,
			"tail": func(ts *testscript.TestScript, neg bool, args []string) {
				n, err := strconv.Atoi(args[0])
				ts.Check(err)
				lines := strings.Split(strings.TrimRight(ts.ReadFile("stdout"), "\n"), "\n")
				tail := strings.Join(lines[max(0, len(lines)-n):], "\n")
				if strings.Contains(tail, args[1]) == neg {
					ts.Fatalf("the last %d lines: contains %q is %v:\n%s", n, args[1], !neg, tail)
				}
			},
		},
	})
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

func assaydUp(ts *testscript.TestScript, _ bool, args []string) {
	s, err := assayd.Config{Binary: filepath.Join(bin, "assayd"), Data: ts.MkAbs(args[0]), Flags: args[1:]}.Serve(context.Background())
	ts.Check(err)
	ts.Defer(func() {
		ts.Check(s.Close())
		if token := ts.Getenv("TOKEN"); token != "" && strings.Contains(s.Log(), token) {
			ts.Fatalf("the token stands in assayd's log")
		}
	})
	ts.Setenv("SERVER", s.URL)
}

func exitCode(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}
