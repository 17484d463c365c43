package httpserver

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"

	"assay/verdict/hint"
)

// A TLSSetup is the TLS configuration of the service.
type TLSSetup struct {
	CertFile, KeyFile string // empty: no TLS
	CAFile            string // a root that the served clients trust in addition to the public ones
	PublicURL         string // the address of the service
}

// Check looks for mistakes that would otherwise show only in a build. It returns an
// error for what can never work. It logs what works in some setups, for example with
// a proxy in front that has another certificate.
func (s TLSSetup) Check(log *slog.Logger, now time.Time) error {
	if s.CertFile == "" {
		return nil
	}
	public, err := url.Parse(s.PublicURL)
	if err != nil {
		return err
	}
	if public.Scheme != "https" {
		return hint.Errorf("use --public-url https://…, or leave out --tls-cert and --tls-key",
			"--public-url %q is not https, but the service uses TLS", s.PublicURL)
	}
	pair, err := tls.LoadX509KeyPair(s.CertFile, s.KeyFile)
	if err != nil {
		return hint.Errorf("--tls-cert is the certificate with its chain, --tls-key its private key, both in PEM",
			"read --tls-cert %q and --tls-key %q: %w", s.CertFile, s.KeyFile, err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return fmt.Errorf("read --tls-cert %q: %w", s.CertFile, err)
	}
	if now.After(leaf.NotAfter) {
		return hint.Errorf("renew the certificate", "the certificate %q expired on %s", s.CertFile, leaf.NotAfter.UTC().Format(time.DateOnly))
	}
	if now.Before(leaf.NotBefore) {
		return hint.Errorf("check the clock of this machine", "the certificate %q is not valid before %s", s.CertFile, leaf.NotBefore.UTC().Format(time.RFC3339))
	}
	if err := leaf.VerifyHostname(public.Hostname()); err != nil {
		log.Warn("the certificate is not valid for the host of --public-url: clients reject it", "err", err,
			"hint", "unless a proxy in front has another one, get one for "+public.Hostname())
	}
	return s.checkTrust(log, leaf, pair.Certificate[1:], now)
}

// checkTrust verifies the chain with the roots that every served client has.
func (s TLSSetup) checkTrust(log *slog.Logger, leaf *x509.Certificate, chain [][]byte, now time.Time) error {
	roots := PublicRoots()
	if s.CAFile != "" {
		text, err := os.ReadFile(s.CAFile)
		if err != nil {
			return fmt.Errorf("read --ca: %w", err)
		}
		roots.AppendCertsFromPEM(text) // loading the clients reports what is wrong with it
	}
	between := x509.NewCertPool()
	for _, der := range chain {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("read the chain of --tls-cert %q: %w", s.CertFile, err)
		}
		between.AddCert(cert)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now})
	switch {
	case err == nil:
	case errors.As(err, new(x509.UnknownAuthorityError)) && s.CAFile == "":
		log.Warn("the certificate is not signed by a public authority: clients reject it", "issuer", leaf.Issuer.String(),
			"hint", "give a private authority with --ca FILE; if the issuer is a public one, --tls-cert lacks the chain")
	case errors.As(err, new(x509.UnknownAuthorityError)):
		log.Warn("the certificate is signed neither by a public authority nor by --ca: clients reject it", "issuer", leaf.Issuer.String(),
			"hint", "--ca FILE is the root that signed it, and --tls-cert has the certificates between")
	default:
		log.Warn("clients reject the certificate", "err", err)
	}
	return nil
}

// PublicRoots returns the certificate authorities that Mozilla trusts.
func PublicRoots() *x509.CertPool {
	roots := x509.NewCertPool()
	for root := range bundle.Roots() {
		cert, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			continue // this version of Go does not support it
		}
		roots.AddCertWithConstraint(cert, root.Constraint)
	}
	return roots
}
