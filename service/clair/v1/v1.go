// Package v1 is the API of Clair 2 (https://github.com/quay/clair, api/v1 of its branch
// release-2.0), for clients that were written for it, and the calls of a script that users
// have for Clair. docs/clair.md describes both.
//
//	POST   /v1/layers                        takes a layer
//	GET    /v1/layers/NAME                   what the layers up to this one install
//	DELETE /v1/layers/NAME
//	GET    /v1/namespaces                    distributions and languages with advisories
//	GET    /v1/namespaces/N/vulnerabilities  the advisories of one
//	GET    /v1/layers?Name=IMAGE             the script: the layers of an image
//	POST   /v1/analyze                       the script: evaluates the image of a layer
//	GET    /v1/analyze/IMAGE                 the script: its vulnerabilities
//
// What was not evaluated is an error, never an empty list.
package v1

import (
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"assay/service/httpserver"
	"assay/service/image"
	"assay/service/index"
	layers "assay/service/layer"
	"assay/service/layer/source"
	"assay/service/store"
)

// A Store is what the API needs of store.Store.
type Store interface {
	FindScan(ctx context.Context, id string) (store.Scan, store.Sizes, error)
	Scan(ctx context.Context, id string) (store.Scan, error)
	RecordsOf(ctx context.Context, id string, upTo int64) ([]store.Record, error)
}

// Records keeps records about images; image.Records implements it.
type Records interface {
	Put(ctx context.Context, rec image.Record) error
	Get(ctx context.Context, kind, project, key string) (image.Record, error)
	Delete(ctx context.Context, kind, project, key string) error
	Start(ctx context.Context, rec image.Record) (*image.Work, error)
}

// A Scanner evaluates images; image.Scanner implements it.
type Scanner interface {
	Scan(ctx context.Context, t store.Token, img layers.Image, o image.Options) (image.Scanned, error)
	Again(ctx context.Context, t store.Token, kept store.Scan) (image.Scanned, error)
}

// A Source finds layers; source.Fetcher implements it. It refuses addresses that a client may
// not make the service read.
type Source interface {
	Registry(ctx context.Context, r source.Request) (layers.Image, error)
	URLs(img string, urls []source.URL) (layers.Image, error)
}

// A View is one state of the advisories, until Close.
type View interface {
	// Ecosystems returns the ecosystems with advisories, sorted.
	Ecosystems() ([]string, error)
	// Advisories returns the ids of advisories about packages of ecosystems, sorted, after an
	// id, at most limit. next continues the list, and is empty at its end. It reads a bounded
	// part of the data, so that a list may end early.
	Advisories(ecosystems []string, after string, limit int) (ids []string, next string, err error)
	Vulnerabilities(id string) ([]index.Vulnerability, error)
	Referrers(id string) ([]string, error)
	Mentions(id string) ([]string, error)
	Seq() int64
	Close()
}

// A Config configures the API.
type Config struct {
	Store   Store
	Records Records
	Scanner Scanner
	Source  Source
	View    func() (View, error)
	Cache   *Cache
	// Folder is the folder from which layers may be read by their paths; empty: none.
	Folder string
	// Anonymous is the project as which requests without a token act; empty: they are refused.
	Anonymous string
	// Local: requests without a token are accepted only if they name this machine as their
	// host, so that a web page cannot send them from the browser of somebody on it.
	Local bool
	// Limits bound the images.
	Limits layers.Limits
	Now    func() time.Time
	Log    *slog.Logger

	wait time.Duration // how long a request for a running analysis waits; zero: waitTime
}

const (
	// waitTime is how long a request of the script waits for an evaluation.
	waitTime = 30 * time.Second
	// answerTime is the time for a request that fetches or evaluates layers.
	answerTime = 20 * time.Minute
	// endTime bounds the writing of the result of an evaluation.
	endTime = 30 * time.Second
	// pollTime is how often a record that another process works on is read.
	pollTime = 250 * time.Millisecond
)

// A Service answers the API.
type Service struct {
	Config
	server *httpserver.Server
	ctx    context.Context // ends evaluations
	end    context.CancelFunc
	work   sync.WaitGroup
	fetch  *httpserver.Queue
	waits  gate
	kept   answers
}

