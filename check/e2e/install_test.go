package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"assay/check/testkit"
)

// An installer is install.sh in one shell, with one tool that fetches.
type installer struct {
	t     *testing.T
	shell []string
	path  string // the only folder of PATH
	dir   string // the folder to install into
	env   []string
}

// installers runs test with every shell and tool that this machine has.
func installers(t *testing.T, test func(t *testing.T, i installer, tool string)) {
	t.Helper()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		testkit.Missing(t, "busybox: apt-get install busybox")
	}
	dash, err := exec.LookPath("dash")
	if err != nil {
		testkit.Missing(t, "dash: apt-get install dash")
	}
	for _, tool := range []string{"curl", "wget", "busybox wget"} {
		program := busybox
		if tool != "busybox wget" {
			if program, err = exec.LookPath(tool); err != nil {
				testkit.Missing(t, "%s: apt-get install %s", tool, tool)
			}
		}
		name := strings.TrimPrefix(tool, "busybox ")
		shells := [][]string{{dash}, {busybox, "ash"}}
		if tool == "wget" {
			shells = shells[:1] // ash takes its own before any of PATH
		}
		for _, shell := range shells {
			t.Run(strings.Join(append([]string{filepath.Base(shell[0])}, shell[1:]...), " ")+", "+tool, func(t *testing.T) {
				i := installer{t: t, shell: shell, path: tools(t, "uname", "mkdir", "rm", "mv", "chmod", "tr", "sha256sum"), dir: t.TempDir()}
				link(t, program, filepath.Join(i.path, name))
				test(t, i, tool)
			})
		}
	}
}

// tools makes a folder with these programs of the machine in it.
func tools(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		link(t, path, filepath.Join(dir, name))
	}
	return dir
}

func link(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Symlink(from, to); err != nil {
		t.Fatal(err)
	}
}

func (i installer) command(script string, args ...string) *exec.Cmd {
	i.t.Helper()
	argv := append(append([]string{}, i.shell...), script)
	cmd := exec.CommandContext(i.t.Context(), argv[0], append(argv[1:], args...)...)
	cmd.Env = append([]string{"PATH=" + i.path, "HOME=" + i.t.TempDir()}, i.env...)
	return cmd
}

// fails checks that a run ends with an error and a hint, and leaves the folder as it was.
func (i installer) fails(what, hint string, env ...string) {
	i.t.Helper()
	i.env = append(i.env, env...)
	out, err := i.command(filepath.Join(testkit.Root(i.t), "install.sh"), i.dir).CombinedOutput()
	text := string(out)
	if err == nil {
		i.t.Errorf("no failure:\n%s", text)
	}
	_, said, _ := strings.Cut(text, "install.sh: error: ")
	first, next, _ := strings.Cut(said, "\nhint: ")
	if !strings.Contains(first, what) || !strings.Contains(next, hint) || strings.Count(text, "\n") > 3 {
		i.t.Errorf("want error %q and hint %q:\n%s", what, hint, text)
	}
	i.empty()
}

func (i installer) empty() {
	i.t.Helper()
	entries, err := os.ReadDir(i.dir)
	if err != nil {
		i.t.Fatal(err)
	}
	for _, e := range entries {
		i.t.Errorf("left behind: %s", e.Name())
	}
}

// aProgram is what the service of a test serves as assay.
var aProgram = bytes.Repeat([]byte("program "), 32<<10)

// fileServer serves aProgram; change may answer in its place.
func fileServer(change func(w http.ResponseWriter, path string) bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/linux/"+runtime.GOARCH)
		switch {
		case change != nil && change(w, path):
		case path == "/assay":
			w.Write(aProgram)
		case path == "/assay.sha256":
			fmt.Fprintf(w, "%x  assay\n", sha256.Sum256(aProgram))
		default:
			http.NotFound(w, r)
		}
	}
}

