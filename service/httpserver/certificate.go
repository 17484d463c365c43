package httpserver

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"
)

// A Certificate is read from its files again when they change, which they do every
// few months.
type Certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	looked  time.Time
	changed [2]time.Time // modification times of the files of served
	served  *tls.Certificate
}

// certificateEvery is how often the files are checked.
const certificateEvery = 10 * time.Second

// NewCertificate reads a certificate and its key.
func NewCertificate(certFile, keyFile string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: log}
	return c, c.load()
}

// load reads the files if they have changed. c.mu is held, or c is not shared yet.
func (c *Certificate) load() error {
	var changed [2]time.Time
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		changed[i] = info.ModTime()
	}
	if c.served != nil && changed == c.changed {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	if c.served != nil {
		c.log.Info("certificate reloaded", "file", c.certFile)
	}
	c.served, c.changed = &pair, changed
	return nil
}

// Get returns the certificate of a handshake. While the files cannot be read, which happens when
// they are being replaced, the previous certificate is served.
func (c *Certificate) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= certificateEvery {
		c.looked = now
		if err := c.load(); err != nil {
			c.log.Error("read the certificate; the previous one is still served", "err", err)
		}
	}
	return c.served, nil
}
