package api

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"assay/remote/token"
	"assay/service/store"
)

// Scopes of a token.
const (
	ScopeScan  = "scan"  // may scan, and read what it scanned
	ScopeRead  = "read"  // may read every scan of its project
	ScopeAdmin = "admin" // may do everything
)

// authenticated lets requests through that carry a valid token with the scope;
// an empty scope asks for a valid token only, and the handler decides.
func (a *api) authenticated(scope string, next func(http.ResponseWriter, *http.Request, store.Token) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		t, err := a.token(r)
		if err == nil && scope != "" && !hasScope(t, scope) {
			err = problem{http.StatusForbidden, "this token may not " + scope, "assayd token create --scope " + scope + " makes one that may"}
		}
		if err == nil {
			if rec, ok := w.(*recorder); ok {
				rec.token = t.ID
			}
			if wait := a.limits.wait(t.ID, a.Now()); wait > 0 {
				w.Header().Set("Retry-After", retryAfter(wait))
				err = problem{http.StatusTooManyRequests, "too many scans with this token", "assay waits and tries again by itself"}
			}
		}
		if err == nil {
			err = next(w, r, t)
		}
		if err != nil {
			if p, ok := errors.AsType[problem](err); ok && p.status == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", `Bearer realm="assay"`)
			}
			a.refuse(w, r, err)
		}
	}
}

func hasScope(t store.Token, scope string) bool {
	return slices.Contains(t.Scopes, scope) || slices.Contains(t.Scopes, ScopeAdmin)
}

// token returns the valid token of a request. The secret is looked up by its
// SHA-256: what timing could tell of a digest's neighbours says nothing about
// 190 random bits.
func (a *api) token(r *http.Request) (store.Token, error) {
	const hint = "assayd token create makes a token; assayd token list shows them"
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	secret = strings.TrimSpace(secret)
	if !strings.EqualFold(scheme, "Bearer") || secret == "" {
		return store.Token{}, problem{http.StatusUnauthorized, "no token was sent", "send the header \"Authorization: Bearer TOKEN\""}
	}
	if err := token.Check(secret); err != nil {
		return store.Token{}, problem{http.StatusUnauthorized, "this is no token of assayd", hint}
	}
	t, err := a.Store.TokenByHash(r.Context(), token.Hash(secret))
	if errors.Is(err, store.ErrNotFound) {
		return t, problem{http.StatusUnauthorized, "this token is not known", hint}
	}
	if err != nil {
		return t, err
	}
	now := a.Now()
	switch {
	case !t.Revoked.IsZero():
		a.logEnded(r, t, "revoked")
		return t, problem{http.StatusUnauthorized, "this token was revoked", hint}
	case !t.Valid(now):
		a.logEnded(r, t, "expired")
		return t, problem{http.StatusUnauthorized, "this token has expired", hint}
	}
	if err := a.Store.UsedToken(r.Context(), t.ID, now); err != nil {
		a.Log.Warn("note a token's use", "token", t.ID, "err", err)
	}
	return t, nil
}

// A Rate bounds the requests of one token.
type Rate struct {
	PerSecond float64
	Burst     int
}

// limits keeps one limiter for each token that was used lately.
type limits struct {
	rate Rate
	mu   sync.Mutex
	of   map[string]*limiter
}

// A limiter is that of one token.
type limiter struct {
	*rate.Limiter
	promised time.Time // the last time at which a client was told to come back
}

// maxPromise bounds how far ahead clients are told to come back.
const maxPromise = time.Minute

// maxLimiters bounds the memory; tokens are made by hand, and more than this
// many in use at once start afresh.
const maxLimiters = 10_000

func newLimits(r Rate) *limits { return &limits{rate: r, of: map[string]*limiter{}} }

// wait returns how long a client of the token must wait, zero for not at all. Those
// that are turned away are told to come back one after the other, as the rate allows:
// told the same time, all of them would be turned away again but for the first.
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
