// Package api is the HTTP side of assayd: docs/api.md and docs/openapi.yaml
// say what it answers.
package api

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"time"

	"assay/service/explain"
	"assay/service/scan"
	"assay/service/store"
	"assay/verdict"
)

// A Store is what the API needs of the source of record.
type Store interface {
	TokenByHash(ctx context.Context, hash [sha256.Size]byte) (store.Token, error)
	DeriveToken(ctx context.Context, parent string, hash [sha256.Size]byte, now, expires time.Time) error
	UsedToken(ctx context.Context, id string, at time.Time) error
	KeepScan(ctx context.Context, s store.Scan) (store.Scan, error)
	FindScan(ctx context.Context, id string) (store.Scan, store.Sizes, error)
	ScanVerdict(ctx context.Context, id string) ([]byte, error)
	Scan(ctx context.Context, id string) (store.Scan, error)
	ScansOfCommit(ctx context.Context, commit, project string, limit int) ([]store.Scan, error)
	RecordsOf(ctx context.Context, id string, upTo int64) ([]store.Record, error)
	Sources(ctx context.Context) ([]store.Source, error)
}

// A View is one consistent state of the data; Close lets it go.
type View interface {
	explain.Index
	Data() verdict.Data
	Seq() int64
	// Unreadable is how many records and lists are left out since they cannot be read.
	Unreadable() int
	Close()
}

// A Config is everything that the API is made of.
type Config struct {
	Store Store
	// View opens the state of the data that is served now.
	View func() (View, error)
	// Clients are the binaries to serve; nil serves none.
	Clients *Clients
	// Version is the version of the service, sent with every answer so that a
	// client can tell when it is not of the same.
	Version string
	Judge   scan.Judge
	// PublicURL is the service's own address for people, without a slash at the
	// end; it is never taken from a request.
	PublicURL string
	Rate      Rate
	// Causes are further reasons why the service is degraded; may be nil.
	Causes func() []Cause
	// Memory is what requests may use; nil is DefaultMemory.
	Memory *Memory
	// BodyStart is the time for the first bytes of a body; zero is ten seconds.
	BodyStart time.Duration
	Now       func() time.Time
	Log       *slog.Logger
}

// Bounds of what is done at once.
const (
	minSlots   = 8                // requests that compute
	maxWaiting = 1024             // requests that wait for a slot or for memory
	patience   = 15 * time.Second // for which they wait
	maxReading = 4096             // bodies that are being read
)

type api struct {
	Config
	limits    *limits
	ended     endedTokens
	spread    *spread
	reading   *budget // bodies that are being read
	bodies    *budget // bytes of bodies, as sent
	slots     *budget // requests that compute
	memory    *budget // bytes that they compute with
	keeping   keeping
	buffers   sync.Pool // of *buffers
	bodyStart time.Duration
}

// New returns the handler of everything under the public address.
func New(c Config) http.Handler {
	if c.Clients == nil {
		c.Clients = &Clients{}
	}
	if c.Memory == nil {
		c.Memory = NewMemory(DefaultMemory)
	}
	if c.BodyStart == 0 {
		c.BodyStart = bodyStart
	}
	slots := max(minSlots, 2*int64(runtime.GOMAXPROCS(0)))
	a := &api{
		Config: c, limits: newLimits(c.Rate), spread: newSpread(c.Now), bodyStart: c.BodyStart,
		reading: newBudget(maxReading, maxReading/2, 0, 0),
		bodies:  c.Memory.bodies,
		slots:   newBudget(slots, slots/2, maxWaiting, patience),
		memory:  c.Memory.work,
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", a.health)
	mux.HandleFunc("GET /readyz", a.ready)
	mux.HandleFunc("POST /api/v1/scans", a.authenticated("scan", a.postScan))
	mux.HandleFunc("GET /api/v1/scans/{id}", a.authenticated("", a.getScan))
	mux.HandleFunc("GET /api/v1/scans/{id}/report", a.authenticated("", a.getReport))
	mux.HandleFunc("GET /api/v1/scans/{id}/explain", a.authenticated("", a.getExplain))
	mux.HandleFunc("GET /api/v1/passed", a.authenticated("", a.getPassed))
	mux.HandleFunc("GET /api/v1/token", a.authenticated("", a.getToken))
	a.downloads(mux)
	a.generators(mux)
	return a.logged(a.routed(mux))
}

// routed answers what mux does not serve as every other error is answered.
func (a *api) routed(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		var answer unserved // by mux itself: 404, or 405 with the methods allowed
		h.ServeHTTP(&answer, r)
		p := a.unknown(r.URL.Path)
		if answer.status == http.StatusMethodNotAllowed {
			allow := answer.Header().Get("Allow")
			w.Header().Set("Allow", allow)
			p = problem{answer.status, fmt.Sprintf("%s is not served at %q", r.Method, r.URL.Path), "use " + allow}
		}
		a.refuse(w, r, p)
	})
}

