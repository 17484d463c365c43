package httpserver

import (
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"
)

// A Front answers from the moment when the address is open: with 503 until the service
// is ready, and with the probes of load balancers.
//
//	GET /livez   200 while the process runs
//	GET /readyz  200 while scans are answered and the service is not shutting down
type Front struct {
	handler  atomic.Pointer[http.Handler]
	draining atomic.Bool
}

// Ready passes requests on to h from now on.
func (f *Front) Ready(h http.Handler) { f.handler.Store(&h) }

// Drain makes /readyz fail since the service shuts down. Requests are still answered.
func (f *Front) Drain() { f.draining.Store(true) }

func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := f.handler.Load()
	probe := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case probe && r.URL.Path == "/livez":
		WriteJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	case probe && r.URL.Path == "/readyz" && f.draining.Load():
		unavailable(w, "the service is shutting down", "try another instance, or this one after its restart")
	case h == nil:
		unavailable(w, "the service is starting", "assay waits and tries again by itself")
	default:
		(*h).ServeHTTP(w, r)
	}
}

// unavailable answers before the service is ready, or when it shuts down.
func unavailable(w http.ResponseWriter, what, hint string) {
	w.Header().Set("Retry-After", retryAfter(time.Second+rand.N(2*time.Second)))
	writeProblem(w, Problem{Status: http.StatusServiceUnavailable, What: what, Hint: hint})
}
