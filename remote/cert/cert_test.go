package cert_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"slices"
	"testing"

	"assay/remote/cert"
)

func certificate(t testing.TB, name string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestParse(t *testing.T) {
	a, b := certificate(t, "a"), certificate(t, "b")
	parameters := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte("x")})
	got, err := cert.Parse(slices.Concat([]byte("# comment\n"), a, parameters, b))
	if err != nil || len(got) != 2 || got[0].Subject.CommonName != "a" || got[1].Subject.CommonName != "b" {
		t.Errorf("%d certificates, %v", len(got), err)
	}
	damaged := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})
	if got, err := cert.Parse(slices.Concat(a, damaged)); err == nil {
		t.Errorf("a bundle with a damaged certificate gives %d", len(got))
	}
	for _, none := range [][]byte{nil, parameters, bytes.TrimSuffix(a, []byte("-----\n"))} {
		if _, err := cert.Parse(none); !errors.Is(err, cert.ErrNone) {
			t.Errorf("%q: %v", none, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(certificate(f, "a"))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, bundle []byte) {
		if certs, err := cert.Parse(bundle); (err == nil) != (len(certs) > 0) {
			t.Errorf("%d certificates, %v", len(certs), err)
		}
	})
}
