package httpserver

import (
	"net/http"
	"regexp"
	"time"
)

// logged writes one line for each request, without any secret. Of the requests over
// the rate of a token, which come as fast as a client sends them, it logs only some.
func (s *Server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := s.Now()
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		if s.Version != "" {
			w.Header().Set("Assay-Version", s.Version)
		}
		next.ServeHTTP(rec, r)
		took := s.Now().Sub(start)
		if s.Observe != nil {
			s.Observe(r.Pattern, rec.status, took)
		}
		log := s.Log
		if rec.status == http.StatusTooManyRequests {
			unlogged, ok := s.limited.allow(rec.token, s.Now())
			if !ok {
				return
			}
			log = log.With("not_logged_before", unlogged)
		}
		log.Info("request", "method", redact(r.Method), "path", redact(r.URL.Path), "status", rec.status,
			"token", rec.token, "scan", rec.scan, "took", took.Round(time.Microsecond))
	})
}

// A recorder keeps what is logged of a request.
type recorder struct {
	http.ResponseWriter
	status      int
	token, scan string
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// LogScan adds the id of a scan to the log line of a request.
func LogScan(w http.ResponseWriter, id string) {
	if rec, ok := w.(*recorder); ok {
		rec.scan = id
	}
}

// secret matches a token, also a truncated one.
var secret = regexp.MustCompile(`assay_[0-9A-Za-z]{8,}`)

// redact replaces the tokens in s, which a client sent: people paste a token into an
// address.
func redact(s string) string { return secret.ReplaceAllString(s, "[token]") }
