package feed

import (
	"context"
	"errors"
	"sync"
	"time"
)

// maxRefused is how often a paced request is repeated that the server refuses.
const maxRefused = 3

// Paced returns a mirror that begins at most n requests within any window of time, for
// servers that limit the rate of requests. Such a server answers more requests with 403:
// it is then left alone for a window, and the request is repeated a few times.
func Paced(m Mirror, n int, window time.Duration) Mirror {
	return &paced{Mirror: m, window: window, begun: make([]time.Time, n)}
}

type paced struct {
	Mirror
	window time.Duration

	mu    sync.Mutex
	begun []time.Time // when the last requests began, or may begin
	next  int         // the oldest of them
}

// wait waits until a request may begin.
func (p *paced) wait(ctx context.Context) error {
	p.mu.Lock()
	at := time.Now()
	if free := p.begun[p.next].Add(p.window); free.After(at) {
		at = free
	}
	p.begun[p.next] = at
	p.next = (p.next + 1) % len(p.begun)
	p.mu.Unlock()
	return sleep(ctx, time.Until(at))
}

// refused notes that the server refused a request.
func (p *paced) refused() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.begun {
		p.begun[i] = time.Now()
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// requests calls one when it may begin.
func (p *paced) requests(ctx context.Context, one func() error) error {
	for n := 0; ; n++ {
		if err := p.wait(ctx); err != nil {
			return err
		}
		err := one()
		if !errors.Is(err, ErrForbidden) || n == maxRefused {
			return err
		}
		p.refused()
	}
}

// Get implements Mirror.
func (p *paced) Get(ctx context.Context, name string, limit int64, before Version) (b []byte, v Version, err error) {
	err = p.requests(ctx, func() error {
		b, v, err = p.Mirror.Get(ctx, name, limit, before)
		return err
	})
	return b, v, err
}

// Save implements Mirror.
func (p *paced) Save(ctx context.Context, name, path string, limit int64, before Version) (v Version, err error) {
	err = p.requests(ctx, func() error {
		v, err = p.Mirror.Save(ctx, name, path, limit, before)
		return err
	})
	return v, err
}
