package httpserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"assay/service/store"
)

// A Problem is an error that is answered with a status of its own: what is wrong,
// and what to do next. docs/api.md describes the response.
type Problem struct {
	Status     int
	What, Hint string
	// RetryAfter is when the client should try again; zero: the response does not say.
	RetryAfter time.Duration
}

func (p Problem) Error() string { return p.What }

// statusGone is the status of a request that the client gave up. It is not sent, and
// distinguishes such a request in the log from one that failed.
const statusGone = 499

// Refuse answers a request with an error. An error that is not a Problem is logged, and
// answered without its text: with status 503 if it wraps store.ErrUnavailable, else 500.
func (s *Server) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := s.ProblemOf(w, r, err)
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="assay"`)
	}
	writeProblem(w, p)
}

// ProblemOf returns the Problem of an error, for a handler that writes errors in
// another form, and sets the Retry-After header. Other errors are logged.
func (s *Server) ProblemOf(w http.ResponseWriter, r *http.Request, err error) Problem {
	p, ok := errors.AsType[Problem](err)
	if !ok && r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		return Problem{Status: statusGone, What: "the client closed the connection"}
	}
	if !ok && errors.Is(err, store.ErrUnavailable) {
		s.Log.Error("the store is unavailable", "request", w.Header().Get(requestHeader), "method", method(r), "route", routeOf(r), "err", withoutSecrets(err.Error()))
		p, ok = s.Unavailable("the service cannot reach its database", "assay waits and tries again by itself"), true
	}
	if !ok {
		s.Log.Error("request failed", "request", w.Header().Get(requestHeader), "method", method(r), "route", routeOf(r), "err", withoutSecrets(err.Error()))
		return Problem{Status: http.StatusInternalServerError, What: "the service could not answer", Hint: "its log says why; contact its operator"}
	}
	if p.RetryAfter > 0 {
		w.Header().Set("Retry-After", retryAfter(p.RetryAfter))
	}
	return p
}

func writeProblem(w http.ResponseWriter, p Problem) {
	WriteJSON(w, p.Status, map[string]string{"error": p.What, "hint": p.Hint})
}

// retryAfter formats a duration for the header, in whole seconds.
func retryAfter(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// WriteJSON answers with v, which must be small: Send is for what may be large.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil { // a mistake in this program
		http.Error(w, `{"error":"internal"}`, http.StatusInternalServerError)
		return
	}
	WriteBody(w, status, "application/json", b)
}

func WriteBody(w http.ResponseWriter, status int, contentType string, b []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", fmt.Sprint(len(b)))
	w.WriteHeader(status)
	w.Write(b) //nolint:errcheck // the client has gone away: there is nobody to report it to
}

const (
	sendStart = 10 * time.Second
	sendTime  = 2 * time.Minute
)

// Send answers with a body that may be large. A client that reads slowly is cut off
// after a time that depends on the size, since the body is held in memory until then.
func Send(w http.ResponseWriter, contentType string, b []byte) {
	SendStatus(w, http.StatusOK, contentType, b)
}

// SendStatus is Send with another status.
func SendStatus(w http.ResponseWriter, status int, contentType string, b []byte) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(min(sendTime, sendStart+time.Duration(len(b))*time.Second/bodyRate)))
	WriteBody(w, status, contentType, b)
}
