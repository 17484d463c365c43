package remote

import (
	"crypto/tls"
	"crypto/x509"
)

// tlsConfig returns a configuration that trusts the certificates of c.trusts.
func tlsConfig(c Config, proxied bool) (*tls.Config, error) {
	trusts, err := c.trusts(proxied)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		RootCAs:            union(trusts),
		InsecureSkipVerify: c.NoVerify,
		MinVersion:         tls.VersionTLS12,
		Time:               c.Now,
	}, nil
}

// trustedBy names the first set of roots that a chain leads to. The chain has been verified
// with all sets together.
func (c *Client) trustedBy(state tls.ConnectionState) string {
	trusts, err := c.config.trusts(c.proxy != nil)
	if err != nil || len(state.PeerCertificates) == 0 {
		return "nobody"
	}
	between := x509.NewCertPool()
	for _, cert := range state.PeerCertificates[1:] {
		between.AddCert(cert)
	}
	for _, t := range trusts {
		_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{
			Roots:         union([]trust{t}),
			Intermediates: between,
			CurrentTime:   c.config.Now(),
			DNSName:       c.server.Hostname(),
		})
		if err == nil {
			return t.name
		}
	}
	return "nobody"
}