// Handle adds the handlers of the API to a server. Stop ends what they have started.
func Handle(s *httpserver.Server, c Config) *Service {
	c.wait = cmp.Or(c.wait, waitTime)
	h := &Service{Config: c, server: s, fetch: httpserver.NewQueue(maxFetches, maxFetching, fetchPatience), waits: newGate(maxWaits), kept: answers{now: c.Now}}
	h.ctx, h.end = context.WithCancel(context.Background())
	h.handle("POST /v1/layers", h.postLayer)
	h.handle("GET /v1/layers", h.listLayers)
	h.handle("GET /v1/layers/{name}", h.getLayer)
	h.handle("DELETE /v1/layers/{name}", h.deleteLayer)
	h.handle("GET /v1/namespaces", h.getNamespaces)
	h.handle("GET /v1/namespaces/{namespace}/vulnerabilities", h.getVulnerabilities)
	h.handle("GET /v1/namespaces/{namespace}/vulnerabilities/{vulnerability}", h.getVulnerability)
	h.handle("GET /v1/namespaces/{namespace}/vulnerabilities/{vulnerability}/fixes", h.getFixes)
	for _, pattern := range []string{
		"POST /v1/namespaces/{namespace}/vulnerabilities",
		"PUT /v1/namespaces/{namespace}/vulnerabilities/{vulnerability}",
		"DELETE /v1/namespaces/{namespace}/vulnerabilities/{vulnerability}",
		"PUT /v1/namespaces/{namespace}/vulnerabilities/{vulnerability}/fixes/{fix}",
		"DELETE /v1/namespaces/{namespace}/vulnerabilities/{vulnerability}/fixes/{fix}",
	} {
		h.handle(pattern, readOnly)
	}
	h.handle("GET /v1/notifications/{notification}", noNotification)
	h.handle("DELETE /v1/notifications/{notification}", noNotification)
	h.handle("GET /v1/metrics", ping)
	h.handle("POST /v1/analyze", h.postAnalyze)
	h.handleUnlimited("GET /v1/analyze/{image...}", h.getAnalyze)
	s.HandleNotFound(func(path string) (httpserver.Problem, bool) {
		return httpserver.Problem{Status: http.StatusNotFound, What: fmt.Sprintf("nothing is served at %q", path), Hint: "this address has the API of Clair 1; the others are at --listen"}, true
	})
	return h
}

// Stop ends the evaluations that run, and waits for them.
func (h *Service) Stop() {
	h.end()
	h.work.Wait()
}

// handle adds a handler for requests with a token that may scan.
func (h *Service) handle(pattern string, f httpserver.Handler) {
	h.server.Handle(pattern, h.authenticated(f, true))
}

// handleUnlimited adds a handler whose requests do not count towards the rate of a token.
func (h *Service) handleUnlimited(pattern string, f httpserver.Handler) {
	h.server.Handle(pattern, h.authenticated(f, false))
}

func (h *Service) authenticated(f httpserver.Handler, limited bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "clair")
		t, err := h.token(w, r)
		if err == nil && limited {
			err = h.server.Limit(t.ID, "with this token")
		}
		if err == nil {
			err = httpserver.RequireScope(t, httpserver.ScopeScan)
		}
		if err == nil && t.Derived {
			err = httpserver.Problem{Status: http.StatusForbidden, What: "a token of a build's generator may not read images", Hint: "use the token that it was made from"}
		}
		if err == nil {
			err = f(w, r, t)
		}
		if err != nil {
			h.refuse(w, r, err)
		}
	}
}

// token returns the token of a request: a bearer token, or the password of Basic
// authentication, with any user name. A request without either is that of the anonymous
// project, if there is one.
func (h *Service) token(w http.ResponseWriter, r *http.Request) (store.Token, error) {
	const hintToken = "send Basic authentication with a token as the password, or a bearer token"
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case scheme == "" && h.Anonymous != "":
		if err := h.mayBeAnonymous(r); err != nil {
			return store.Token{}, err
		}
		t := store.Token{ID: "clair-anonymous", Name: "clair-anonymous", Scopes: []string{httpserver.ScopeScan}, Project: h.Anonymous}
		httpserver.LogToken(w, t)
		return t, nil
	case strings.EqualFold(scheme, "Basic"):
		_, secret, _ = r.BasicAuth()
	case !strings.EqualFold(scheme, "Bearer"):
		secret = ""
	}
	return h.server.Identify(w, r, secret, hintToken)
}

