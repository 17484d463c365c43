// Package api has the HTTP handlers of assayd. docs/api.md and docs/openapi.yaml
// describe them.
package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"assay/service/explain"
	"assay/service/httpserver"
	"assay/service/links"
	"assay/service/match"
	"assay/service/policy/ruleset"
	"assay/service/scan"
	"assay/service/store"
	"assay/service/tokens"
	"assay/verdict"
)

// A Store is what the API needs of store.Store.
type Store interface {
	tokens.Store
	store.Files
	Events(ctx context.Context, f store.EventFilter) ([]store.Event, error)
	DeriveToken(ctx context.Context, parent string, hash [sha256.Size]byte, scopes []string, now, expires time.Time) error
	KeepScan(ctx context.Context, s store.Scan) (store.Scan, error)
	FindScan(ctx context.Context, id string) (store.Scan, store.Sizes, error)
	ScanVerdict(ctx context.Context, id string) ([]byte, error)
	Scan(ctx context.Context, id string) (store.Scan, error)
	PassedScan(ctx context.Context, project, ref string, before time.Time) (store.Scan, store.Sizes, error)
	FilterScans(ctx context.Context, f store.ScanFilter) ([]store.ListedScan, string, error)
	ScansOfCommit(ctx context.Context, commit, project string, limit int) ([]store.Scan, error)
	RecordsOf(ctx context.Context, id string, upTo int64) ([]store.Record, error)
	Sources(ctx context.Context) ([]store.Source, error)
	Ready(ctx context.Context) error
}

// A View is one consistent state of the data, until Close.
type View interface {
	explain.Index
	// Memo is what the matcher remembers of this state, or nil.
	Memo() *match.Memo
	Data() verdict.Data
	Seq() int64
	// Unreadable returns how many records and lists are left out because they cannot be
	// read.
	Unreadable() int
	Close()
}

// A Config configures the API.
type Config struct {
	Store Store
	// View opens the state of the data that is served now.
	View func() (View, error)
	// Clients are the binaries to serve; nil serves none.
	Clients   *Clients
	Evaluator scan.Evaluator
	// Policy returns the policy of the service, which may be nil.
	Policy func(context.Context) (*ruleset.Policy, error)
	// PublicURL is the address of the service for people, without a slash at the end.
	// It is never taken from a request.
	PublicURL string
	// Links makes the links to reports; nil makes none.
	Links *links.Links
	// Version is the version of assayd, for reports.
	Version string
	// SignIn exchanges JWTs for tokens; nil does not.
	SignIn SignIn
	// Scanned, if set, is called with the outcome of each verdict that is sent.
	Scanned func(verdict.Outcome)
	// Timed, if set, is called with the time that each stage of a scan took: the Stage…
	// constants of this package and of package scan.
	Timed func(stage string, took time.Duration)
	// Causes returns further reasons why the service is degraded; may be nil.
	Causes func() []Cause
	Now    func() time.Time
	Log    *slog.Logger
}

type api struct {
	Config
	tokens     *tokens.Manager
	server     *httpserver.Server
	keeping    keeping
	references scan.References
	buffers    sync.Pool // of *buffers
}

// Stages of a scan before and after its evaluation.
const (
	StageQueue  = "queue"  // waiting for a slot and for memory
	StageDecode = "decode" // decompressing and decoding the document
	StageStore  = "store"  // storing the scan
)

// An API is what Handle has added to a server.
type API struct{ api *api }

