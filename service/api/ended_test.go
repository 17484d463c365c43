package api_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/service/store"
)

// TestEndedTokens checks that the log names ended tokens that are used, in a limited number
// of lines and without the secret.
func TestEndedTokens(t *testing.T) {
	var mu sync.Mutex // guards at and written
	at, written := now, &bytes.Buffer{}
	log := func() string { mu.Lock(); defer mu.Unlock(); return written.String() }
	pass := func(d time.Duration) { mu.Lock(); at = at.Add(d); mu.Unlock() }
	r := newRig(t, func(c *config) {
		c.API.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return at }
		c.API.Log = slog.New(slog.NewTextHandler(lockedWriter{&mu, written}, nil))
	})
	expired := r.token(store.Token{Name: "night build", Expires: now})
	revoked := r.token(store.Token{Name: "stolen"})
	if _, err := r.store.RevokeToken(t.Context(), store.Revocation{Token: "stolen", At: now}, store.Event{}); err != nil {
		t.Fatal(err)
	}
	valid := r.token(store.Token{Name: "good"})
	use := func(secret string, status int) {
		t.Helper()
		if resp, body := r.do("GET", "/api/v1/token", secret, nil); resp.StatusCode != status {
			t.Fatalf("%d %s, want %d", resp.StatusCode, body, status)
		}
	}
	lines := func(text string) (n int) {
		for line := range strings.Lines(log()) {
			if strings.Contains(line, "token refused") && strings.Contains(line, text) {
				n++
			}
		}
		return n
	}
	use(valid, http.StatusOK)
	use(strings.Repeat("x", 10), http.StatusUnauthorized)
	if got := log(); strings.Contains(got, "token refused") {
		t.Errorf("the log names a valid token, or a text that is not a token:\n%s", got)
	}
	use(expired, http.StatusUnauthorized)
	if lines(`level=WARN msg="token refused" why=expired token="night build"`) != 1 || lines("client=127.0.0.1 not_logged_before=0") != 1 {
		t.Errorf("log:\n%s", log())
	}

	for range 100 {
		use(revoked, http.StatusUnauthorized)
	}
	if got := lines("why=revoked token=stolen"); got != 10 {
		t.Errorf("%d lines for 100 requests, want 10", got)
	}
	pass(time.Minute)
	use(revoked, http.StatusUnauthorized)
	use(revoked, http.StatusUnauthorized)
	if got := lines("token=stolen"); got != 11 || lines("not_logged_before=90") != 1 {
		t.Errorf("%d lines after a minute, want 11, the last with the 90 before it:\n%s", got, log())
	}
	use(expired, http.StatusUnauthorized) // the limit of the other token does not apply
	if got := lines("night build"); got != 2 {
		t.Errorf("%d lines of the other token, want 2", got)
	}
	for _, secret := range []string{expired, revoked, valid} {
		if strings.Contains(log(), secret) {
			t.Error("the log has the secret of a token")
		}
	}
}
