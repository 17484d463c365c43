package httpserver

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"
)

// A budget divides a fixed amount of memory or slots between the requests of many
// owners. Requests wait in the order of their arrival. One owner holds at most its
// share, so that something is left for others; a request of an owner that holds
// nothing may take more than the share.
type budget struct {
	total, share int64
	maxWaiting   int              // requests; further ones are refused at once
	patience     time.Duration    // how long a request waits
	changed      func(used int64) // called after each change, without the lock; may be nil
	mu           sync.Mutex       // guards the fields below
	used         int64            // by all owners
	of           map[string]int64 // by each owner that holds something
	waiting      list.List        // of *waiter
	waitingOf    map[string]int   // by owner
}

// A waiter is one request that waits.
type waiter struct {
	owner string
	n     int64
	ready chan struct{} // closed once it holds n
}

var (
	errBusy  = errors.New("too many requests are waiting")
	errNever = errors.New("more than the whole budget")
)

func newBudget(total, share int64, maxWaiting int, patience time.Duration) *budget {
	return &budget{total: total, share: min(share, total), maxWaiting: maxWaiting, patience: patience,
		of: map[string]int64{}, waitingOf: map[string]int{}}
}

// fits reports whether the owner may take n more now, for a lease that holds own. The
// second result is true if the share of the owner is the reason. mu is held.
func (b *budget) fits(owner string, own, n int64) (ok, ownShare bool) {
	if held := b.of[owner]; held > own && held+n > b.share {
		return false, true
	}
	return b.used+n <= b.total, false
}

func (b *budget) take(owner string, n int64) {
	b.used += n
	b.of[owner] += n
}

// grow takes n more for a lease that holds own, if it is free. It does not queue
// behind the waiting requests: they wait for this one to end.
func (b *budget) grow(owner string, own, n int64) bool {
	b.mu.Lock()
	ok, _ := b.fits(owner, own, n)
	if ok {
		b.take(owner, n)
	}
	used := b.used
	b.mu.Unlock()
	if ok {
		b.report(used)
	}
	return ok
}

// acquire takes n, and waits until it is free. The error is errNever if n exceeds the
// whole budget, errBusy if too many requests wait or the wait was too long, or that
// of ctx.
func (b *budget) acquire(ctx context.Context, owner string, n int64) error {
	if n > b.total {
		return errNever
	}
	b.mu.Lock()
	if ok, _ := b.fits(owner, 0, n); ok && b.waiting.Len() == 0 {
		b.take(owner, n)
		used := b.used
		b.mu.Unlock()
		b.report(used)
		return nil
	}
	// The requests of one owner may fill half of the queue.
	if b.waiting.Len() >= b.maxWaiting || 2*b.waitingOf[owner] >= b.maxWaiting {
		b.mu.Unlock()
		return errBusy
	}
	w := &waiter{owner, n, make(chan struct{})}
	at := b.waiting.PushBack(w)
	b.waitingOf[owner]++
	b.serve() // those before it may wait only for their own shares
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
	case <-w.ready: // served at the last moment
		return nil
	default:
	}
	b.forget(at)
	b.serve() // the next one may fit now
	if err := ctx.Err(); err != nil {
		return err
	}
	return errBusy
}

// forget removes a waiter from the queue; mu is held.
func (b *budget) forget(at *list.Element) {
	owner := b.waiting.Remove(at).(*waiter).owner
	if b.waitingOf[owner]--; b.waitingOf[owner] == 0 {
		delete(b.waitingOf, owner)
	}
}

// serve gives to the waiting requests, in their order; mu is held. A request that waits
// for the share of its own owner is passed over. One that waits for the whole budget
// is not: a large request would starve.
func (b *budget) serve() {
	for at := b.waiting.Front(); at != nil; {
		w, next := at.Value.(*waiter), at.Next()
		ok, ownShare := b.fits(w.owner, 0, w.n)
		if !ok && !ownShare {
			return
		}
		if ok {
			b.take(w.owner, w.n)
			b.forget(at)
			close(w.ready)
		}
		at = next
	}
}

// release returns n to the budget.
func (b *budget) release(owner string, n int64) {
	b.mu.Lock()
	b.used -= n
	if b.of[owner] -= n; b.of[owner] == 0 {
		delete(b.of, owner)
	}
	b.serve()
	used := b.used
	b.mu.Unlock()
	b.report(used)
}

func (b *budget) report(used int64) {
	if b.changed != nil {
		b.changed(used)
	}
}

// queue returns the number of waiting requests.
func (b *budget) queue() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waiting.Len()
}

// usedNow returns how much is taken.
func (b *budget) usedNow() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}
