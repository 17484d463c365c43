package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
