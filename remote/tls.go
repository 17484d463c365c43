package remote

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// A CA is a bundle of certificates in PEM and where it comes from, "the slot"
// or the name of a file.
type CA struct {
	Name string
	PEM  []byte
}

// tlsConfig trusts the roots of the system, the built-in ones, for images that
// have none, and those of the configuration.
func tlsConfig(c Config) (*tls.Config, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // unreadable files of an image; the built-in roots remain
	}
	for root := range bundle.Roots() {
		cert, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			continue // one that this version of Go does not take
		}
		pool.AddCertWithConstraint(cert, root.Constraint)
	}
	for _, ca := range c.CAs {
		if err := addPEM(pool, ca); err != nil {
			return nil, err
		}
	}
	return &tls.Config{
		RootCAs:            pool,
		InsecureSkipVerify: c.NoVerify,
		MinVersion:         tls.VersionTLS12,
		Time:               c.Now,
	}, nil
}

// addPEM adds every certificate of a bundle. Unlike AppendCertsFromPEM it does
// not pass over one that is damaged: the error would come later and mislead.
func addPEM(pool *x509.CertPool, ca CA) error {
	found := false
	for rest := ca.PEM; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return caError(ca, clean(err.Error()))
		}
		pool.AddCert(cert)
		found = true
	}
	if !found {
		return caError(ca, "no certificate in it")
	}
	return nil
}

func caError(ca CA, what string) *Error {
	return &Error{
		Kind: Setup,
		what: fmt.Sprintf("the CA bundle of %s cannot be used: %s", clean(ca.Name), what),
		hint: "it must be PEM, beginning with -----BEGIN CERTIFICATE-----",
	}
}
