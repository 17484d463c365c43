package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// root makes a certificate in PEM.
func root(t *testing.T, ca bool, issuer string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "assay"}, IsCA: ca, BasicConstraintsValid: true,
		NotBefore: time.Now(), NotAfter: time.Now().AddDate(1, 0, 0),
	}
	parent := *template
	parent.Subject.CommonName = issuer
	der, err := x509.CreateCertificate(rand.Reader, template, &parent, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestAuthorities(t *testing.T) {
	ca := root(t, true, "assay")
	own := root(t, false, "assay") // self-signed, as openssl req -x509 may make one
	text := "subject=CN = assay\nsecret remark\n" + string(ca) + "\n# end\n" + string(own)
	got, err := authorities([]byte(text))
	if want := string(ca) + string(own); err != nil || got != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: []byte("key")})
	damaged := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})
	for what, text := range map[string][]byte{
		"private key":                        bytes.Join([][]byte{ca, key}, nil),
		"no certificate":                     []byte("MIIB"),
		"read the certificates":              damaged,
		"is not the certificate of a certif": root(t, false, "another"),
	} {
		if got, err := authorities(text); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("want %q: %q, %v", what, got, err)
		}
	}
}

// TestServeRefusesTheCA checks that assayd reports a CA that does not fit into a client
// when it starts, before it opens the store.
func TestServeRefusesTheCA(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	bundle := bytes.Repeat(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 5)
	if err := os.WriteFile(ca, bundle, 0o644); err != nil {
		t.Fatal(err)
	}
	d := &daemon{stdout: io.Discard, stderr: io.Discard, now: time.Now}
	data := filepath.Join(dir, "data")
	err = d.run(t.Context(), []string{"assayd", "serve", "--public-url", "https://a", "--data", data, "--clients", dir, "--ca", ca})
	h, ok := err.(interface{ Hint() string })
	if !ok || !strings.Contains(err.Error(), "bytes more than a client has room for") || !strings.Contains(h.Hint(), "one root") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(data); err == nil {
		t.Error("the store was opened")
	}
}
