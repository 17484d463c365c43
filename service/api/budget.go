package api

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"
)

// A budget shares out a fixed amount of something, memory or slots, between the
// requests of many tokens. Requests wait in the order in which they came. One
// token holds at most its share, so that others find something left; a request
// of a token that holds nothing may take more than the share.
type budget struct {
	total, share int64
	maxWaiting   int              // requests; more are refused at once
	patience     time.Duration    // how long one waits
	changed      func(used int64) // told after each change, without the lock; may be nil
	mu           sync.Mutex       // guards what follows
	used         int64            // by all
	of           map[string]int64 // by each token that holds something
	waiting      list.List        // of *waiter
	waitingOf    map[string]int   // by token
}

// A waiter is one request that waits.
type waiter struct {
	token string
	n     int64
	ready chan struct{} // closed once it holds n
}

var (
	errBusy  = errors.New("too many requests wait")
	errNever = errors.New("more than the whole budget")
)

func newBudget(total, share int64, maxWaiting int, patience time.Duration) *budget {
	return &budget{total: total, share: min(share, total), maxWaiting: maxWaiting, patience: patience,
		of: map[string]int64{}, waitingOf: map[string]int{}}
}

// fits reports whether the token may have n more now, in a lease that has own;
// mu is held. The second result tells whether the token's share is exceeded.
func (b *budget) fits(token string, own, n int64) (ok, ownShare bool) {
	if held := b.of[token]; held > own && held+n > b.share {
		return false, true
	}
	return b.used+n <= b.total, false
}

func (b *budget) take(token string, n int64) {
	b.used += n
	b.of[token] += n
}

// grow takes n more for a lease that has own, if it is free. It goes before those
// that wait: they wait for this one to end.
func (b *budget) grow(token string, own, n int64) bool {
	b.mu.Lock()
	ok, _ := b.fits(token, own, n)
	if ok {
		b.take(token, n)
	}
	used := b.used
	b.mu.Unlock()
	if ok {
		b.tell(used)
	}
	return ok
}

// acquire takes n, and waits for it where others hold too much. The error is
// errNever where there is not so much at all, errBusy where too many wait or it
// took too long, else that of ctx.
func (b *budget) acquire(ctx context.Context, token string, n int64) error {
	if n > b.total {
		return errNever
	}
	b.mu.Lock()
	if ok, _ := b.fits(token, 0, n); ok && b.waiting.Len() == 0 {
		b.take(token, n)
		used := b.used
		b.mu.Unlock()
		b.tell(used)
		return nil
	}
	// A token that waits with half of the places leaves the rest to others.
	if b.waiting.Len() >= b.maxWaiting || 2*b.waitingOf[token] >= b.maxWaiting {
		b.mu.Unlock()
		return errBusy
	}
	w := &waiter{token, n, make(chan struct{})}
	at := b.waiting.PushBack(w)
	b.waitingOf[token]++
	b.serve() // where only the shares of others hold up who waits before it
	b.mu.Unlock()

	timer := time.NewTimer(b.patience)
	defer timer.Stop()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	case <-timer.C:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-w.ready: // in the last moment
		return nil
	default:
	}
	b.forget(at)
	b.serve() // it may have been in the way of the next
	if err := ctx.Err(); err != nil {
		return err
	}
	return errBusy
}

// forget takes a waiter off the list; mu is held.
func (b *budget) forget(at *list.Element) {
	token := b.waiting.Remove(at).(*waiter).token
	if b.waitingOf[token]--; b.waitingOf[token] == 0 {
		delete(b.waitingOf, token)
	}
}

// serve gives to those who wait, in their order; mu is held. Who waits for the
// share of its own token is passed over, who waits for all is not: a large
// request would starve.
func (b *budget) serve() {
	for at := b.waiting.Front(); at != nil; {
		w, next := at.Value.(*waiter), at.Next()
		ok, ownShare := b.fits(w.token, 0, w.n)
		if !ok && !ownShare {
			return
		}
		if ok {
			b.take(w.token, w.n)
			b.forget(at)
			close(w.ready)
		}
		at = next
	}
}

// release gives n back.
func (b *budget) release(token string, n int64) {
	b.mu.Lock()
	b.used -= n
	if b.of[token] -= n; b.of[token] == 0 {
		delete(b.of, token)
	}
	b.serve()
	used := b.used
	b.mu.Unlock()
	b.tell(used)
}

func (b *budget) tell(used int64) {
	if b.changed != nil {
		b.changed(used)
	}
}

// queue returns how many requests wait.
func (b *budget) queue() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waiting.Len()
}

// A lease is what one request holds of a budget. It is for one goroutine.
type lease struct {
	budget *budget
	token  string
	n      int64
}

// acquire makes the lease n, waiting as the budget does. It holds nothing before.
func (l *lease) acquire(ctx context.Context, n int64) error {
	if err := l.budget.acquire(ctx, l.token, n); err != nil {
		return err
	}
	l.n = n
	return nil
}

// try makes the lease n without waiting; a smaller one than before always can be.
func (l *lease) try(n int64) bool {
	switch more := n - l.n; {
	case more > 0 && !l.budget.grow(l.token, l.n, more):
		return false
	case more < 0:
		l.budget.release(l.token, -more)
	}
	l.n = n
	return true
}

// free gives all of it back; it may be called again.
func (l *lease) free() { l.try(0) }

// usedNow returns what is taken.
func (b *budget) usedNow() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}