// Handle adds the handlers of the API to a server.
func Handle(s *httpserver.Server, c Config) *API {
	if c.Clients == nil {
		c.Clients = &Clients{}
	}
	c.Evaluator.Timed = c.Timed
	a := &api{Config: c, server: s, tokens: &tokens.Manager{Store: c.Store, Now: c.Now, Random: rand.Reader, Scopes: httpserver.Scopes()}}
	a.references.Store = c.Store
	s.Handle("GET /healthz", a.health)
	s.Handle("GET /readyz", a.ready)
	s.HandleAuthenticated("POST /api/v1/scans", httpserver.ScopeScan, a.postScan)
	s.HandleAuthenticated("GET /api/v1/scans", "", a.getScans)
	s.HandleAuthenticated("GET /api/v1/scans/{id}", "", a.getScan)
	s.Handle("GET /api/v1/scans/{id}/report", a.forBrowser(s.Authenticated("", a.getReport)))
	s.HandleAuthenticated("DELETE /api/v1/scans/{id}/link", "", a.deleteLink)
	s.HandleAuthenticated("GET /api/v1/scans/{id}/explain", "", a.getExplain)
	s.HandleAuthenticated("GET /api/v1/passed", "", a.getPassed)
	s.HandleAuthenticated("GET /api/v1/token", "", a.getToken)
	s.Handle("POST /api/v1/token", a.postToken)
	s.HandleAuthenticated("GET /api/v1/tokens", httpserver.ScopeAdmin, a.getTokens)
	s.HandleAuthenticated("POST /api/v1/tokens", "", a.postTokens) // which records a refusal
	s.HandleAuthenticated("DELETE /api/v1/tokens/{token}", "", a.deleteToken)
	s.HandleAuthenticated("GET /api/v1/audit", httpserver.ScopeAdmin, a.getAudit)
	a.downloads()
	a.generators()
	return &API{a}
}

// Causes returns why the service is degraded. The error means that no data is served.
func (h *API) Causes() ([]Cause, error) {
	v, err := h.api.View()
	if err != nil {
		return nil, err
	}
	defer v.Close()
	return h.api.causes(v), nil
}

// timed reports the time that a stage took.
func (a *api) timed(stage string, took time.Duration) {
	if a.Timed != nil {
		a.Timed(stage, took)
	}
}

// A Cause is a reason why the service is degraded: it answers scans, and needs
// attention.
type Cause struct {
	Rule string `json:"rule"` // a stable identifier
	Text string `json:"text"`
}

// causes returns why the service is degraded.
func (a *api) causes(v View) []Cause {
	d := a.Evaluator.Whole(v.Data())
	causes := a.keeping.causes()
	if n := v.Unreadable(); n > 0 {
		causes = append(causes, Cause{CauseUnreadable, fmt.Sprintf("%d records or lists cannot be read and are not used; assayd's log named them when they were imported", n)})
	}
	if d.Records == 0 {
		causes = append(causes, Cause{CauseEmpty, "there are no advisories: every scan ends with code 5"})
	}
	if step, cause := Stale(d, a.Evaluator.MaxAge, a.Now()); step > 0 {
		causes = append(causes, cause)
	}
	if a.Causes != nil {
		causes = append(causes, a.Causes()...)
	}
	return causes
}

// health reports whether scans can be answered, and what is wrong although they can.
func (a *api) health(w http.ResponseWriter, r *http.Request) {
	v, err := a.View()
	if err != nil {
		a.server.Refuse(w, r, a.noData(err))
		return
	}
	defer v.Close()
	d, causes := v.Data(), a.causes(v)
	answer := struct {
		Status   string    `json:"status"`
		Causes   []Cause   `json:"causes,omitempty"`
		Snapshot string    `json:"snapshot"`
		Records  int       `json:"records"`
		Updated  time.Time `json:"updated"`
	}{"ok", causes, d.Snapshot, d.Records, d.Updated}
	if len(causes) > 0 {
		answer.Status = "degraded"
	}
	httpserver.WriteJSON(w, http.StatusOK, answer)
}

// ready reports to a load balancer whether scans can be answered now.
func (a *api) ready(w http.ResponseWriter, r *http.Request) {
	v, err := a.View()
	if err != nil {
		a.server.Refuse(w, r, a.noData(err))
		return
	}
	v.Close()
	if err := a.Store.Ready(r.Context()); err != nil {
		a.server.Refuse(w, r, err)
		return
	}
	httpserver.WriteJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// noData is the error of a request while the index cannot be read.
func (a *api) noData(err error) error {
	a.Log.Error("no data is served", "err", err)
	return a.server.Unavailable("no data is served", "assayd's log says why")
}
