package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"assay/service/api"
)

// drainTime bounds how long requests that run are waited for when the service ends.
const drainTime = 30 * time.Second

// A server answers until it is told to end, and then lets requests finish.
type server struct {
	front       *api.Front
	log         *slog.Logger
	delay       time.Duration // between the order to end and the first refused connection
	certificate *certificate  // nil: without TLS
}

func (s *server) run(ctx context.Context, ln net.Listener) error {
	srv := &http.Server{
		Handler:           s.front,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       3 * time.Minute, // the body has bounds of its own
		WriteTimeout:      5 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	done := make(chan error, 1)
	go func() {
		<-ctx.Done()
		s.front.Drain()
		if s.delay > 0 {
			time.Sleep(s.delay)
		}
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		err := srv.Shutdown(grace)
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("requests were still running %s after SIGTERM: %w", drainTime, errors.Join(err, srv.Close()))
		}
		done <- err
	}()
	var err error
	if s.certificate != nil {
		srv.TLSConfig = &tls.Config{GetCertificate: s.certificate.get}
		err = srv.ServeTLS(ln, "", "")
	} else {
		err = srv.Serve(ln)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return <-done
}

// A certificate is read again when its files change, as they do every few months.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	looked  time.Time
	changed [2]time.Time // modification times of what is served
	served  *tls.Certificate
}

// certificateEvery is how often the files are looked at.
const certificateEvery = 10 * time.Second

func newCertificate(certFile, keyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	return c, c.load()
}

// load reads the files if they are others than those that are served; c.mu is held or
// nobody else has c.
func (c *certificate) load() error {
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

// get is called for every handshake. Files that cannot be read, as while they are
// being replaced, leave the certificate from before.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
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
