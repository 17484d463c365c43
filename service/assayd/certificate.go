package main

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
)

// A tlsSetup is what serve was told about TLS.
type tlsSetup struct {
	certFile, keyFile string // empty: none
	caFile            string // what the served clients trust beside the public roots
	public            string // the address of the service
}

// check looks for mistakes that a client would only meet in a build. It returns an
// error for what can never work. What works in some setups, such as a proxy in front
// with a certificate of its own, it tells the log.
func (s tlsSetup) check(log *slog.Logger, now time.Time) error {
	if s.certFile == "" {
		return nil
	}
	public, err := url.Parse(s.public)
	if err != nil {
		return err
	}
	if public.Scheme != "https" {
		return hintf("use --public-url https://…, or leave out --tls-cert and --tls-key",
			"--public-url %q is not https, but the service uses TLS", s.public)
	}
	pair, err := tls.LoadX509KeyPair(s.certFile, s.keyFile)
	if err != nil {
		return hintf("--tls-cert is the certificate with its chain, --tls-key its private key, both in PEM",
			"read --tls-cert %q and --tls-key %q: %w", s.certFile, s.keyFile, err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return fmt.Errorf("read --tls-cert %q: %w", s.certFile, err)
	}
	if now.After(leaf.NotAfter) {
		return hintf("renew it", "the certificate %q expired on %s", s.certFile, day(leaf.NotAfter))
	}
	if now.Before(leaf.NotBefore) {
		return hintf("is the clock of this machine right?", "the certificate %q is valid only from %s on", s.certFile, leaf.NotBefore.UTC().Format(time.RFC3339))
	}
	if err := leaf.VerifyHostname(public.Hostname()); err != nil {
		log.Warn("the certificate is not valid for the host of --public-url: clients reject it", "err", err,
			"hint", "unless a proxy in front has another one, get one for "+public.Hostname())
	}
	return s.checkTrust(log, leaf, pair.Certificate[1:], now)
}

// checkTrust holds the chain against the roots that every served client has.
func (s tlsSetup) checkTrust(log *slog.Logger, leaf *x509.Certificate, chain [][]byte, now time.Time) error {
	roots := x509.NewCertPool()
	for root := range bundle.Roots() {
		cert, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			continue // one that this version of Go does not take
		}
		roots.AddCertWithConstraint(cert, root.Constraint)
	}
	if s.caFile != "" {
		text, err := os.ReadFile(s.caFile)
		if err != nil {
			return fmt.Errorf("read --ca: %w", err)
		}
		roots.AppendCertsFromPEM(text) // what is wrong with it, loading the clients says
	}
	between := x509.NewCertPool()
	for _, der := range chain {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("read the chain of --tls-cert %q: %w", s.certFile, err)
		}
		between.AddCert(cert)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now})
	switch {
	case err == nil:
	case errors.As(err, new(x509.UnknownAuthorityError)) && s.caFile == "":
		log.Warn("the certificate is not signed by a public authority: clients reject it", "issuer", leaf.Issuer.String(),
			"hint", "give a private authority with --ca FILE; if the issuer is a public one, --tls-cert lacks the chain")
	case errors.As(err, new(x509.UnknownAuthorityError)):
		log.Warn("the certificate is signed neither by a public authority nor by --ca: clients reject it", "issuer", leaf.Issuer.String(),
			"hint", "--ca FILE is the root that signed it, and --tls-cert has the certificates between")
	default:
		log.Warn("clients refuse the certificate", "err", err)
	}
	return nil
}
