package httpserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// drainTime bounds how long running requests are waited for when the service ends.
const drainTime = 30 * time.Second

// A Listener serves HTTP on an address until it is stopped.
type Listener struct {
	Front *Front
	Log   *slog.Logger
	// DrainDelay is the time between the order to end and the first refused connection.
	DrainDelay time.Duration
	// Certificate returns the certificate of a handshake; nil: without TLS.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Protocols are application protocols (ALPN) besides those of HTTP.
	Protocols []string
}

// Serve answers requests until ctx ends, and then waits until the running ones are
// finished, within bounds.
func (l *Listener) Serve(ctx context.Context, ln net.Listener) error {
	srv := &http.Server{
		Handler:           l.Front,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       3 * time.Minute, // Receive bounds the time of a body
		WriteTimeout:      5 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(l.Log.Handler(), slog.LevelWarn),
	}
	done := make(chan error, 1)
	go func() {
		<-ctx.Done()
		l.Front.Drain()
		l.Log.Info("shutting down", "drain_delay", l.DrainDelay.String(), "at_most", (l.DrainDelay + drainTime).String())
		if l.DrainDelay > 0 {
			time.Sleep(l.DrainDelay)
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
	if l.Certificate != nil {
		srv.TLSConfig = &tls.Config{GetCertificate: l.Certificate, NextProtos: append([]string{"h2", "http/1.1"}, l.Protocols...)}
		err = srv.ServeTLS(ln, "", "")
	} else {
		err = srv.Serve(ln)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return <-done
}

// Loopback reports whether only processes of this machine can connect to an address.
func Loopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}
