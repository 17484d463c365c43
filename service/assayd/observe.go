package main

import (
	"crypto/tls"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/urfave/cli/v2"

	"assay/service/acme"
	"assay/service/api"
	"assay/service/metrics"
	"assay/service/snapshot"
)

// A buildTime is how long the last change of the store took to appear in the index, in
// nanoseconds; zero: unknown.
type buildTime struct{ atomic.Int64 }

// servedData describes the data that is served, for the metrics.
func servedData(c *cli.Context, index *snapshot.DB, built *buildTime) (s metrics.Served, err error) {
	v, err := index.View()
	if err != nil {
		return s, err
	}
	defer v.Close()
	s = metrics.Served{Data: v.Data(), Generation: v.Seq(), Build: time.Duration(built.Load())}
	if info, err := os.Stat(filepath.Join(c.String("data"), indexName)); err == nil { // else the size is unknown
		s.Bytes = info.Size()
	}
	return s, nil
}

// rules returns the rules of causes.
func rules(causes []api.Cause, err error) ([]string, error) {
	var list []string
	for _, c := range causes {
		list = append(list, c.Rule)
	}
	return list, err
}

// A servedCertificate remembers when the certificate that was last served expires, and
// logs once a minute that it has.
type servedCertificate struct {
	log    *slog.Logger
	now    func() time.Time
	unix   atomic.Int64
	logged atomic.Int64 // the minute of the last line
}

func (s *servedCertificate) watch(get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		cert, err := get(hello)
		// The certificate for a challenge of ACME is not for clients.
		if err == nil && cert.Leaf != nil && !slices.Contains(hello.SupportedProtos, acme.Protocol) {
			s.unix.Store(cert.Leaf.NotAfter.Unix())
			minute := s.now().Unix() / 60
			if s.now().After(cert.Leaf.NotAfter) && s.logged.Swap(minute) != minute {
				s.log.Error("the certificate has expired: clients reject it", "expired", cert.Leaf.NotAfter,
					"hint", "replace the files of --tls-cert and --tls-key; with --acme-domain, the log says why it was not renewed")
			}
		}
		return cert, err
	}
}

func (s *servedCertificate) ends() time.Time {
	if unix := s.unix.Load(); unix != 0 {
		return time.Unix(unix, 0)
	}
	return time.Time{}
}
