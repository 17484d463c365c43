// Package acme gets and renews the certificate of the service by the ACME protocol
// (RFC 8555), from Let's Encrypt or any other directory. The store keeps the account,
// the certificates and pending challenges. So all replicas of one service share them,
// and any replica can answer a challenge (TLS-ALPN-01, RFC 8737), which arrives at the
// port that serves HTTPS.
package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
)

// LetsEncrypt is the default directory.
const LetsEncrypt = certmagic.LetsEncryptProductionCA

// A Config says for which domains to get a certificate, and from which authority.
type Config struct {
	Domains   []string // at least one; the first is served where a client names none
	Email     string   // of the account; may be empty
	Directory string   // URL of the ACME directory
	// Roots are trusted for the directory instead of the system's; nil for those.
	Roots *x509.CertPool
	Files Files
	// Port of this machine that answers challenges. The port 443 of each domain must
	// lead there. The server listens on it already.
	Port int
	Log  *slog.Logger
	Now  func() time.Time
	// RenewEvery is how often the certificates are examined; zero for 10 minutes.
	RenewEvery time.Duration
}

// A Manager holds the certificates, and renews them until Stop.
type Manager struct {
	config *certmagic.Config
	cache  *certmagic.Cache
}

// hostName does not match "*": a wildcard certificate needs a DNS challenge.
var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`)

// CheckDomains returns an error if the authority of a directory issues no certificate for
// one of the domains by the challenge TLS-ALPN-01.
func CheckDomains(domains []string, directory string) error {
	if len(domains) == 0 {
		return errors.New("no domain for the certificate")
	}
	for _, name := range domains {
		if !hostName.MatchString(name) || net.ParseIP(name) != nil {
			return fmt.Errorf("invalid domain %q for a certificate: want a host name", name)
		}
		if directory == LetsEncrypt && !certmagic.SubjectQualifiesForPublicCert(name) {
			return fmt.Errorf("invalid domain %q for a certificate: it is not a public name", name)
		}
	}
	return nil
}

// Start loads the certificates from the store, or begins to get them. It does not wait
// for the ACME server: handshakes fail until there is a certificate. Failures are logged
// and retried at growing intervals.
func Start(ctx context.Context, c Config) (*Manager, error) {
	if err := CheckDomains(c.Domains, c.Directory); err != nil {
		return nil, err
	}
	if u, err := url.Parse(c.Directory); err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("invalid ACME directory %q: it must be an https URL", c.Directory)
	}
	log := zapLogger(c.Log)
	m := &Manager{}
	m.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return m.config, nil },
		RenewCheckInterval: c.RenewEvery,
		Logger:             log,
	})
	m.config = certmagic.New(m.cache, certmagic.Config{
		Storage:           &storage{files: c.Files, now: c.Now},
		DefaultServerName: c.Domains[0],
		Logger:            log,
	})
	m.config.Issuers = []certmagic.Issuer{certmagic.NewACMEIssuer(m.config, certmagic.ACMEIssuer{
		CA:                   c.Directory,
		Email:                c.Email,
		Agreed:               true, // --acme-domain says so in its help
		TrustedRoots:         c.Roots,
		DisableHTTPChallenge: true,
		AltTLSALPNPort:       c.Port,
		HTTPProxy:            http.ProxyFromEnvironment,
		Logger:               log,
	})}
	if err := m.config.ManageAsync(ctx, slices.Clone(c.Domains)); err != nil {
		m.cache.Stop()
		return nil, fmt.Errorf("manage the certificate of %q: %w", c.Domains, err)
	}
	return m, nil
}

// Certificate returns the certificate for a handshake, or the one that answers an ACME
// challenge. It is meant for tls.Config.GetCertificate.
func (m *Manager) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return m.config.GetCertificate(hello)
}

// Protocol is the application protocol (ALPN) that tls.Config.NextProtos must name for
// challenges to arrive.
const Protocol = acmez.ACMETLS1Protocol

// Stop stops the renewal of certificates.
func (m *Manager) Stop() { m.cache.Stop() }
