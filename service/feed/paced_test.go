package feed

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// A strict server allows n requests in any window, and refuses others.
type strict struct {
	n       int
	window  time.Duration
	mu      sync.Mutex
	allowed []time.Time
	refused int
}

func (s *strict) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if len(s.allowed) >= s.n && now.Sub(s.allowed[len(s.allowed)-s.n]) < s.window {
		s.refused++
		w.WriteHeader(http.StatusForbidden)
		return
	}
	s.allowed = append(s.allowed, now)
}

func pacedAt(t *testing.T, h http.Handler, n int, window time.Duration) Mirror {
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	m, err := Open(srv.URL, DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	return Paced(m, n, window)
}

// The server counts when a request arrives, a little after it began, so its window is
// shorter.
func TestPaced(t *testing.T) {
	s := &strict{n: 3, window: 20 * time.Millisecond}
	m := pacedAt(t, s, 3, 200*time.Millisecond)
	start := time.Now()
	for range 7 {
		if _, _, err := m.Get(t.Context(), "x", 1, Version{}); err != nil {
			t.Fatal(err)
		}
	}
	if d := time.Since(start); d < 400*time.Millisecond || s.refused > 0 {
		t.Errorf("7 requests in %s, %d refused", d, s.refused)
	}
}

// A server that has counted the requests of others refuses some. They are repeated after a
// window.
func TestRefused(t *testing.T) {
	s := &strict{n: 1, window: 50 * time.Millisecond}
	m := pacedAt(t, s, 5, 60*time.Millisecond)
	for range 2 {
		if _, _, err := m.Get(t.Context(), "x", 1, Version{}); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.allowed) != 2 || s.refused == 0 {
		t.Errorf("%d allowed, %d refused", len(s.allowed), s.refused)
	}
	forbidden := 0
	m = pacedAt(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { forbidden++; w.WriteHeader(http.StatusForbidden) }), 5, time.Millisecond)
	if _, _, err := m.Get(t.Context(), "x", 1, Version{}); !errors.Is(err, ErrForbidden) || forbidden != maxRefused+1 {
		t.Errorf("%v after %d requests", err, forbidden)
	}
}

func TestPacedEnds(t *testing.T) {
	m := pacedAt(t, &strict{n: 9}, 1, time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for range 2 {
		if _, _, err := m.Get(ctx, "x", 1, Version{}); err != nil {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			return
		}
	}
	t.Error("the second request did not wait")
}
