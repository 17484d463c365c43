package httpserver

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"assay/service/store"
)

// signIn accepts any JWT as its token.
type signIn struct{ token store.Token }

func (s *signIn) Token(context.Context, string) (store.Token, error) { return s.token, nil }

// uses knows no token, and notes which were used.
type uses []string

func (u *uses) TokenByHash(context.Context, [sha256.Size]byte) (store.Token, error) {
	return store.Token{}, errors.New("a JWT is not looked up")
}

func (u *uses) UsedToken(_ context.Context, id string, _ time.Time) error {
	*u = append(*u, id)
	return nil
}

// The token that a JWT stands for counts as used, and ends when it is revoked or when
// the JWT expires.
func TestSignInToken(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	good := store.Token{ID: "rule", Scopes: []string{ScopeScan}, Until: now.Add(time.Minute)}
	revoked, expired := good, good
	revoked.Revoked, expired.Until = now.Add(-time.Hour), now
	for _, tt := range []struct {
		name   string
		token  store.Token
		status int
		body   string
		used   int
	}{
		{"valid", good, http.StatusOK, "", 1},
		{"revoked", revoked, http.StatusUnauthorized, "was revoked", 0},
		{"expired", expired, http.StatusUnauthorized, "this token expired on 1970-01-12 at 13:46:40 UTC", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var used uses
			s := New(Config{Tokens: &used, SignIn: &signIn{tt.token}, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)})
			s.HandleAuthenticated("GET /", ScopeScan, func(http.ResponseWriter, *http.Request, store.Token) error { return nil })
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Authorization", "Bearer a.b.c")
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if len(used) != tt.used || len(used) > 0 && used[0] != "rule" {
				t.Errorf("noted as used: %q", used)
			}
		})
	}
}
