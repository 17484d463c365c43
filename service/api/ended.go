package api

import (
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"assay/service/store"
)

// Bounds of the lines that tell of requests with an ended token.
const (
	endedEvery = time.Minute // one line for each token, after the first endedBurst
	endedBurst = 10
)

// endedTokens bounds what the log tells of requests with revoked or expired tokens.
type endedTokens struct {
	mu sync.Mutex
	of map[string]*endedToken
}

// An endedToken counts the requests that the log did not tell of.
type endedToken struct {
	lines    *rate.Limiter
	unlogged int
}

// note counts a request with the token. It returns whether the log tells of it,
// and of how many requests before it the log did not tell.
func (e *endedTokens) note(id string, now time.Time) (unlogged int, log bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.of[id]
	if t == nil {
		if e.of == nil || len(e.of) >= maxLimiters {
			e.of = map[string]*endedToken{}
		}
		t = &endedToken{lines: rate.NewLimiter(rate.Every(endedEvery), endedBurst)}
		e.of[id] = t
	}
	if !t.lines.AllowN(now, 1) {
		t.unlogged++
		return 0, false
	}
	unlogged, t.unlogged = t.unlogged, 0
	return unlogged, true
}

// logEnded tells the log that somebody uses a token that has ended: a build that
// was forgotten, or a thief. why is "revoked" or "expired". The address is that of
// the connection, since a header can be forged.
func (a *api) logEnded(r *http.Request, t store.Token, why string) {
	unlogged, log := a.ended.note(t.ID, a.Now())
	if !log {
		return
	}
	client, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		client = r.RemoteAddr
	}
	a.Log.Warn("token refused", "why", why, "name", t.Name, "token", t.ID, "client", client, "not_logged_before", unlogged)
}
