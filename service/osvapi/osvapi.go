// Package osvapi answers the API of OSV, https://google.github.io/osv.dev/api/, from the
// advisories of this service, so that clients of api.osv.dev can use it:
//
//	POST /v1/query       the records that affect a package
//	POST /v1/querybatch  their ids, for up to 1000 packages
//	GET  /v1/vulns/{id}  one record
//
// Which records affect a package is decided as for scans. An answer to a query without any
// record means that no advisory is about the version. What could not be evaluated is an
// error: docs/osv-api.md lists the differences from api.osv.dev.
package osvapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"assay/service/httpserver"
	"assay/service/match"
	"assay/service/scan"
	"assay/service/store"
	"assay/verdict"
)

// Records has the records of the advisories. A store.Store implements it.
type Records interface {
	RecordsOf(ctx context.Context, id string, upTo int64) ([]store.Record, error)
}

// A View is one consistent state of the data, until Close.
type View interface {
	match.QueryIndex
	Data() verdict.Data
	// Seq is the sequence number of the records of this state.
	Seq() int64
	Close()
}

// A Config configures the API.
type Config struct {
	Records Records
	// View opens the state of the data that is served now.
	View func() (View, error)
	// Evaluator has the settings of the service: the age up to which data is trusted, and
	// the ecosystems that the service may lack advisories for.
	Evaluator scan.Evaluator
	// Anonymous answers requests without a token too.
	Anonymous bool
	Now       func() time.Time
	Log       *slog.Logger
}

type api struct {
	Config
	server *httpserver.Server
}

// Handle adds the handlers of the API to a server.
func Handle(s *httpserver.Server, c Config) {
	a := &api{Config: c, server: s}
	s.Handle("POST /v1/query", a.handler(a.query, true))
	s.Handle("POST /v1/querybatch", a.handler(a.queryBatch, true))
	// A client gets each record that a batch has named, a thousand at once.
	s.Handle("GET /v1/vulns/{id}", a.handler(a.vulnerability, false))
}

// anonymous is what all requests without a token take their share of memory as.
const anonymous = "osv-anonymous"

// handler returns a handler for requests with a valid token, or with none if that is allowed.
// With limited, requests count towards the rate of their token. Those without a token have
// no rate: all of them together use the share of one token of the memory and the slots.
func (a *api) handler(h httpserver.Handler, limited bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var t store.Token
		var err error
		secret, none := httpserver.SecretOf(r), r.Header.Get("Authorization") == ""
		const hint = "send it as \"Authorization: Bearer TOKEN\", or as the password of Basic authentication"
		switch {
		case none && a.Anonymous:
			t = store.Token{ID: anonymous, Name: anonymous}
		case limited:
			t, err = a.server.AuthenticateSecret(w, r, secret, hint)
		default:
			t, err = a.server.Identify(w, r, secret, hint)
		}
		if err == nil {
			err = h(w, r, t)
		}
		if err != nil {
			a.refuse(w, r, err)
		}
	}
}

// Codes of google.rpc.Code, https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto.
const (
	codeCancelled          = 1
	codeInvalidArgument    = 3
	codeDeadlineExceeded   = 4
	codeNotFound           = 5
	codePermissionDenied   = 7
	codeResourceExhausted  = 8
	codeFailedPrecondition = 9
	codeInternal           = 13
	codeUnavailable        = 14
	codeUnauthenticated    = 16
)

// A statusError is an error of the API.
type statusError struct {
	code    int
	message string
}

func (e *statusError) Error() string { return e.message }

func invalid(format string, args ...any) error {
	return &statusError{codeInvalidArgument, fmt.Sprintf(format, args...)}
}

// notAnswered is the error for a valid query that this service cannot answer. Its status is
// 400, after which clients do not try again.
func notAnswered(format string, args ...any) error {
	return &statusError{codeFailedPrecondition, fmt.Sprintf(format, args...)}
}

// name is the name of the code in the errors of gRPC.
func (e *statusError) name() string {
	switch e.code {
	case codeFailedPrecondition:
		return "FailedPrecondition"
	case codeNotFound:
		return "NotFound"
	}
	return "InvalidArgument"
}

// refuse answers with an error in the form of the API, a google.rpc.Status.
func (a *api) refuse(w http.ResponseWriter, r *http.Request, err error) {
	type status struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	if e, ok := errors.AsType[*statusError](err); ok {
		httpStatus := http.StatusBadRequest
		if e.code == codeNotFound {
			httpStatus = http.StatusNotFound
		}
		httpserver.WriteJSON(w, httpStatus, status{e.code, e.message})
		return
	}
	p := a.server.ProblemOf(w, r, err)
	if p.Status == http.StatusUnauthorized {
		// A client that knows the first scheme only would not ask for a password.
		w.Header().Set("WWW-Authenticate", `Basic realm="assay"`)
		w.Header().Add("WWW-Authenticate", `Bearer realm="assay"`)
	}
	message := p.What
	if p.Hint != "" {
		message += ": " + p.Hint
	}
	httpserver.WriteJSON(w, p.Status, status{codeOf(p.Status), message})
}

// codeOf returns the code for the status of a problem.
func codeOf(status int) int {
	switch status {
	case http.StatusUnauthorized:
		return codeUnauthenticated
	case http.StatusForbidden:
		return codePermissionDenied
	case http.StatusRequestTimeout:
		return codeDeadlineExceeded
	case http.StatusRequestEntityTooLarge, http.StatusTooManyRequests:
		return codeResourceExhausted
	case http.StatusServiceUnavailable:
		return codeUnavailable
	}
	switch {
	case status == 499: // the client has gone away
		return codeCancelled
	case status < 500:
		return codeInvalidArgument
	}
	return codeInternal
}

// view opens the state of the data.
func (a *api) view() (View, error) {
	v, err := a.View()
	if err != nil {
		a.Log.Error("no data is served", "err", err)
		return nil, a.server.Unavailable("no data is served", "assayd's log says why")
	}
	return v, nil
}
