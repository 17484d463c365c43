// Package cert reads the certificates of a PEM bundle.
package cert

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
)

// ErrNone is returned for a bundle without a certificate.
var ErrNone = errors.New("no certificate in it")

// Parse reads every certificate of a bundle and ignores blocks of other types. Unlike
// x509.CertPool.AppendCertsFromPEM it does not skip a damaged certificate: the error
// would come later, from the connection, and name the wrong cause.
func Parse(bundle []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, bundle = pem.Decode(bundle); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, ErrNone
	}
	return certs, nil
}
