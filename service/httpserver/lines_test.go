package httpserver

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"assay/remote/token"
	"assay/service/store"
)

// oneToken knows one token, and cannot save its last use.
type oneToken struct{ hash [32]byte }

func (o oneToken) TokenByHash(_ context.Context, hash [32]byte) (store.Token, error) {
	if hash != o.hash {
		return store.Token{}, store.ErrNotFound
	}
	return store.Token{ID: "id1", Name: "night build", Scopes: []string{ScopeScan}}, nil
}

func (oneToken) UsedToken(context.Context, string, time.Time) error {
	return errors.New("database or disk is full")
}

// A client that sends as fast as it can does not fill the log: requests over the rate of
// its token, and failed saves of the last use, are logged some times and counted.
func TestLogIsBounded(t *testing.T) {
	secret, err := token.New(strings.NewReader(strings.Repeat("0123456789", 20)))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	var log bytes.Buffer
	s := New(Config{
		Tokens: oneToken{token.Hash(secret)},
		Rate:   Rate{PerSecond: 1, Burst: 5},
		Now:    func() time.Time { return now },
		Log:    slog.New(slog.NewTextHandler(&log, nil)),
	})
	s.HandleAuthenticated("GET /x", "", func(w http.ResponseWriter, _ *http.Request, _ store.Token) error {
		WriteJSON(w, http.StatusOK, nil)
		return nil
	})
	statuses := map[int]int{}
	send := func(n int) {
		for range n {
			r := httptest.NewRequest("GET", "/x", nil)
			r.Header.Set("Authorization", "Bearer "+secret)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			statuses[w.Code]++
			if w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
				t.Fatal("429 without Retry-After")
			}
		}
	}
	count := func(text string) int { return strings.Count(log.String(), text) }
	send(105)
	if statuses[200] != 5 || statuses[429] != 100 {
		t.Fatalf("statuses %v, want 5 times 200 and 100 times 429", statuses)
	}
	if ok, limited, unsaved := count("status=200"), count("status=429"), count("last use"); ok != 5 || limited != 10 || unsaved != 1 {
		t.Errorf("%d lines of 200, %d of 429, %d of failed saves, want 5, 10 and 1:\n%s", ok, limited, unsaved, &log)
	}
	log.Reset()
	now = now.Add(time.Minute)
	send(7) // 5 at the burst, 2 over it
	if count("status=429") != 1 || count("not_logged_before=90") != 1 || count("not_logged_before=104") != 1 {
		t.Errorf("a minute later:\n%s", &log)
	}
}
