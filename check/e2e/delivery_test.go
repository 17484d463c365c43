package e2e

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/remote/slot"
)

// A process is a run of a program that has ended.
type process struct {
	code           int
	stdout, stderr string
}

// runClient runs a client and returns how it ended.
func runClient(t *testing.T, cmd *exec.Cmd) process {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	p := process{stdout: stdout.String(), stderr: stderr.String()}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		p.code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return p
}

// filled writes a client with its slot filled in, and returns its path.
func filled(t *testing.T, p slot.Payload) string {
	t.Helper()
	program, err := os.ReadFile(filepath.Join(bin, "assay"))
	if err != nil {
		t.Fatal(err)
	}
	if program, err = slot.Fill(program, p); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "assay")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// passes and fails are verdicts on the packages of oneRoot.
const (
	passes = `{"version":1,"scan":"abc","decision":{"outcome":"pass","code":0,"reasons":[{"rule":"clean","text":"x"}]},` +
		`"counts":{"packages":1,"evaluated":1},"evaluated":[{"part":"language","type":"pypi","packages":1,"evaluated":1,"state":"evaluated"}],` +
		`"options":{"fail_on":"high","unrated":"high"},"data":{"records":1}}`
	fails = `{"version":1,"scan":"abc","decision":{"outcome":"fail","code":4,"reasons":[{"rule":"severity","text":"x"}]},` +
		`"findings":[{"id":"CVE-2024-1","fails":true,"rule":"severity","severity":"high","package":{"name":"idna"}}],` +
		`"counts":{"packages":1,"evaluated":1,"findings":1,"failing":1,"by_severity":{"high":1}},` +
		`"evaluated":[{"part":"language","type":"pypi","packages":1,"evaluated":1,"state":"evaluated"}],"data":{"records":1}}`
)

// oneRoot makes a root with one package.
func oneRoot(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "srv", "idna-3.3.dist-info")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "METADATA"), []byte("Metadata-Version: 2.1\nName: idna\nVersion: 3.3\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return root
}

// A trap is a proxy that reads what is sent through it: it ends TLS itself, with
// a certificate of its own.
type trap struct {
	*httptest.Server
	cert   certificate
	asked  atomic.Int32
	tokens atomic.Int32
}

func newTrap(t *testing.T) *trap {
	t.Helper()
	p := &trap{cert: newCertificate(t, "trap", time.Now())}
	read := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			p.tokens.Add(1)
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, passes)
	})
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		if r.Method != http.MethodConnect {
			read(w, r)
			return
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Fprint(conn, "HTTP/1.1 200 OK\r\n\r\n")
		srv := &http.Server{Handler: read, ErrorLog: log.New(io.Discard, "", 0)}
		srv.Serve(&oneConn{conn: tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{p.cert.pair}})})
	}))
	t.Cleanup(p.Close)
	return p
}

// oneConn listens for one connection, which is there already.
type oneConn struct{ conn net.Conn }

func (l *oneConn) Accept() (net.Conn, error) {
	if l.conn == nil {
		return nil, net.ErrClosed
	}
	c := l.conn
	l.conn = nil
	return c, nil
}
func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// TestNoVariableSendsTheTokenElsewhere checks that no variable that a base image can set
// lets anyone but the service read the token, and that ignored variables are named.
func TestNoVariableSendsTheTokenElsewhere(t *testing.T) {
	ca := filepath.Join(t.TempDir(), "trap.pem")
	p := newTrap(t)
	if err := os.WriteFile(ca, p.cert.pem(), 0o644); err != nil {
		t.Fatal(err)
	}
	const server = "https://assay.test"
	own := newCertificate(t, "the service's own", time.Now())
	client := filled(t, slot.Payload{Server: server, CA: string(own.pem())})
	env := []string{
		"ASSAY_SERVER=" + p.URL, "ASSAY_CACERT=" + ca, "ASSAY_NO_VERIFY=true",
		"SSL_CERT_FILE=" + ca, "SSL_CERT_DIR=" + filepath.Dir(ca),
		"HTTPS_PROXY=" + p.URL, "HTTP_PROXY=" + p.URL, "ALL_PROXY=" + p.URL,
	}
	scan := func(client string, env []string, args ...string) process {
		cmd := exec.CommandContext(t.Context(), client, append([]string{"--root", oneRoot(t), "--timeout", "10s", aToken()}, args...)...)
		cmd.Env = env
		return runClient(t, cmd)
	}
	for _, quiet := range []string{"", "ASSAY_QUIET=true"} {
		got := scan(client, append(env, quiet))
		if got.code != 1 || !strings.Contains(got.stderr, "unknown authority") || !strings.Contains(got.stderr, "--cacert") {
			t.Errorf("exit code %d\n%s", got.code, got.stderr)
		}
		for _, name := range []string{"ASSAY_SERVER", "ASSAY_CACERT", "ASSAY_NO_VERIFY", "SSL_CERT_FILE", "SSL_CERT_DIR"} {
			if !strings.Contains(got.stderr, "note: "+name+" is set and was ignored") {
				t.Errorf("%s %s is not named:\n%s", quiet, name, got.stderr)
			}
		}
	}
	// The same where a flag names the service.
	got := scan(filepath.Join(bin, "assay"), env, "--server", server)
	if got.code != 1 || !strings.Contains(got.stderr, "note: ASSAY_CACERT is set and was ignored") {
		t.Errorf("exit code %d\n%s", got.code, got.stderr)
	}
	if p.asked.Load() == 0 || p.tokens.Load() != 0 {
		t.Errorf("the proxy was asked %d times and saw %d tokens", p.asked.Load(), p.tokens.Load())
	}
	// This shows that the trap works: with the user's own --cacert the proxy reads the
	// token.
	if got := scan(client, env, "--cacert", ca); got.code != 0 || p.tokens.Load() != 1 {
		t.Errorf("with --cacert: exit code %d, %d tokens\n%s", got.code, p.tokens.Load(), got.stderr)
	}
}

