// Package httpserver is the HTTP server of assayd without its handlers. It routes
// and logs requests, authenticates tokens, bounds what requests may use (rate,
// connections, body sizes, memory, computing slots), and writes errors in one form.
// Other packages, such as service/api, add the handlers.
package httpserver

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"assay/service/store"
)

// Tokens is what the server needs of the store.
type Tokens interface {
	// TokenByHash and UsedToken are those of store.Tokens.
	TokenByHash(ctx context.Context, hash [sha256.Size]byte) (store.Token, error)
	UsedToken(ctx context.Context, id string, at time.Time) error
}

// A SignIn accepts the JWT of a pipeline in place of a token.
type SignIn interface {
	Token(ctx context.Context, jwt string) (store.Token, error)
}

// A Config configures a Server.
type Config struct {
	Tokens Tokens
	// SignIn accepts JWTs; nil accepts none.
	SignIn SignIn
	// Version is the version of the service. It is sent with every response, so that
	// a client can warn if its own version differs. Empty: it is not sent.
	Version string
	Rate    Rate
	// Memory is what requests may use; nil is NewMemory(DefaultMemory).
	Memory *Memory
	// BodyStart is the time for the first bytes of a body; zero is ten seconds.
	BodyStart time.Duration
	// Observe, if set, is called after each answer with the pattern of its handler,
	// empty for none, and the time that it took.
	Observe func(route string, status int, took time.Duration)
	// Shed, if set, is called with the reason for each request that is refused and may be
	// sent again: ShedRate, ShedBusy or ShedUnavailable.
	Shed func(reason string)
	Now  func() time.Time
	Log  *slog.Logger
}

// Reasons why a request is refused although the client may send it again.
const (
	ShedRate        = "rate"        // too many requests with its token
	ShedBusy        = "busy"        // no slot or memory within the time
	ShedUnavailable = "unavailable" // no data is served, or the database does not answer
)

// Bounds of what is done at once.
const (
	minSlots   = 8                // requests that compute
	maxWaiting = 1024             // requests that wait for a slot or for memory
	patience   = 15 * time.Second // how long they wait
	maxReading = 4096             // bodies that are being read
)

// A Server is an http.Handler.
type Server struct {
	Config
	mux      *http.ServeMux
	handler  http.Handler
	notFound func(path string) (Problem, bool)

	limits *limits
	spread *spread

	reading *budget // bodies that are being read
	bodies  *budget // bytes of bodies, as sent
	slots   *budget // requests that compute
	memory  *budget // bytes that they compute with

	ended   lineLimit // by token: requests with an ended token
	limited lineLimit // by token: requests over its rate
	unnoted lineLimit // uses of tokens that could not be written
	refused lineLimit // JWTs that were not accepted

	recorded lineLimit // by token: refusals in the audit trail
}

// New returns a server without handlers.
func New(c Config) *Server {
	if c.Memory == nil {
		c.Memory = NewMemory(DefaultMemory)
	}
	if c.BodyStart == 0 {
		c.BodyStart = bodyStart
	}
	slots := max(minSlots, 2*int64(runtime.GOMAXPROCS(0)))
	s := &Server{
		Config: c, mux: http.NewServeMux(), limits: newLimits(c.Rate), spread: newSpread(c.Now),
		reading: newBudget(maxReading, maxReading/2, 0, 0),
		bodies:  c.Memory.bodies,
		slots:   newBudget(slots, slots/2, maxWaiting, patience),
		memory:  c.Memory.work,
		ended:   lineLimit{burst: 10},
		limited: lineLimit{burst: 10},
		unnoted: lineLimit{burst: 1},
		refused: lineLimit{burst: 10},

		recorded: lineLimit{burst: 10},
	}
	s.handler = s.logged(http.HandlerFunc(s.route))
	return s
}

// Beside returns a server without handlers for another listener. Its requests use the limits
// of s: a token has one rate, and all requests have one memory.
func (s *Server) Beside() *Server {
	b := New(s.Config)
	b.limits, b.spread = s.limits, s.spread
	b.reading, b.bodies, b.slots, b.memory = s.reading, s.bodies, s.slots, s.memory
	return b
}

// A LimitUse says how much of a limit requests use.
type LimitUse struct {
	Name        string // "slots", or "memory" and "bodies" in bytes
	Used, Total int64
	Waiting     int // requests that wait for it
}

// Limits returns what requests use now.
func (s *Server) Limits() []LimitUse {
	var list []LimitUse
	for _, l := range []struct {
		name   string
		budget *budget
	}{{"slots", s.slots}, {"memory", s.memory}, {"bodies", s.bodies}} {
		list = append(list, LimitUse{l.name, l.budget.usedNow(), l.budget.total, l.budget.queue()})
	}
	return list
}

// Handle adds a handler for a pattern of http.ServeMux.
func (s *Server) Handle(pattern string, h http.HandlerFunc) { s.mux.HandleFunc(pattern, h) }

// HandleNotFound sets a function that is asked for a better answer than the usual
// 404 for a path that no handler serves.
func (s *Server) HandleNotFound(f func(path string) (Problem, bool)) { s.notFound = f }

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// route calls the handler of a request. If there is none, it answers in the form
// of all other errors, which http.ServeMux does not.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	h, pattern := s.mux.Handler(r)
	if pattern != "" {
		s.mux.ServeHTTP(w, r)
		return
	}
	var answer unserved // of the mux: 404, or 405 with the methods allowed
	h.ServeHTTP(&answer, r)
	if answer.status == http.StatusMethodNotAllowed {
		allow := answer.Header().Get("Allow")
		w.Header().Set("Allow", allow)
		s.Refuse(w, r, Problem{Status: answer.status, What: fmt.Sprintf("%s is not served at %q", r.Method, r.URL.Path), Hint: "use " + allow})
		return
	}
	p, ok := Problem{}, false
	if s.notFound != nil {
		p, ok = s.notFound(r.URL.Path)
	}
	if !ok {
		p = Problem{Status: http.StatusNotFound, What: fmt.Sprintf("nothing is served at %q", r.URL.Path), Hint: "docs/api.md lists what is"}
	}
	s.Refuse(w, r, p)
}

// unserved keeps the status and the header of a response and drops its body.
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
