package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/urfave/cli/v2"

	"assay/service/acme"
	"assay/service/httpserver"
	"assay/service/store"
	"assay/verdict/hint"
)

func acmeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "acme-domain", Usage: "get and renew the certificate for `NAME` by ACME, agreeing to the terms of the authority; port 443 of NAME must lead to --listen (repeatable)"},
		&cli.StringFlag{Name: "acme-email", Usage: "email `ADDRESS` at which the authority may contact you"},
		&cli.StringFlag{Name: "acme-directory", Usage: "`URL` of the authority", Value: acme.LetsEncrypt},
		&cli.StringFlag{Name: "acme-ca", Usage: "trust the roots in `FILE` (PEM) for --acme-directory, instead of the public ones"},
	}
}

// An acmeSetup serves certificates from an ACME authority. It has none until the store,
// which keeps them, is open.
type acmeSetup struct {
	config  acme.Config
	manager atomic.Pointer[acme.Manager]
}

// newACME reads the flags. It returns nil if no certificate is requested.
func newACME(c *cli.Context, conf serveConfig, log *slog.Logger, now func() time.Time) (*acmeSetup, error) {
	domains := c.StringSlice("acme-domain")
	if len(domains) == 0 {
		for _, name := range []string{"acme-email", "acme-directory", "acme-ca"} {
			if c.IsSet(name) {
				return nil, hint.Errorf("name the host of --public-url with --acme-domain", "--%s without --acme-domain", name)
			}
		}
		return nil, nil
	}
	if conf.certFile != "" {
		return nil, hint.Errorf("give only one of them", "--acme-domain and --tls-cert exclude each other")
	}
	if err := acme.CheckDomains(domains, c.String("acme-directory")); err != nil {
		return nil, hint.Errorf("name a host, such as --acme-domain assay.example.com; only an authority of your own (--acme-directory) issues certificates for private names", "--acme-domain: %w", err)
	}
	public, err := url.Parse(conf.public)
	if err != nil {
		return nil, err
	}
	if public.Scheme != "https" || !slices.Contains(domains, public.Hostname()) {
		return nil, hint.Errorf("--public-url must be https:// and one of the domains, such as https://"+domains[0], "--public-url %q is not an https address of --acme-domain", conf.public)
	}
	a := &acmeSetup{config: acme.Config{Domains: domains, Email: c.String("acme-email"), Directory: c.String("acme-directory"), Log: log, Now: now}}
	if path := c.String("acme-ca"); path != "" {
		pem, err := os.ReadFile(path)
		if err != nil {
			return nil, hint.Errorf("name a file with the root certificate of the authority of --acme-directory", "read --acme-ca: %w", err)
		}
		a.config.Roots = x509.NewCertPool()
		if !a.config.Roots.AppendCertsFromPEM(pem) {
			return nil, hint.Errorf("a PEM certificate begins with -----BEGIN CERTIFICATE-----", "read --acme-ca: %q has no PEM certificates", path)
		}
	}
	return a, nil
}

// listen makes a listener serve the certificates.
func (a *acmeSetup) listen(l *httpserver.Listener, ln net.Listener) {
	if addr, ok := ln.Addr().(*net.TCPAddr); ok {
		a.config.Port = addr.Port
	}
	l.Protocols = []string{acme.Protocol}
	l.Certificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		m := a.manager.Load()
		if m == nil {
			return nil, errors.New("no certificate yet: the store is not open")
		}
		return m.Certificate(hello)
	}
}

// start gets the certificates, or takes them from the store, and renews them until end.
func (a *acmeSetup) start(ctx context.Context, st store.Store) (end func(), err error) {
	a.config.Files = st
	m, err := acme.Start(ctx, a.config)
	if err != nil {
		return nil, hint.Errorf("--acme-directory must be the URL of the authority's directory, such as "+acme.LetsEncrypt, "%w", err)
	}
	a.manager.Store(m)
	return m.Stop, nil
}
