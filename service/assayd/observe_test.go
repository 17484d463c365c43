package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"strings"
	"testing"
	"time"

	"assay/service/acme"
)

// An expired certificate is logged once a minute, and one for an ACME challenge never.
func TestExpiredCertificate(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	ends := now.Add(time.Minute)
	var log bytes.Buffer
	s := &servedCertificate{log: slog.New(slog.NewTextHandler(&log, nil)), now: func() time.Time { return now }}
	get := s.watch(func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return &tls.Certificate{Leaf: &x509.Certificate{NotAfter: ends}}, nil
	})
	serve := func(protocols ...string) {
		t.Helper()
		if _, err := get(&tls.ClientHelloInfo{SupportedProtos: protocols}); err != nil {
			t.Fatal(err)
		}
	}
	serve(acme.Protocol)
	if !s.ends().IsZero() {
		t.Errorf("a challenge: %v", s.ends())
	}
	serve("h2")
	if !s.ends().Equal(ends) || log.Len() > 0 {
		t.Errorf("a valid certificate: %v, %s", s.ends(), &log)
	}
	for want := range 3 {
		now = now.Add(2 * time.Minute)
		serve("h2")
		serve("h2")
		if n := strings.Count(log.String(), "the certificate has expired"); n != want+1 {
			t.Errorf("%d lines after %d minutes:\n%s", n, 2*want+2, &log)
		}
	}
}