// TestNoProxyWithoutTLS checks that a service without TLS is asked without a proxy.
func TestNoProxyWithoutTLS(t *testing.T) {
	p := newTrap(t)
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "assay"), "--server", "http://assay.test:1", "--root", t.TempDir(), "--timeout", "3s", aToken())
	cmd.Env = []string{"HTTP_PROXY=" + p.URL, "http_proxy=" + p.URL}
	got := runClient(t, cmd)
	if got.code != 1 || !strings.Contains(got.stderr, "note: HTTP_PROXY is set and was ignored") || p.asked.Load() != 0 {
		t.Errorf("exit code %d, the proxy was asked %d times\n%s", got.code, p.asked.Load(), got.stderr)
	}
}

// TestNoVariablePassesWhatWasNotScanned checks that a base image cannot make a scan fail
// early if the build would then go on without one.
func TestNoVariablePassesWhatWasNotScanned(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, fails)
	}))
	defer srv.Close()
	client := filled(t, slot.Payload{Server: srv.URL})
	cmd := exec.CommandContext(t.Context(), client, "--root", oneRoot(t), "--on-error", "warn", aToken())
	cmd.Env = []string{"ASSAY_TIMEOUT=1ns", "ASSAY_ON_ERROR=warn"}
	if got := runClient(t, cmd); got.code != 4 || !strings.Contains(got.stderr, "ASSAY_TIMEOUT is set and was ignored") {
		t.Errorf("exit code %d\n%s", got.code, got.stderr)
	}
}

// TestOtherVersion checks that a client logs it if the service has another version.
func TestOtherVersion(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Assay-Version", "0.7.2")
		io.WriteString(w, passes)
	}))
	defer srv.Close()
	got := runClient(t, exec.CommandContext(t.Context(), filepath.Join(bin, "assay"), "--server", srv.URL, "--root", oneRoot(t), aToken()))
	if got.code != 0 || !strings.Contains(got.stderr, "note: this is assay 0.0.0-test and the service is 0.7.2; download assay from the service again") {
		t.Errorf("exit code %d\n%s", got.code, got.stderr)
	}
}