// unserved keeps the status and the header of an answer and drops its body.
type unserved struct {
	header http.Header
	status int
}

func (u *unserved) Header() http.Header {
	if u.header == nil {
		u.header = http.Header{}
	}
	return u.header
}
func (u *unserved) Write(b []byte) (int, error) { return len(b), nil }
func (u *unserved) WriteHeader(status int)      { u.status = status }

// A problem is an answer that is not a verdict: what, and the next step.
type problem struct {
	status     int
	what, hint string
}

func (p problem) Error() string { return p.what }

// refuse writes an error as docs/api.md describes it.
func (a *api) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p, ok := errors.AsType[problem](err)
	if !ok {
		a.Log.Error("request failed", "method", r.Method, "path", r.URL.Path, "err", err)
		p = problem{http.StatusInternalServerError, "the service could not answer", "its log says why; tell whoever runs it"}
	}
	writeJSON(w, p.status, map[string]string{"error": p.what, "hint": p.hint})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil { // only types of this program come here
		http.Error(w, `{"error":"internal"}`, http.StatusInternalServerError)
		return
	}
	writeBody(w, status, "application/json", b)
}

func writeBody(w http.ResponseWriter, status int, contentType string, b []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", fmt.Sprint(len(b)))
	w.WriteHeader(status)
	w.Write(b) //nolint:errcheck // the peer has gone; nobody is left to tell
}

// send answers with what may be large. Who reads it slowly holds its memory only for
// so long.
func (a *api) send(w http.ResponseWriter, contentType string, b []byte) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(min(sendTime, sendStart+time.Duration(len(b))*time.Second/bodyRate)))
	writeBody(w, http.StatusOK, contentType, b)
}

const (
	sendStart = 10 * time.Second
	sendTime  = 2 * time.Minute
)

// A Cause is why the service is degraded: scans are answered, and somebody should
// look.
type Cause struct {
	Rule string `json:"rule"` // a stable word
	Text string `json:"text"`
}

// health tells whether scans can be answered, and what is wrong although they can.
func (a *api) health(w http.ResponseWriter, r *http.Request) {
	v, err := a.View()
	if err != nil {
		a.refuse(w, r, a.noData(w, err))
		return
	}
	defer v.Close()
	d := v.Data()
	causes := a.keeping.causes()
	if n := v.Unreadable(); n > 0 {
		causes = append(causes, Cause{CauseUnreadable, fmt.Sprintf("%d records or lists cannot be read, and nothing is judged by them; assayd's log named them when they were taken in", n)})
	}
	if d.Records == 0 {
		causes = append(causes, Cause{CauseEmpty, "there are no advisories: every scan ends with code 5"})
	}
	if step, cause := Stale(d, a.Judge.MaxAge, a.Now()); step > 0 {
		causes = append(causes, cause)
	}
	if a.Causes != nil {
		causes = append(causes, a.Causes()...)
	}
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
	writeJSON(w, http.StatusOK, answer)
}

// ready tells a load balancer whether scans can be answered now.
func (a *api) ready(w http.ResponseWriter, r *http.Request) {
	v, err := a.View()
	if err != nil {
		a.refuse(w, r, a.noData(w, err))
		return
	}
	v.Close()
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// noData is the answer when the index cannot be read.
func (a *api) noData(w http.ResponseWriter, err error) error {
	w.Header().Set("Retry-After", retryAfter(a.spread.after(0)))
	a.Log.Error("no data is served", "err", err)
	return problem{http.StatusServiceUnavailable, "no data is served", "assayd's log says why"}
}

// logged writes one line for each request, without any secret.
func (a *api) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := a.Now()
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		if a.Version != "" {
			w.Header().Set("Assay-Version", a.Version)
		}
		next.ServeHTTP(rec, r)
		a.Log.Info("request", "method", unsecret(r.Method), "path", unsecret(r.URL.Path), "status", rec.status,
			"token", rec.token, "scan", rec.scan, "took", a.Now().Sub(start).Round(time.Microsecond))
	})
}

// A recorder remembers what the log tells of a request.
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
