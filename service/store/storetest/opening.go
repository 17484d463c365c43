package storetest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"assay/service/store"
)

func empty(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	if h := mustHead(t, s); h != (store.Head{}) {
		t.Errorf("head %+v, want the zero one", h)
	}
	if got := texts(t, s, 0, 1<<40); got != nil {
		t.Errorf("changes %q", got)
	}
	_, err := s.Snapshot(t.Context(), "none")
	wantNotFound(t, "snapshot", err)
	_, err = s.TokenByHash(t.Context(), [32]byte{1})
	wantNotFound(t, "token", err)
	_, err = s.RevokeToken(t.Context(), store.Revocation{Token: "none", At: day(1)}, store.Event{})
	wantNotFound(t, "revoke", err)
	_, err = s.Scan(t.Context(), "none")
	wantNotFound(t, "scan", err)
	if list, err := s.ListScans(t.Context(), 10); err != nil || len(list) != 0 {
		t.Errorf("scans %v, %v", list, err)
	}
	if list, err := s.ListTokens(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("tokens %v, %v", list, err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Head(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("head with a cancelled context: %v", err)
	}
}

func reopened(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	mustImport(t, s, source("a", 1), all(record("X-1", day(1), "a", fix("1"))), store.Imported{Added: 1, Seq: 1})
	head := mustHead(t, s)
	kept, err := s.KeepScan(t.Context(), store.Scan{ID: mustID(t), At: day(1), Token: "t", Request: []byte("request"), Verdict: []byte("verdict")})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if got := mustHead(t, s); got != head {
		t.Errorf("head %+v, want %+v", got, head)
	}
	wantTexts(t, s, 0, 1, "1 X-1 a 1@1")
	if got, err := s.Scan(t.Context(), kept.ID); err != nil || string(got.Request) != "request" {
		t.Errorf("scan %+v, %v", got, err)
	}
}

// firstOpening opens an empty folder several times at once.
func firstOpening(t *testing.T, open Open) {
	dir := t.TempDir()
	stores := make([]store.Store, 8)
	var wg sync.WaitGroup
	for i := range stores {
		wg.Go(func() { stores[i] = open(t, dir) })
	}
	wg.Wait()
	for i, s := range stores {
		if s == nil {
			continue // open has said why
		}
		mustImport(t, s, source("a", 1), all(record(strings.Repeat("x", i+1), day(1), "a")), store.Imported{Added: 1, Seq: int64(i + 1)})
	}
}
