package httpserver

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A server that shuts down fails its readiness probe, and finishes running requests.
func TestDrain(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + ln.Addr().String()
	started, release := make(chan struct{}), make(chan struct{})
	front := &Front{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	s := &Listener{Front: front, Log: slog.New(slog.DiscardHandler)}
	go func() { ended <- s.Serve(ctx, ln) }()
	if resp, err := http.Get(url + "/api/v1/scans"); err != nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("before it is ready: %v, %v", resp, err)
	}
	front.Ready(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(started)
		<-release
		w.WriteHeader(http.StatusTeapot)
	}))
	answer := make(chan int, 1)
	go func() {
		resp, err := http.Get(url + "/scan")
		if err != nil {
			t.Error(err)
			answer <- 0
			return
		}
		resp.Body.Close()
		answer <- resp.StatusCode
	}()
	<-started
	cancel()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			break
		}
		conn.Close()
		if time.Now().After(deadline) {
			t.Fatal("new connections are still taken")
		}
	}
	select {
	case err := <-ended:
		t.Fatalf("it ended while a request ran: %v", err)
	default:
	}
	close(release)
	if got := <-answer; got != http.StatusTeapot {
		t.Errorf("the request that ran got %d", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// writeCertificate writes a certificate with a name of its own and its key.
func writeCertificate(t *testing.T, certFile, keyFile, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	err = errors.Join(err,
		os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
}

// A certificate that was replaced is served without a restart, and files that cannot
// be read leave the one from before.
func TestCertificate(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	var log bytes.Buffer
	if _, err := NewCertificate(certFile, keyFile, slog.New(slog.NewTextHandler(&log, nil))); err == nil {
		t.Error("there are no files")
	}
	writeCertificate(t, certFile, keyFile, "first")
	c, err := NewCertificate(certFile, keyFile, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	name := func() string {
		c.looked = time.Time{}
		pair, err := c.Get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return pair.Leaf.Subject.CommonName
	}
	if got := name(); got != "first" {
		t.Error(got)
	}
	later := time.Now().Add(time.Minute)
	if err := errors.Join(os.WriteFile(certFile, []byte("half"), 0o600), os.Chtimes(certFile, later, later)); err != nil {
		t.Fatal(err)
	}
	if got := name(); got != "first" || !strings.Contains(log.String(), "is still served") {
		t.Errorf("%s, %s", got, &log)
	}
	writeCertificate(t, certFile, keyFile, "second")
	later = later.Add(time.Minute)
	if err := os.Chtimes(certFile, later, later); err != nil {
		t.Fatal(err)
	}
	if got := name(); got != "second" {
		t.Error(got)
	}
}