// cutOff promises more than it sends.
func cutOff(w http.ResponseWriter) {
	w.Header().Set("Content-Length", fmt.Sprint(len(aProgram)))
	w.Write(aProgram[:len(aProgram)/2])
	w.(http.Flusher).Flush()
	if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
		conn.Close()
	}
}

func TestInstall(t *testing.T) {
	installers(t, func(t *testing.T, i installer, _ string) {
		srv := httptest.NewServer(fileServer(nil))
		defer srv.Close()
		if err := os.WriteFile(filepath.Join(i.dir, "assay"), []byte("an older one"), 0o644); err != nil {
			t.Fatal(err)
		}
		i.env = []string{"ASSAYD_URL=" + srv.URL + "/"}
		out, err := i.command(filepath.Join(testkit.Root(t), "install.sh"), i.dir).CombinedOutput()
		if err != nil || !strings.Contains(string(out), filepath.Join(i.dir, "assay")) {
			t.Fatalf("%v\n%s", err, out)
		}
		got, err := os.ReadFile(filepath.Join(i.dir, "assay"))
		if err != nil || !bytes.Equal(got, aProgram) {
			t.Errorf("not what was served: %d bytes, %v", len(got), err)
		}
		entries, err := os.ReadDir(i.dir)
		if err != nil || len(entries) != 1 {
			t.Errorf("%v in the folder, %v", entries, err)
		}
		if fi, err := os.Stat(filepath.Join(i.dir, "assay")); err != nil || fi.Mode() != 0o755 {
			t.Errorf("mode %v, %v", fi.Mode(), err)
		}
	})
}

// TestInstallFailures checks that a failure leaves no file, and that the message says
// what is wrong and what to do.
func TestInstallFailures(t *testing.T) {
	wrong := func(body string) func(http.ResponseWriter, string) bool {
		return func(w http.ResponseWriter, path string) bool {
			if path == "/assay.sha256" {
				io.WriteString(w, body)
			}
			return path == "/assay.sha256"
		}
	}
	served := []struct {
		name       string
		change     func(w http.ResponseWriter, path string) bool
		what, hint string
	}{
		{"interrupted", func(w http.ResponseWriter, path string) bool {
			if path == "/assay" {
				cutOff(w)
			}
			return path == "/assay"
		}, "/assay: ", "run it again"},
		{"wrong digest", wrong(strings.Repeat("0", 64) + "  assay\n"), "not " + strings.Repeat("0", 64), "run it again"},
		{"a page", wrong("<html><title>Sign in</title>"), "is not a digest", "proxy"},
		{"a short digest", wrong("0123\n"), "is not a digest", "proxy"},
		{"nothing", wrong(""), "is not a digest", "proxy"},
		{"not served", func(w http.ResponseWriter, _ string) bool {
			w.WriteHeader(http.StatusNotFound)
			return true
		}, "404", "does it serve linux/" + runtime.GOARCH},
	}
	installers(t, func(t *testing.T, i installer, tool string) {
		for _, tt := range served {
			t.Run(tt.name, func(t *testing.T) {
				srv := httptest.NewServer(fileServer(tt.change))
				defer srv.Close()
				i.t = t
				i.fails(tt.what, tt.hint, "ASSAYD_URL="+srv.URL)
			})
		}
		t.Run("nobody listens", func(t *testing.T) {
			i.t = t
			i.fails("fetch http://", "can this machine reach it?", "ASSAYD_URL=http://"+closedAddr(t))
			i.fails("fetch http://", "can this machine reach it?", "ASSAYD_URL=http://127.0.0.1:404")
		})
		t.Run("no such name", func(t *testing.T) {
			i.t = t
			i.fails("assay.invalid", "check the name", "ASSAYD_URL=http://assay.invalid")
		})
		t.Run("no CA store", func(t *testing.T) {
			srv := httptest.NewUnstartedServer(fileServer(nil))
			srv.Config.ErrorLog = log.New(io.Discard, "", 0)
			srv.StartTLS()
			defer srv.Close()
			i.t = t
			switch tool {
			case "busybox wget":
				i.fails("", "", "ASSAYD_URL="+srv.URL)
			case "curl":
				i.fails("fetch https://", "ca-certificates", "ASSAYD_URL="+srv.URL, "CURL_CA_BUNDLE=/nonexistent")
				fallthrough
			default:
				i.fails("fetch https://", "ca-certificates", "ASSAYD_URL="+srv.URL)
			}
		})
		t.Run("full disk", func(t *testing.T) {
			srv := httptest.NewServer(fileServer(nil))
			defer srv.Close()
			i.t, i.dir = t, tmpfs(t, 0, "size=64k")
			i.fails("/assay: ", "full", "ASSAYD_URL="+srv.URL)
		})
		t.Run("read-only", func(t *testing.T) {
			i.t, i.dir = t, tmpfs(t, unix.MS_RDONLY, "size=64k")
			i.fails("cannot be written", "another folder", "ASSAYD_URL=http://127.0.0.1:1")
		})
	})
}

