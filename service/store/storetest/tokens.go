package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"assay/service/store"
)

func hashOf(n byte) (h [32]byte) {
	h[0], h[31] = n, n
	return h
}

func tokens(t *testing.T, open Open) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	full := store.Token{ID: "id2", Name: "ci", Scopes: []string{"scan", "read"}, Project: "shop", Created: day(2), Expires: day(20)}
	least := store.Token{ID: "id1", Name: "ci", Created: day(1)}
	other := store.Token{ID: "id3", Name: "other", Created: day(3)}
	for i, token := range map[byte]store.Token{0: full, 2: other} {
		if err := a.CreateToken(t.Context(), token, hashOf(i), store.Event{}); err != nil {
			t.Fatal(err)
		}
	}
	// Two tokens of one name are made by a rotation only.
	made, _, err := a.RotateToken(t.Context(), least, hashOf(1), store.Rotation{End: day(30)}, store.Event{})
	if err != nil {
		t.Fatal(err)
	}
	if least.Scopes, least.Project = full.Scopes, full.Project; !reflect.DeepEqual(made, least) {
		t.Errorf("the new token of a rotation: %+v, want %+v", made, least)
	}
	if err := a.CreateToken(t.Context(), store.Token{ID: "id4", Created: day(4)}, hashOf(0), store.Event{}); err == nil {
		t.Error("a hash was taken twice")
	}
	if err := a.CreateToken(t.Context(), store.Token{ID: "id1", Created: day(4)}, hashOf(9), store.Event{}); err == nil {
		t.Error("an id was taken twice")
	}

	equal := func(what string, got, want store.Token) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	for i, want := range []store.Token{full, least, other} {
		got, err := b.TokenByHash(t.Context(), hashOf(byte(i)))
		if err != nil {
			t.Fatal(err)
		}
		equal("by hash", got, want)
	}
	_, err = b.TokenByHash(t.Context(), hashOf(9))
	wantNotFound(t, "unknown hash", err)
	list, err := b.ListTokens(t.Context())
	if err != nil || len(list) != 3 {
		t.Fatalf("tokens %v, %v", list, err)
	}
	for i, want := range []store.Token{least, full, other} { // by creation
		equal("list", list[i], want)
	}

	// By id; the other handle knows at once.
	got, err := a.RevokeToken(t.Context(), store.Revocation{Token: "id1", At: day(5)}, store.Event{})
	least.Revoked = day(5)
	if err != nil || len(got) != 1 {
		t.Fatalf("revoked %v, %v", got, err)
	}
	equal("revoked by id", got[0], least)
	seen, err := b.TokenByHash(t.Context(), hashOf(1))
	if err != nil {
		t.Fatal(err)
	}
	equal("revoked, by hash", seen, least)

	// By name, which two have; the first keeps its time.
	got, err = a.RevokeToken(t.Context(), store.Revocation{Token: "ci", At: day(6)}, store.Event{})
	full.Revoked = day(6)
	if err != nil || len(got) != 2 {
		t.Fatalf("revoked %v, %v", got, err)
	}
	equal("revoked by name", got[0], least)
	equal("revoked by name", got[1], full)
	if seen, err = b.TokenByHash(t.Context(), hashOf(2)); err != nil {
		t.Fatal(err)
	}
	equal("not revoked", seen, other)
	_, err = a.RevokeToken(t.Context(), store.Revocation{Token: "nobody", At: day(6)}, store.Event{})
	wantNotFound(t, "revoke", err)
}

