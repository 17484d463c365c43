package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/service/store"
	"assay/service/store/sqlite"
)

// A service that fails to start does not log that it is serving.
func TestServingIsLoggedLast(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	cert, _ := writeCertificate(t, dir, "a", now)
	_, otherKey := writeCertificate(t, dir, "b", now)
	var log bytes.Buffer
	d := &daemon{stdout: &log, stderr: &log, now: func() time.Time { return now }}
	err := d.run(t.Context(), []string{"assayd", "serve", "--data", dir, "--listen", "127.0.0.1:0", "--clients", dir,
		"--public-url", "https://assay.example.com", "--tls-cert", cert, "--tls-key", otherKey})
	if err == nil || !strings.Contains(err.Error(), "private key does not match") || strings.Contains(log.String(), "serving") {
		t.Errorf("%v\n%s", err, &log)
	}
}

// writeCertificate writes a certificate and its key to two files.
func writeCertificate(t *testing.T, dir, name string, now time.Time) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	err = errors.Join(
		os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return certFile, keyFile
}

// With a clock that is far ahead, assayd says that the data is too old, and removes no
// scan.
func TestClockAhead(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	run := func(done []string, args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		log := &endingLog{done: done, end: cancel}
		d := &daemon{stdout: log, stderr: log, now: func() time.Time { return now }}
		if err := d.run(ctx, append([]string{"assayd"}, append(args, "--data", dir)...)); err != nil {
			t.Fatalf("%v\n%s", err, log)
		}
		return log.String()
	}
	run(nil, "import", filepath.Join("..", "..", "testdata", "sample", "advisories"))
	serve := []string{"serve", "--listen", "127.0.0.1:0", "--clients", dir, "--public-url", "http://127.0.0.1", "--update-every", "0"}
	st, err := sqlite.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if _, err := st.KeepScan(t.Context(), store.Scan{ID: "abcdefghijklmnop", At: now, Request: []byte("{}"), Verdict: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	if err := st.NotePrune(t.Context(), store.LastPrune{At: now, Keep: store.DefaultKeep}); err != nil {
		t.Fatal(err)
	}
	now = now.AddDate(3, 0, 0)
	lines := []string{"the clock may be wrong", "scans that need old data end with code 5"}
	if log := run(lines, serve...); !contains(log, lines) {
		t.Errorf("the log lacks one of %q:\n%s", lines, log)
	}
	if list, err := st.ListScans(t.Context(), 9); err != nil || len(list) != 1 {
		t.Errorf("%d scans are left, %v", len(list), err)
	}
	if out := run(nil, "prune", "--keep", "90d"); !strings.Contains(out, "1 scans") {
		t.Errorf("prune by hand: %s", out)
	}
}

// An endingLog calls end once it contains all of done.
type endingLog struct {
	mu   sync.Mutex
	text bytes.Buffer
	done []string
	end  func()
}

func contains(text string, all []string) bool {
	return !slices.ContainsFunc(all, func(part string) bool { return !strings.Contains(text, part) })
}

func (l *endingLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.text.Write(p)
	if len(l.done) > 0 && contains(l.text.String(), l.done) {
		l.end()
	}
	return n, err
}

func (l *endingLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
