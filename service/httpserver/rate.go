package httpserver

import (
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// A Rate bounds the requests of one token.
type Rate struct {
	PerSecond float64
	Burst     int
}

// limits keeps a limiter for each token that was used recently.
type limits struct {
	rate Rate
	mu   sync.Mutex
	of   map[string]*limiter
}

// A limiter bounds the requests of one token.
type limiter struct {
	*rate.Limiter
	promised time.Time // the latest time named in a Retry-After
}

// maxPromise bounds how far ahead the time of a Retry-After is.
const maxPromise = time.Minute

// maxLimiters bounds the memory. Tokens are made by hand: if more than this many are
// in use, all limiters start afresh.
const maxLimiters = 10_000

func newLimits(r Rate) *limits { return &limits{rate: r, of: map[string]*limiter{}} }

// wait returns how long a client of the token must wait; zero: it need not. Clients
// that must wait are given successive times, spaced as the rate allows: at one and the
// same time, all but the first would be refused again.
func (l *limits) wait(id string, now time.Time) time.Duration {
	if l.rate.PerSecond <= 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	lim := l.of[id]
	if lim == nil {
		if len(l.of) >= maxLimiters {
			clear(l.of)
		}
		lim = &limiter{Limiter: rate.NewLimiter(rate.Limit(l.rate.PerSecond), max(1, l.rate.Burst))}
		l.of[id] = lim
	}
	res := lim.ReserveN(now, 1)
	if d := res.DelayFrom(now); d > 0 {
		res.CancelAt(now)
		free, next := now.Add(d), lim.promised.Add(time.Duration(float64(time.Second)/l.rate.PerSecond))
		if next.Sub(now) > maxPromise {
			return d + time.Duration(rand.Int64N(int64(maxPromise)))
		}
		if next.After(free) {
			free = next
		}
		lim.promised = free
		return free.Sub(now)
	}
	return 0
}