func derivedTokens(t *testing.T, open Open) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	forever := store.Token{ID: "id1", Name: "ci", Scopes: []string{"scan", "admin"}, Project: "shop", Created: day(1)}
	short := store.Token{ID: "id2", Name: "short", Scopes: []string{"scan"}, Created: day(1), Expires: day(4)}
	for i, token := range []store.Token{forever, short} {
		if err := a.CreateToken(t.Context(), token, hashOf(byte(i)), store.Event{}); err != nil {
			t.Fatal(err)
		}
	}
	derive := func(parent string, hash byte, now, expires int) {
		t.Helper()
		if err := a.DeriveToken(t.Context(), parent, hashOf(hash), nil, day(now), day(expires)); err != nil {
			t.Fatal(err)
		}
	}
	want := func(hash byte, parent store.Token, expires, revoked time.Time) {
		t.Helper()
		parent.Scopes, parent.Derived, parent.Until, parent.Revoked = []string{"scan"}, true, expires, revoked
		got, err := b.TokenByHash(t.Context(), hashOf(hash))
		if err != nil || !reflect.DeepEqual(got, parent) {
			t.Errorf("derived token %d: %+v, %v, want %+v", hash, got, err, parent)
		}
	}
	derive("id1", 10, 2, 3)
	derive("id2", 11, 2, 9)
	want(10, forever, day(3), time.Time{})
	want(11, short, day(9), time.Time{})
	if got, err := b.TokenByHash(t.Context(), hashOf(11)); err != nil || !got.End().Equal(day(4)) || got.Valid(day(4)) {
		t.Errorf("a derived token is valid longer than its parent: %+v, %v", got, err)
	}
	derive("id1", 10, 2, 5)
	want(10, forever, day(5), time.Time{})
	derive("id1", 10, 2, 4) // a later expiry stays
	want(10, forever, day(5), time.Time{})

	// With scopes it stands for its parent.
	if err := a.DeriveToken(t.Context(), "id1", hashOf(14), []string{"scan", "read"}, day(2), day(3)); err != nil {
		t.Fatal(err)
	}
	stands := forever
	stands.Scopes, stands.Until = []string{"scan", "read"}, day(3)
	if got, err := b.TokenByHash(t.Context(), hashOf(14)); err != nil || !reflect.DeepEqual(got, stands) {
		t.Errorf("derived token with scopes: %+v, %v, want %+v", got, err, stands)
	}

	wantNotFound(t, "parent", a.DeriveToken(t.Context(), "id9", hashOf(12), nil, day(2), day(3)))
	if list, err := b.ListTokens(t.Context()); err != nil || len(list) != 2 {
		t.Errorf("tokens %v, %v; derived ones are not listed", list, err)
	}
	if _, err := a.RevokeToken(t.Context(), store.Revocation{Token: "id1", At: day(3)}, store.Event{}); err != nil {
		t.Fatal(err)
	}
	want(10, forever, day(5), day(3)) // revoked with its parent
	derive("id2", 13, 7, 9)           // removes what expired
	_, err := b.TokenByHash(t.Context(), hashOf(10))
	wantNotFound(t, "expired", err)
}

// tokenNames checks that a name belongs to one valid token.
func tokenNames(t *testing.T, open Open) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	if err := a.CreateToken(t.Context(), store.Token{ID: "id1", Name: "ci", Created: day(1), Expires: day(10)}, hashOf(1), store.Event{}); err != nil {
		t.Fatal(err)
	}
	err := b.CreateToken(t.Context(), store.Token{ID: "id2", Name: "ci", Created: day(2)}, hashOf(2), store.Event{})
	if !errors.Is(err, store.ErrNameTaken) {
		t.Errorf("second valid token of a name: error %v, want ErrNameTaken", err)
	}
	if list, err := a.ListTokens(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("tokens after a failed creation: %v, %v, want one", list, err)
	}
	if err := b.CreateToken(t.Context(), store.Token{ID: "id3", Name: "CI", Created: day(2)}, hashOf(3), store.Event{}); err != nil {
		t.Errorf("another name: %v", err)
	}
	// A token is invalid from the moment of its expiry on, and the name is free.
	if err := b.CreateToken(t.Context(), store.Token{ID: "id4", Name: "ci", Created: day(10)}, hashOf(4), store.Event{}); err != nil {
		t.Errorf("the name of an expired token: %v", err)
	}
	if _, err := a.RevokeToken(t.Context(), store.Revocation{Token: "id4", At: day(11)}, store.Event{}); err != nil {
		t.Fatal(err)
	}
	if err := b.CreateToken(t.Context(), store.Token{ID: "id5", Name: "ci", Created: day(11)}, hashOf(5), store.Event{}); err != nil {
		t.Errorf("the name of a revoked token: %v", err)
	}
}

