package httpserver

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"assay/service/store"
)

// requestHeader is the response header with the ID of the request, which is also in its
// log lines.
const requestHeader = "X-Request-Id"

// logged writes one line for each request, without any secret. Of the requests over
// the rate of a token, which come as fast as a client sends them, it logs only some.
func (s *Server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := s.Now()
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		body := &countedBody{ReadCloser: r.Body}
		r.Body = body
		if s.Version != "" {
			w.Header().Set("Assay-Version", s.Version)
		}
		id := requestID(r.Header)
		w.Header().Set(requestHeader, id)
		ended := false
		defer func() {
			if !ended { // the handler panicked: net/http logs the reason
				rec.status = http.StatusInternalServerError
			}
			s.logRequest(r, rec, id, body.n, s.Now().Sub(start))
		}()
		next.ServeHTTP(rec, r)
		ended = true
	})
}

func (s *Server) logRequest(r *http.Request, rec *recorder, id string, in int64, took time.Duration) {
	if s.Observe != nil {
		s.Observe(r.Pattern, rec.status, took)
	}
	var more []slog.Attr
	if rec.status == http.StatusTooManyRequests {
		unlogged, ok := s.limited.allow(rec.token.ID, s.Now())
		if !ok {
			return
		}
		more = append(more, slog.Int("not_logged_before", unlogged))
	}
	project := rec.token.Project
	if project == "" {
		project = rec.project
	}
	known := []slog.Attr{
		slog.String("token", rec.token.Name), slog.String("token_id", rec.token.ID), slog.String("project", redact(project)),
		slog.String("scan", rec.scan), slog.String("outcome", rec.outcome),
	}
	known = slices.DeleteFunc(known, func(a slog.Attr) bool { return a.Value.String() == "" })
	line := []slog.Attr{
		slog.String("request", id), slog.String("method", method(r)), slog.String("route", routeOf(r)), slog.Int("status", rec.status),
		slog.Int64("bytes_in", in), slog.Int64("bytes_out", rec.written), slog.Float64("took_ms", float64(took.Microseconds())/1000),
	}
	s.Log.LogAttrs(context.Background(), slog.LevelInfo, "request", slices.Concat(line, known, more)...)
}

// method returns the method of a request for a log line. A client can send any word.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "other"
}

// routeOf returns the path of the pattern that a request matched. The path of the request
// is not logged if a pattern matched: it may have a secret in it. If none matched, routeOf
// returns the path without what looks like a secret.
func routeOf(r *http.Request) string {
	if r.Pattern == "" {
		return redact(r.URL.Path)
	}
	_, path, found := strings.Cut(r.Pattern, " ")
	if !found {
		return r.Pattern
	}
	return path
}

// traceparent matches the header of W3C Trace Context, of version 00. A later version may
// have more fields.
var traceparent = regexp.MustCompile(`^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$`)

// requestID returns the trace ID of a valid traceparent header, or a new ID of the same
// form.
func requestID(h http.Header) string {
	if given := h.Values("Traceparent"); len(given) == 1 && len(given[0]) <= 256 {
		m := traceparent.FindStringSubmatch(given[0])
		if m != nil && m[1] != "ff" && (m[1] != "00" || m[4] == "") &&
			strings.Trim(m[2], "0") != "" && strings.Trim(m[3], "0") != "" {
			return m[2]
		}
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}

// A countedBody counts the bytes that are read.
type countedBody struct {
	io.ReadCloser
	n int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	return n, err
}

// A recorder keeps what is logged of a request.
type recorder struct {
	http.ResponseWriter
	status                 int
	written                int64
	token                  store.Token
	scan, project, outcome string
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	n, err := r.ResponseWriter.Write(p)
	r.written += int64(n)
	return n, err
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// LogScan adds the ID of a scan to the log line of a request.
func LogScan(w http.ResponseWriter, id string) {
	if rec, ok := w.(*recorder); ok {
		rec.scan = id
	}
}

// LogVerdict adds the outcome of an evaluation and its project to the log line of a
// request.
func LogVerdict(w http.ResponseWriter, project, outcome string) {
	if rec, ok := w.(*recorder); ok {
		rec.project, rec.outcome = project, outcome
	}
}

// secret matches a token of assay, also a truncated one, a JWT, and the secret part of a link
// to a report with the id of the scan before it.
var secret = regexp.MustCompile(`assay_[0-9A-Za-z]{8,}|eyJ[0-9A-Za-z_-]{8,}(\.[0-9A-Za-z_-]*)*|[A-Za-z2-7]{16}(/|%2[Ff])+[0-9A-Za-z]{10,}`)

// withoutSecrets replaces the secrets in s.
func withoutSecrets(s string) string { return secret.ReplaceAllString(s, "[secret]") }

// maxLogged bounds a text of a client in a log line, in bytes.
const maxLogged = 200

// redact replaces the secrets in s, which a client sent, and shortens it: people paste a
// token into an address.
func redact(s string) string {
	s = withoutSecrets(s)
	if len(s) > maxLogged {
		s = strings.ToValidUTF8(s[:maxLogged], "") + "…"
	}
	return s
}