// mayBeAnonymous returns an error for a request without a token that a web page may have sent.
func (h *Service) mayBeAnonymous(r *http.Request) error {
	site := r.Header.Get("Sec-Fetch-Site")
	if r.Header.Get("Origin") != "" || site != "" && site != "none" {
		return httpserver.Problem{Status: http.StatusForbidden, What: "a web page sent this request without a token", Hint: "send a token"}
	}
	if !h.Local {
		return nil
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if ip := net.ParseIP(strings.Trim(host, "[]")); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return httpserver.Problem{Status: http.StatusForbidden, What: fmt.Sprintf("requests without a token are accepted for localhost only, and not for %.100q", host), Hint: "send a token, or start assayd with --clair-anonymous PROJECT"}
	}
	return nil
}

// refuse answers with an error in the form of Clair.
func (h *Service) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := h.server.ProblemOf(w, r, image.Problem(err))
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="assay"`)
	}
	write(w, r, p.Status, errorEnvelope{&apiError{textOf(p)}})
}

// textOf returns a Problem as one text. Clair's errors have no hint.
func textOf(p httpserver.Problem) string {
	if p.Hint == "" {
		return p.What
	}
	return p.What + "; " + p.Hint
}

// write answers as Clair does.
func write(w http.ResponseWriter, r *http.Request, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil { // a mistake in this program
		http.Error(w, `{"Error":{"Message":"internal"}}`, http.StatusInternalServerError)
		return
	}
	head := w.Header()
	head.Set("Content-Type", "application/json;charset=utf-8")
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(2 * time.Minute))
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		head.Set("Content-Length", fmt.Sprint(len(text)+1))
		w.WriteHeader(status)
		_, _ = w.Write(append(text, '\n')) // an error means that the client has gone
		return
	}
	head.Set("Content-Encoding", "gzip")
	w.WriteHeader(status)
	zip := gzip.NewWriter(w)
	_, _ = zip.Write(append(text, '\n'))
	_ = zip.Close()
}

// maxBody bounds the body of a request, as Clair does.
const maxBody = 1 << 20

// read decodes the body of a request. Unknown fields are ignored, as Clair does.
func read(w http.ResponseWriter, r *http.Request, to any) error {
	c := http.NewResponseController(w)
	// In tests without a connection there are no deadlines.
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
	err := json.NewDecoder(io.LimitReader(r.Body, maxBody)).Decode(to)
	_ = c.SetReadDeadline(time.Time{})
	_ = c.SetWriteDeadline(time.Now().Add(answerTime))
	if err != nil {
		return httpserver.Problem{Status: http.StatusBadRequest, What: err.Error()}
	}
	return nil
}

// notFound is Clair's error for something that does not exist. why may be empty.
func notFound(why string) error {
	return httpserver.Problem{Status: http.StatusNotFound, What: "the resource cannot be found", Hint: why}
}

func badRequest(text string) error {
	return httpserver.Problem{Status: http.StatusBadRequest, What: text}
}

func readOnly(http.ResponseWriter, *http.Request, store.Token) error {
	return httpserver.Problem{Status: http.StatusMethodNotAllowed, What: "vulnerabilities cannot be changed by this API", Hint: "assayd import takes records of your own, and a policy accepts findings"}
}

func noNotification(http.ResponseWriter, *http.Request, store.Token) error {
	return notFound("assayd sends no notifications of Clair 1")
}

// ping answers clients that ask for the metrics of Clair to see whether it is there.
func ping(w http.ResponseWriter, _ *http.Request, _ store.Token) error {
	httpserver.WriteBody(w, http.StatusOK, "text/plain; version=0.0.4", []byte("# the metrics of assayd are at --metrics-listen\n"))
	return nil
}

// A gate bounds how many requests do something at once. One project has at most half of it.
type gate struct {
	mu   *sync.Mutex
	free int
	used map[string]int
	most int
}

func newGate(n int) gate {
	return gate{mu: new(sync.Mutex), free: n, used: map[string]int{}, most: max(1, n/2)}
}

// enter takes a place, and reports whether there was one.
func (g *gate) enter(project string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.free == 0 || g.used[project] >= g.most {
		return false
	}
	g.free--
	g.used[project]++
	return true
}

func (g *gate) leave(project string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.free++
	if g.used[project]--; g.used[project] == 0 {
		delete(g.used, project)
	}
}

// Bounds of what is done at once.
const (
	maxFetches    = 8               // layers that are fetched
	maxFetching   = 256             // requests that wait for that
	maxWaits      = 1024            // requests that wait for an evaluation
	fetchPatience = 2 * time.Minute // how long a request waits for its turn to fetch
)