// tmpfs mounts an empty filesystem for a test.
func tmpfs(t *testing.T, flags uintptr, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", flags, options); err != nil {
		testkit.Missing(t, "the right to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestInstallLacksATool(t *testing.T) {
	installers(t, func(t *testing.T, i installer, tool string) {
		if tool != "curl" || len(i.shell) > 1 {
			t.Skip("ash has the tools in it, and which one fetches makes no difference")
		}
		without := func(names ...string) installer {
			i := i
			i.path = tools(t, names...)
			return i
		}
		to := "ASSAYD_URL=http://127.0.0.1:1"
		without("uname", "mkdir", "rm", "tr", "sha256sum").fails("neither curl nor wget", "ADD http://127.0.0.1:1/linux/", to)

		srv := httptest.NewServer(fileServer(nil))
		defer srv.Close()
		without("uname", "mkdir", "rm", "tr", "mv", "chmod", "curl").fails("none of sha256sum, shasum and openssl", "install one", "ASSAYD_URL="+srv.URL)

		other := without("mkdir", "rm", "tr", "sha256sum", "curl")
		if err := os.WriteFile(filepath.Join(other.path, "uname"), []byte("#!/bin/sh\necho Linux riscv64\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		other.fails("no assay for Linux riscv64", "x86_64", to)

		i.fails("has no address of assayd", "ASSAYD_URL")
		i.fails("is not an address", "https://", "ASSAYD_URL=assay.example.com")
		gone := i
		gone.dir = filepath.Join(i.dir, "no")
		out, err := gone.command(filepath.Join(testkit.Root(t), "install.sh"), gone.dir).CombinedOutput()
		if err == nil {
			t.Errorf("a folder that is not there: %s", out)
		}
		i.empty()
	})
}

// TestInstallOtherDigestTools checks that the script works with each of the three tools.
func TestInstallOtherDigestTools(t *testing.T) {
	srv := httptest.NewServer(fileServer(nil))
	defer srv.Close()
	installers(t, func(t *testing.T, i installer, tool string) {
		if tool != "curl" || len(i.shell) > 1 {
			t.Skip("ash has the tools in it, and which one fetches makes no difference")
		}
		for _, digest := range []string{"shasum", "openssl"} {
			i.path = tools(t, "uname", "mkdir", "rm", "mv", "chmod", "tr", "curl", "env", "perl", digest)
			i.env, i.dir = []string{"ASSAYD_URL=" + srv.URL}, t.TempDir()
			out, err := i.command(filepath.Join(testkit.Root(t), "install.sh"), i.dir).CombinedOutput()
			if err != nil {
				t.Errorf("%s: %v\n%s", digest, err, out)
			}
		}
	})
}

// TestInstallInterrupted checks that an interrupted run leaves no file.
func TestInstallInterrupted(t *testing.T) {
	installers(t, func(t *testing.T, i installer, _ string) {
		began, release := make(chan struct{}), make(chan struct{})
		srv := httptest.NewServer(fileServer(func(w http.ResponseWriter, path string) bool {
			if path != "/assay" {
				return false
			}
			w.Header().Set("Content-Length", fmt.Sprint(len(aProgram)))
			w.Write(aProgram[:1000])
			w.(http.Flusher).Flush()
			close(began)
			<-release
			return true
		}))
		defer srv.Close()
		defer close(release)
		i.env = []string{"ASSAYD_URL=" + srv.URL}
		cmd := i.command(filepath.Join(testkit.Root(t), "install.sh"), i.dir)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // as from a terminal: the whole group gets the signal
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-began:
		case err := <-ended:
			t.Fatalf("ended before anything was served: %v", err)
		}
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err == nil {
			t.Error("an interrupted run succeeds")
		}
		i.empty()
	})
}

// TestInstallCutShort checks that a truncated script does nothing.
func TestInstallCutShort(t *testing.T) {
	script, err := os.ReadFile("install.sh")
	if err != nil {
		t.Fatal(err)
	}
	asked := false
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer srv.Close()
	dir := t.TempDir()
	cut := filepath.Join(t.TempDir(), "cut.sh")
	for n, b := range script[:len(script)-len("main \"$@\"\n")] {
		if b != '\n' {
			continue
		}
		if err := os.WriteFile(cut, script[:n], 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sh", cut, dir)
		cmd.Env = append(os.Environ(), "ASSAYD_URL="+srv.URL)
		cmd.Run() // it may complain
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 || asked {
		t.Errorf("%v in the folder, %v; the service was asked: %v", entries, err, asked)
	}
}

// TestInstallServed runs the script that assayd serves, from its real client.
func TestInstallServed(t *testing.T) {
	for _, name := range []string{"curl", "sh"} {
		if _, err := exec.LookPath(name); err != nil {
			testkit.Missing(t, "%v", err)
		}
	}
	clients := t.TempDir()
	link(t, filepath.Join(bin, "assay"), filepath.Join(clients, "assay"))
	link(t, filepath.Join(testkit.Root(t), "install.sh"), filepath.Join(clients, "install.sh"))
	cert, key := selfSigned(t)
	addr := closedAddr(t)
	assayd := exec.Command(filepath.Join(bin, "assayd"), "serve", "--update-every", "0", "--data", t.TempDir(), "--listen", addr,
		"--public-url", "https://"+addr, "--tls-cert", cert, "--tls-key", key, "--ca", cert, "--clients", clients)
	var served bytes.Buffer
	assayd.Stderr = &served
	if err := assayd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		assayd.Process.Signal(os.Interrupt)
		assayd.Wait()
	}()

	dir := t.TempDir()
	install := exec.CommandContext(t.Context(), "sh", "-c",
		`curl -fsS --retry 100 --retry-connrefused --retry-delay 1 --retry-max-time 30 "$1/install.sh" | sh -s -- "$2"`, "sh", "https://"+addr, dir)
	install.Env = append(os.Environ(), "CURL_CA_BUNDLE="+cert, "ASSAYD_URL=http://127.0.0.1:1")
	out, err := install.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "ASSAYD_URL is set and was ignored") {
		t.Fatalf("%v\n%s\n%s", err, out, served.String())
	}
	// What was installed knows the service and its CA, and asks it.
	doctor := exec.CommandContext(t.Context(), filepath.Join(dir, "assay"), "doctor", "--root", t.TempDir(), aToken())
	doctor.Env = []string{}
	text, err := doctor.Output()
	for _, want := range []string{"https://" + addr + ", 1 certificates", "trusted by the slot", "has no data"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("assay doctor: %v, no %q in\n%s", err, want, text)
		}
	}
}

// selfSigned makes a certificate for this machine that is its own authority.
func selfSigned(t *testing.T) (cert, key string) {
	t.Helper()
	c := newCertificate(t, "assay test", time.Now())
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, b := range map[string][]byte{
		cert: c.pem(),
		key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: c.key}),
	} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
