package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"assay/check/testkit"
	server "assay/check/testkit/assayd"
	"assay/cli"
	"assay/cli/environ"
)

// scriptVersion is the version of both programs in the scripts.
const scriptVersion = "0.0.0-test"

// TestMain runs the tests, or one of the programs if it is started under its name: the
// scripts start this test binary, so that its coverage includes them.
func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){
		"assay": func() {
			coverage := os.Getenv("GOCOVERDIR")
			vars := environ.Take()
			if coverage != "" {
				os.Setenv("GOCOVERDIR", coverage) // read again at the exit
			}
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			code := cli.Run(ctx, cli.Env{
				Args:      os.Args,
				LookupEnv: vars.Lookup,
				Environ:   vars.Environ,
				Stdout:    os.Stdout,
				Stderr:    os.Stderr,
				Now:       time.Now,
				Version:   scriptVersion,
			})
			stop()
			os.Exit(code)
		},
		"assayd": func() {
			version = scriptVersion
			main()
		},
	})
}

// tests runs the tests with the database server that they share.
type tests struct{ m *testing.M }

func (t tests) Run() int {
	// The programs write their coverage where the tests write theirs.
	flag.Parse()
	if dir := flag.Lookup("test.gocoverdir").Value.String(); dir != "" {
		if err := os.Setenv("GOCOVERDIR", dir); err != nil {
			panic(err)
		}
	}
	return shared.Main(t.m)
}

// TestScript runs the scripts in testdata/script with the project's sample: the dpkg
// database of a Debian 12, and advisories of which some match it. These commands are
// added to those of testscript:
//
//	debian-root DIR           make a root with the dpkg database
//	debian-data DIR           make a data folder with the advisories
//	assayd-up DIR FLAG…       start assayd, wait for it, set $SERVER
//	token-for DIR FLAG…       replace the token "test", set $TOKEN
//	exit CODE PROGRAM ARG…    run the program and require the exit code
//	save-image FILE NAME DIR… make an archive as docker save does; each folder is a layer,
//	                          whose command is the content of the file DIR.cmd
//	post-image FILE QUERY STATUS  post an archive with $TOKEN to $SERVER; the answer goes to
//	                          standard output
//	findings FILE FILE        require the same findings in two verdicts, but for the layers
//	get URL [FILE]            get the address with $TOKEN; 200 goes to standard output or the file
//	tail N TEXT               require the text in the last N lines of standard output
//
// $BIN is a folder with the programs as a release has them. assayd serves the client
// from there.
func TestScript(t *testing.T) {
	root := testkit.Root(t)
	sample := filepath.Join(root, "testdata", "sample")
	bin := t.TempDir()
	for out, pkg := range map[string]string{"assay": ".", "assayd": "./service/assayd"} {
		cmd := exec.Command("go", "build", "-trimpath", "-tags", "urfave_cli_no_docs",
			"-ldflags", "-s -w -X main.version="+scriptVersion, "-o", filepath.Join(bin, out), pkg)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if b, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", out, err, b)
		}
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(e *testscript.Env) error {
			e.Setenv("BIN", bin)
			e.Setenv("GOARCH", runtime.GOARCH)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"debian-root": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(os.CopyFS(ts.MkAbs(args[0]), os.DirFS(filepath.Join(sample, "root"))))
				apt := filepath.Join(ts.MkAbs(args[0]), "etc", "apt")
				ts.Check(os.MkdirAll(apt, 0o755))
				ts.Check(os.WriteFile(filepath.Join(apt, "sources.list"), []byte("deb http://deb.debian.org/debian bookworm main\n"+
					"deb http://deb.debian.org/debian-security bookworm-security main\n"), 0o644))
			},
			"debian-data": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(ts.Exec("assayd", "import", filepath.Join(sample, "advisories"), "--data", ts.MkAbs(args[0])))
			},
			"assayd-up": func(ts *testscript.TestScript, _ bool, args []string) { assaydUp(ts, bin, args) },
			"token-for": func(ts *testscript.TestScript, _ bool, args []string) {
				data := ts.MkAbs(args[0])
				_ = ts.Exec("assayd", "token", "revoke", "--data", data, "test") // there may be none
				ts.Check(ts.Exec("assayd", append([]string{"token", "create", "--data", data, "--name", "test"}, args[1:]...)...))
				ts.Setenv("TOKEN", strings.TrimSpace(ts.ReadFile("stdout")))
			},
			"exit":       exitCode,
			"get":        get,
			"save-image": saveImage,
			"post-image": postImage,
			"findings":   sameFindings,
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

// get fails unless the answer is 200. The file can be executed.
func get(ts *testscript.TestScript, neg bool, args []string) {
	req, err := http.NewRequest(http.MethodGet, args[0], nil)
	ts.Check(err)
	if token := ts.Getenv("TOKEN"); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if ok := resp.StatusCode == http.StatusOK; ok == neg {
		ts.Fatalf("%s: %s\n%s", args[0], resp.Status, body)
	}
	if len(args) < 2 {
		_, err = ts.Stdout().Write(body)
		ts.Check(err)
		return
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), body, 0o755))
}

func assaydUp(ts *testscript.TestScript, clients string, args []string) {
	program, err := exec.LookPath("assayd") // testscript.Main put it there
	ts.Check(err)
	config := server.Config{Binary: program, Data: ts.MkAbs(args[0]), Clients: clients, Flags: args[1:]}
	s, err := config.Serve(context.Background())
	ts.Check(err)
	ts.Defer(func() {
		ts.Check(s.Close())
		if token := ts.Getenv("TOKEN"); token != "" && strings.Contains(s.Log(), token) {
			ts.Fatalf("the log of assayd contains the token")
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