// tokenRotation checks that a new token of a name limits the validity of the others.
func tokenRotation(t *testing.T, open Open) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	if err := a.CreateToken(t.Context(), store.Token{ID: "id1", Name: "ci", Created: day(1), Expires: day(10)}, hashOf(1), store.Event{}); err != nil {
		t.Fatal(err)
	}
	_, old, err := b.RotateToken(t.Context(), store.Token{ID: "id2", Name: "ci", Created: day(3)}, hashOf(2), store.Rotation{End: day(4)}, store.Event{})
	if err != nil || len(old) != 1 || old[0].ID != "id1" || !old[0].Expires.Equal(day(4)) {
		t.Fatalf("rotated %+v, %v", old, err)
	}
	// A token that expires earlier keeps its expiry.
	_, old, err = a.RotateToken(t.Context(), store.Token{ID: "id3", Name: "ci", Created: day(3)}, hashOf(3), store.Rotation{End: day(6)}, store.Event{})
	if err != nil || len(old) != 2 || !old[0].Expires.Equal(day(4)) || !old[1].Expires.Equal(day(6)) {
		t.Fatalf("rotated %+v, %v", old, err)
	}
	for hash, want := range map[byte]time.Time{1: day(4), 2: day(6), 3: {}} {
		got, err := b.TokenByHash(t.Context(), hashOf(hash))
		if err != nil || !got.Expires.Equal(want) {
			t.Errorf("token %q expires %v, %v, want %v", got.ID, got.Expires, err, want)
		}
	}
	if err := a.CreateToken(t.Context(), store.Token{ID: "id4", Name: "ci", Created: day(6)}, hashOf(4), store.Event{}); !errors.Is(err, store.ErrNameTaken) {
		t.Errorf("the third token is valid: error %v, want ErrNameTaken", err)
	}
	_, _, err = a.RotateToken(t.Context(), store.Token{ID: "id5", Name: "new", Created: day(6)}, hashOf(5), store.Rotation{End: day(7)}, store.Event{})
	wantNotFound(t, "rotate a token that does not exist", err)
	if list, err := a.ListTokens(t.Context()); err != nil || len(list) != 3 {
		t.Errorf("tokens after a failed rotation: %v, %v, want three", list, err)
	}
}

func tokenUses(t *testing.T, open Open) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	if err := a.CreateToken(t.Context(), store.Token{ID: "id", Created: day(1)}, hashOf(1), store.Event{}); err != nil {
		t.Fatal(err)
	}
	use := func(s store.Store, at time.Time) {
		t.Helper()
		if err := s.UsedToken(t.Context(), "id", at); err != nil {
			t.Fatal(err)
		}
	}
	// used checks what the interface promises: at most a minute late.
	used := func(last time.Time) {
		t.Helper()
		got, err := b.TokenByHash(t.Context(), hashOf(1))
		if err != nil {
			t.Fatal(err)
		}
		if got.Used.After(last) || last.Sub(got.Used) > time.Minute {
			t.Errorf("used %v, want %v or up to a minute before", got.Used, last)
		}
	}
	at := day(2)
	for range 10 {
		use(a, at)
		used(at)
		at = at.Add(25 * time.Second)
	}
	// Another process that is behind does not turn the time back.
	latest := at.Add(time.Hour)
	use(a, latest)
	use(b, at)
	used(latest)
	wantNotFound(t, "use of an unknown token", a.UsedToken(t.Context(), "nobody", at))
}

// tokenNamesAtOnce makes tokens of one name in several processes at once: one is made.
func tokenNamesAtOnce(t *testing.T, open Open) {
	dir := t.TempDir()
	const processes, names = 4, 5
	stores := make([]store.Store, processes)
	for i := range stores {
		stores[i] = open(t, dir)
	}
	for n := range names {
		var made, taken atomic.Int32
		var wg sync.WaitGroup
		for i, s := range stores {
			wg.Go(func() {
				err := s.CreateToken(t.Context(), store.Token{ID: fmt.Sprintf("id%d-%d", n, i), Name: fmt.Sprint(n), Created: day(1)}, hashOf(byte(n*processes+i)), store.Event{})
				switch {
				case err == nil:
					made.Add(1)
				case errors.Is(err, store.ErrNameTaken):
					taken.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if made.Load() != 1 || taken.Load() != processes-1 {
			t.Errorf("%d tokens of a name were made, %d were refused", made.Load(), taken.Load())
		}
	}
}