// TestScratch runs the client where nothing else is, as a user that may not
// read it: no /proc, no /etc, no /tmp, no shell.
func TestScratch(t *testing.T) {
	if os.Getuid() != 0 {
		testkit.Missing(t, "root, to change the root")
	}
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	root := t.TempDir()
	if err := os.Rename(filled(t, slot.Payload{Server: srv.URL, Fresh: "now"}), filepath.Join(root, "assay")); err != nil {
		t.Fatal(err)
	}
	token := filepath.Join(root, "token")
	if err := os.WriteFile(token, []byte(aToken()), 0o400); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{root, filepath.Join(root, "assay")} {
		if err := os.Chmod(path, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) process {
		cmd := exec.CommandContext(t.Context(), "/assay", args...)
		cmd.Env, cmd.Dir = []string{}, "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		return runClient(t, cmd)
	}
	got := run("slot", "--show")
	for _, want := range []string{"server  " + srv.URL, "fresh   now", "sha256  unknown"} {
		if got.code != 0 || !strings.Contains(got.stdout, want) {
			t.Errorf("slot --show: exit code %d, no %q in\n%s%s", got.code, want, got.stdout, got.stderr)
		}
	}
	got = run("doctor", aToken())
	for _, want := range []string{
		srv.URL + ", from the slot", "uid 65534, gid 65534", "unknown without /proc", "builder   unknown",
		"packages  none", "connect   127.0.0.1", "there is no assayd at",
	} {
		if got.code != 1 || !strings.Contains(got.stdout, want) {
			t.Errorf("doctor: exit code %d, no %q in\n%s%s", got.code, want, got.stdout, got.stderr)
		}
	}
	// A secret that only root can read.
	got = run("--token-file", "/token")
	if got.code != 2 || !strings.Contains(got.stderr, "mode=0444") {
		t.Errorf("exit code %d\n%s", got.code, got.stderr)
	}
}

// TestNoNetwork checks the message in a build with --network none.
func TestNoNetwork(t *testing.T) {
	if os.Getuid() != 0 {
		testkit.Missing(t, "root, to leave the network")
	}
	for server, says := range map[string]string{
		"http://assay.example.com": "--network none",
		"http://192.0.2.1":         "--network none",
	} {
		cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "assay"), "--server", server, "--root", t.TempDir(), "--timeout", "2s", aToken())
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNET}
		if got := runClient(t, cmd); got.code != 1 || !strings.Contains(got.stderr, says) {
			t.Errorf("%s: exit code %d\n%s", server, got.code, got.stderr)
		}
	}
}

// TestArm64 runs the client of the other architecture in an emulator.
func TestArm64(t *testing.T) {
	if runtime.GOARCH == "arm64" {
		t.Skip("every other test is of arm64")
	}
	qemu, err := exec.LookPath("qemu-aarch64-static")
	if err != nil {
		testkit.Missing(t, "qemu-aarch64-static: apt-get install qemu-user-static")
	}
	path := filepath.Join(t.TempDir(), "assay")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-tags", "urfave_cli_no_docs",
		"-ldflags", "-s -w -X main.version=0.0.0-test", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH=arm64")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if program, err = slot.Fill(program, slot.Payload{Server: "https://assay.example.com", Fresh: "today"}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	native := runClient(t, exec.CommandContext(t.Context(), filepath.Join(bin, "assay"), "inventory", "--root", sampleRoot))
	for _, tt := range []struct {
		args  []string
		wants []string
	}{
		{[]string{"--version"}, []string{"0.0.0-test"}},
		{[]string{"slot", "--show"}, []string{"server  https://assay.example.com\n", "fresh   today\n"}},
		{[]string{"inventory", "--root", sampleRoot}, []string{native.stdout, "pkg:deb/debian/bash@5.2.15-2"}},
	} {
		got := runClient(t, exec.CommandContext(t.Context(), qemu, append([]string{path}, tt.args...)...))
		for _, want := range tt.wants {
			if got.code != 0 || !strings.Contains(got.stdout, want) {
				t.Errorf("%v: exit code %d, no %.80q in\n%.500s%s", tt.args, got.code, want, got.stdout, got.stderr)
			}
		}
	}
}

// TestPrivacyExample checks that the example in docs/privacy.md is what assay sends.
func TestPrivacyExample(t *testing.T) {
	doc, err := os.ReadFile("docs/privacy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(doc), "```json\n")
	shown, _, found := strings.Cut(shown, "```\n")
	if !found {
		t.Fatal("no example in docs/privacy.md")
	}
	root := t.TempDir()
	for path, text := range map[string]string{
		"etc/os-release": "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n",
		"var/lib/dpkg/status": "Package: libc6\nStatus: install ok installed\nMaintainer: GNU Libc Maintainers <debian-glibc@lists.debian.org>\n" +
			"Architecture: amd64\nSource: glibc\nVersion: 2.36-9+deb12u4\nDescription: GNU C Library: Shared libraries\n",
		"etc/apt/sources.list": "deb https://user:hunter2@apt.example.com/debian bookworm main\n" +
			"deb https://user:hunter2@apt.example.com/debian-security bookworm-security main\n",
		"srv/app.env": "password=hunter2\n",
	} {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sent := runClient(t, exec.CommandContext(t.Context(), filepath.Join(bin, "assay"), "inventory", "--root", root))
	var pretty bytes.Buffer
	// On standard output, which may be a log, the colon is escaped.
	text := strings.ReplaceAll(strings.TrimSpace(sent.stdout), `"assay\u003a`, `"assay:`)
	if err := json.Indent(&pretty, []byte(text), "", "  "); err != nil {
		t.Fatalf("%v\n%s", err, sent.stderr)
	}
	if want := strings.Replace(pretty.String(), "0.0.0-test", "0.1.0", 1) + "\n"; shown != want {
		t.Errorf("docs/privacy.md shows\n%s\nand this is sent:\n%s", shown, want)
	}
}
