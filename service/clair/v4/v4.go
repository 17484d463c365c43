// Package v4 has the HTTP handlers of Clair v4's API: indexer, matcher and notifier. A client
// that was written for Clair sends an image as a list of layers, and gets the vulnerabilities
// that assay finds in it.
//
// The paths, schemas and media types are those of Clair's OpenAPI file of version 1.2.0. Where
// the file says nothing, the handlers do what the package httptransport of Clair 4 does.
// docs/clair.md lists the differences.
package v4

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"assay/service/httpserver"
	"assay/service/image"
	"assay/service/layer"
	"assay/service/layer/source"
	"assay/service/store"
	"assay/verdict"
)

// A Scanner evaluates images; image.Scanner does.
type Scanner interface {
	Scan(ctx context.Context, t store.Token, img layer.Image, o image.Options) (image.Scanned, error)
	Again(ctx context.Context, t store.Token, kept store.Scan) (image.Scanned, error)
}

// A Fetcher fetches layers; source.Fetcher does.
type Fetcher interface {
	URLs(name string, urls []source.URL) (layer.Image, error)
}

// Scans is the part of the store with the kept scans.
type Scans interface {
	Scan(ctx context.Context, id string) (store.Scan, error)
	FindScan(ctx context.Context, id string) (store.Scan, store.Sizes, error)
}

// A Config configures the API.
type Config struct {
	Records *image.Records
	Scans   Scans
	Scanner Scanner
	Fetcher Fetcher
	// PSK accepts Clair's JWTs; nil accepts none.
	PSK *PSK
	// Version is the version of assayd. A new one may find more in an image, so that clients
	// have to index it again.
	Version string
	// Longest is how long it takes at most to index an image, with waiting for its turn.
	Longest time.Duration
	// Scanned, if set, is called with the outcome of each report that is sent.
	Scanned func(verdict.Outcome)
	Now     func() time.Time
}

// The paths of the API.
const (
	indexReportPath         = "/indexer/api/v1/index_report"
	indexStatePath          = "/indexer/api/v1/index_state"
	vulnerabilityReportPath = "/matcher/api/v1/vulnerability_report"
	notificationPath        = "/notifier/api/v1/notification"
)

// kind is that of the records of this API.
const kind = "clair4"

type handler struct {
	Config
	server *httpserver.Server
	state  string // of the indexer

	waiting atomic.Int64 // requests that wait for the work of another one
}

// Handle adds the handlers to a server.
func Handle(s *httpserver.Server, c Config) {
	sum := sha256.Sum256([]byte("assay index " + c.Version))
	h := &handler{Config: c, server: s, state: hex.EncodeToString(sum[:16])}
	h.handle(indexReportPath, map[string]method{
		http.MethodPost:   {httpserver.ScopeScan, h.postIndexReport},
		http.MethodDelete: {httpserver.ScopeScan, h.deleteManifests},
	})
	h.handle(indexReportPath+"/{digest}", map[string]method{
		http.MethodGet:    {"", h.getIndexReport},
		http.MethodDelete: {httpserver.ScopeScan, h.deleteManifest},
	})
	h.handle(indexStatePath, map[string]method{http.MethodGet: {"", h.getIndexState}})
	h.handle(vulnerabilityReportPath+"/{digest}", map[string]method{http.MethodGet: {"", h.getVulnerabilityReport}})
	h.handle(notificationPath+"/{id}", map[string]method{
		http.MethodGet:    {"", h.getNotification},
		http.MethodDelete: {httpserver.ScopeScan, h.deleteNotification},
	})
}

// A method answers requests of one method, for tokens with a scope.
type method struct {
	scope string
	serve httpserver.Handler
}

// handle adds the methods of a path. Other methods get Clair's error.
func (h *handler) handle(pattern string, methods map[string]method) {
	h.server.Handle(pattern, func(w http.ResponseWriter, r *http.Request) {
		m, ok := methods[r.Method]
		if !ok && r.Method == http.MethodHead {
			m, ok = methods[http.MethodGet]
		}
		if !ok {
			h.refuse(w, r, httpserver.Problem{Status: http.StatusMethodNotAllowed, What: "method disallowed: " + r.Method})
			return
		}
		t, err := h.authenticate(w, r)
		if err == nil {
			err = httpserver.RequireScope(t, m.scope)
		}
		if err == nil {
			err = m.serve(w, r, t)
		}
		if err != nil {
			h.refuse(w, r, err)
		}
	})
}

// authenticate returns the token of a request: one of assayd's own, or what a JWT that is
// signed with the key of Clair's clients stands for.
func (h *handler) authenticate(w http.ResponseWriter, r *http.Request) (store.Token, error) {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if h.PSK != nil && strings.EqualFold(scheme, "Bearer") {
		t, ok, err := h.PSK.token(strings.TrimSpace(secret), h.Now())
		if err != nil {
			return t, httpserver.Problem{Status: http.StatusUnauthorized, What: "this JWT is not accepted: " + err.Error(), Hint: "docs/clair.md says what is checked"}
		}
		if ok {
			httpserver.LogToken(w, t)
			return t, h.server.Limit(t.ID, "with this key")
		}
	}
	return h.server.Authenticate(w, r)
}

// A record is what is kept of an indexed manifest, beside the inventory in its scan.
type record struct {
	State  string        `json:"state"` // of the indexer
	Token  string        `json:"token"` // the id of the token that sent it
	Layers []recordLayer `json:"layers"`
	// Unread says what could not be read of the image although it was evaluated.
	Unread string `json:"unread,omitempty"`
}

// A recordLayer has the digest of a layer as it was sent. DiffID is that of its archive, and
// known once it was read.
type recordLayer struct {
	Hash   string `json:"hash"`
	DiffID string `json:"diff_id,omitempty"`
}

// mayRead reports whether a token may read the record of its project that a token has made.
func mayRead(t store.Token, maker string) bool {
	return httpserver.MayRead(t, store.Scan{Token: maker, Project: t.Project})
}

// manifestOf returns the digest in the path of a request.
func manifestOf(r *http.Request) (string, error) {
	digest := path.Base(r.PathValue("digest"))
	if err := checkDigest(digest); err != nil {
		return "", httpserver.Problem{Status: http.StatusBadRequest, What: "malformed path: " + err.Error()}
	}
	return digest, nil
}

// errDigest is the error of a text that is no digest. The file wants sha256, and allows sha512.
var errDigest = errors.New(`invalid digest: it looks like "sha256:" and 64 hexadecimal digits`)

func checkDigest(s string) error {
	algorithm, digits, _ := strings.Cut(s, ":")
	size := map[string]int{"sha256": 64, "sha512": 128}[algorithm]
	if size == 0 || len(digits) != size || strings.Trim(digits, "0123456789abcdef") != "" {
		return errDigest
	}
	return nil
}
