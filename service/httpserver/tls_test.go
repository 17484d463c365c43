package httpserver

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// An issuer signs certificates; its own is cert.
type issuer struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string
}

// issue makes a certificate, by itself where i has none, and writes it as name.pem
// and name.key.
func (i issuer) issue(name string, change func(*x509.Certificate)) issuer {
	i.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		i.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: certNow.Add(-time.Hour), NotAfter: certNow.AddDate(0, 0, 90),
		BasicConstraintsValid: true, DNSNames: []string{"assay.example.com"},
	}
	change(template)
	parent, signer := i.cert, i.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		i.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		i.t.Fatal(err)
	}
	i.write(name+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	i.write(name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		i.t.Fatal(err)
	}
	return issuer{i.t, cert, key, i.dir}
}

func (i issuer) write(name string, b []byte) {
	i.t.Helper()
	if err := os.WriteFile(filepath.Join(i.dir, name), b, 0o600); err != nil {
		i.t.Fatal(err)
	}
}

var certNow = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// Each mistake in the TLS setup is reported when the service starts.
func TestTLSMistakes(t *testing.T) {
	authority := func(c *x509.Certificate) { c.IsCA, c.DNSNames = true, nil }
	dir := t.TempDir()
	self := issuer{t: t, dir: dir}
	root := self.issue("root", authority)
	self.issue("other", authority)
	between := root.issue("between", authority)
	leaf := between.issue("leaf", func(*x509.Certificate) {})
	chain := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.cert.Raw}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: between.cert.Raw})...)
	leaf.write("chain.pem", chain)
	root.issue("good", func(*x509.Certificate) {})
	root.issue("old", func(c *x509.Certificate) { c.NotAfter = certNow.Add(-time.Minute) })
	root.issue("new", func(c *x509.Certificate) { c.NotBefore = certNow.Add(time.Minute) })
	root.issue("elsewhere", func(c *x509.Certificate) { c.DNSNames = []string{"*.example.org"} })
	root.issue("client", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	self.write("text.pem", []byte("no certificate"))

	const https = "https://assay.example.com:8443/a"
	for _, tt := range []struct {
		name, cert, key, ca, public string
		fails, warns                string
	}{
		{name: "no TLS", public: "https://assay.example.com"},
		{name: "all is well", cert: "good.pem", key: "good.key", ca: "root.pem", public: https},
		{name: "with its chain", cert: "chain.pem", key: "leaf.key", ca: "root.pem", public: https},
		{name: "an address without TLS", cert: "good.pem", key: "good.key", ca: "root.pem", public: "http://assay.example.com", fails: `"http://assay.example.com" is not https, but the service uses TLS`},
		{name: "expired", cert: "old.pem", key: "old.key", ca: "root.pem", public: https, fails: "expired on 2026-11-24"},
		{name: "not yet valid", cert: "new.pem", key: "new.key", ca: "root.pem", public: https, fails: "not valid before 2026-11-24T12:01:00Z"},
		{name: "the key of another", cert: "good.pem", key: "old.key", ca: "root.pem", public: https, fails: "private key does not match"},
		{name: "no certificate", cert: "text.pem", key: "good.key", public: https, fails: "failed to find any PEM data"},
		{name: "no such file", cert: "none.pem", key: "good.key", public: https, fails: "no such file"},
		{name: "another host", cert: "elsewhere.pem", key: "elsewhere.key", ca: "root.pem", public: https, warns: "not valid for the host of --public-url"},
		{name: "a private authority", cert: "good.pem", key: "good.key", public: https, warns: "--ca FILE"},
		{name: "another authority", cert: "good.pem", key: "good.key", ca: "other.pem", public: https, warns: "neither by a public authority nor by --ca"},
		{name: "a chain that is not whole", cert: "leaf.pem", key: "leaf.key", ca: "root.pem", public: https, warns: "has the certificates between"},
		{name: "for another use", cert: "client.pem", key: "client.key", ca: "root.pem", public: https, warns: "clients reject the certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := func(name string) string {
				if name == "" {
					return ""
				}
				return filepath.Join(dir, name)
			}
			var log bytes.Buffer
			err := TLSSetup{in(tt.cert), in(tt.key), in(tt.ca), tt.public}.Check(slog.New(slog.NewTextHandler(&log, nil)), certNow)
			if (err != nil) != (tt.fails != "") || err != nil && !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("error %v, want %q", err, tt.fails)
			}
			if (log.Len() > 0) != (tt.warns != "") || !strings.Contains(log.String(), tt.warns) || strings.Count(log.String(), "\n") > 1 {
				t.Errorf("log %s, want %q", &log, tt.warns)
			}
		})
	}
}
