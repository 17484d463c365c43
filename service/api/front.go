package api

import (
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"
)

// A Front stands before the service from the moment when its address is open: it
// answers 503 until the service is ready, and tells those who route requests when
// they should send some.
//
//	GET /livez   200 as long as the process answers
//	GET /readyz  200 while scans are answered and the service is not ending
type Front struct {
	handler  atomic.Pointer[http.Handler]
	draining atomic.Bool
}

// Ready lets requests through to h, which New returned.
func (f *Front) Ready(h http.Handler) { f.handler.Store(&h) }

// Drain says that the service ends; requests are still answered.
func (f *Front) Drain() { f.draining.Store(true) }

func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := f.handler.Load()
	probe := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case probe && r.URL.Path == "/livez":
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	case probe && r.URL.Path == "/readyz" && f.draining.Load():
		unavailable(w, "the service is shutting down", "try another instance, or this one after its restart")
	case h == nil:
		unavailable(w, "the service is starting", "assay waits and tries again by itself")
	default:
		(*h).ServeHTTP(w, r)
	}
}

// unavailable is an answer of before the service is ready, or after.
func unavailable(w http.ResponseWriter, what, hint string) {
	w.Header().Set("Retry-After", retryAfter(time.Second+rand.N(2*time.Second)))
	writeJSON(w, http.StatusServiceUnavailable, map[string]string{"error": what, "hint": hint})
}
