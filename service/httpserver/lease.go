package httpserver

import (
	"context"
	"errors"
	"net/http"
	"time"

	"assay/service/store"
)

// A Lease is what one request holds of a limit of the server. It is for one
// goroutine. Its errors are Problems that can be answered as they are.
type Lease struct {
	server *Server
	budget *budget
	owner  string
	n      int64
	waited time.Duration
}

// Waited returns how long the request has waited for the lease.
func (l *Lease) Waited() time.Duration { return l.waited }

func (s *Server) lease(b *budget, owner string) *Lease {
	return &Lease{server: s, budget: b, owner: owner}
}

// ownerOf returns whose share a token takes from: that of its project, which all tokens
// of the project have in common, or its own where it is for every project. The project
// that a client names does not count: it could name another for each request.
func ownerOf(t store.Token) string {
	if t.Project != "" {
		return "project " + t.Project
	}
	return t.ID
}

// BodyMemory returns an empty lease on the memory for bodies that are being read.
func (s *Server) BodyMemory(t store.Token) *Lease { return s.lease(s.bodies, ownerOf(t)) }

// WorkMemory returns an empty lease on the memory for computing an answer.
func (s *Server) WorkMemory(t store.Token) *Lease { return s.lease(s.memory, ownerOf(t)) }

// Slot waits until a request may compute. The caller frees the lease.
func (s *Server) Slot(ctx context.Context, t store.Token) (*Lease, error) {
	l := s.lease(s.slots, ownerOf(t))
	return l, l.Reserve(ctx, 1)
}

var tooMuchMemory = Problem{Status: http.StatusRequestEntityTooLarge,
	What: "the request needs more memory than this service may use", Hint: hintSmaller + ", or give assayd more with --memory"}

// Reserve makes an empty lease n, and waits until that is free.
func (l *Lease) Reserve(ctx context.Context, n int64) error {
	err := l.acquire(ctx, n)
	switch {
	case errors.Is(err, errNever):
		return tooMuchMemory
	case errors.Is(err, errBusy):
		return l.server.Busy(l.budget.queue())
	}
	return err
}

// Grow makes the lease n larger without waiting.
func (l *Lease) Grow(n int64) error { return l.atLeast(l.n + n) }

func (l *Lease) atLeast(n int64) error {
	switch {
	case n > l.budget.total:
		return tooMuchMemory
	case !l.Resize(n):
		return l.server.Busy(l.budget.queue())
	}
	return nil
}

// acquire makes an empty lease n, waiting as the budget does.
func (l *Lease) acquire(ctx context.Context, n int64) error {
	start := time.Now()
	err := l.budget.acquire(ctx, l.owner, n)
	l.waited += time.Since(start)
	if err != nil {
		return err
	}
	l.n = n
	return nil
}

// Resize makes the lease n without waiting, and reports whether it did. Making it
// smaller always succeeds.
func (l *Lease) Resize(n int64) bool {
	switch more := n - l.n; {
	case more > 0 && !l.budget.grow(l.owner, l.n, more):
		return false
	case more < 0:
		l.budget.release(l.owner, -more)
	}
	l.n = n
	return true
}

// Free returns everything. It may be called again.
func (l *Lease) Free() { l.Resize(0) }
