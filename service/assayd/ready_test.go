package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A service manager is notified when assayd answers and when it stops, and ready reports
// what a client sees.
func TestReadyAndNotify(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "notify")
	ln, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	now := time.Now()
	cert, key := writeCertificate(t, dir, "a", now)

	var log bytes.Buffer
	ended := make(chan struct{})
	received := make(chan string)
	go func() {
		for b := make([]byte, 1024); ; {
			n, err := ln.Read(b)
			if err != nil {
				return
			}
			received <- string(b[:n])
		}
	}()
	next := func() string {
		t.Helper()
		select {
		case state := <-received:
			return state
		case <-ended:
			t.Fatalf("assayd ended:\n%s", &log)
			return ""
		}
	}
	ready := func(want string) {
		t.Helper()
		err := (&daemon{now: time.Now}).run(t.Context(), []string{"assayd", "ready", "--data", dir})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("ready: %v, want %q", err, want)
		}
	}

	ready("has not served")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var serveErr error
	go func() {
		defer close(ended)
		d := &daemon{stdout: &log, stderr: &log, now: func() time.Time { return now }}
		serveErr = d.run(ctx, []string{"assayd", "serve", "--data", dir, "--listen", "[::]:0", "--clients", dir, "--update-every", "0",
			"--public-url", "https://assay.example.com", "--tls-cert", cert, "--tls-key", key})
	}()
	if got, want := next(), "READY=1\nSTATUS=serving https://assay.example.com"; got != want {
		t.Errorf("notified of %q, want %q", got, want)
	}
	ready("")
	cancel()
	if got := <-received; got != "STOPPING=1" {
		t.Errorf("notified of %q, want STOPPING=1", got)
	}
	<-ended
	if serveErr != nil {
		t.Errorf("serve: %v\n%s", serveErr, &log)
	}
	ready("connection refused")
}

// Without root certificates of the system assayd trusts the public authorities.
func TestFallbackRoots(t *testing.T) {
	const child = "ASSAYD_TEST_FALLBACK_ROOTS"
	if os.Getenv(child) == "" {
		cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), child+"=1", "SSL_CERT_FILE=/nonexistent", "SSL_CERT_DIR=/nonexistent")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	fallbackRoots()
	pool, err := x509.SystemCertPool()
	if err != nil || pool.Equal(x509.NewCertPool()) {
		t.Errorf("no roots: %v", err)
	}
}
