package storetest

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/service/store"
)

func snapshots(t *testing.T, open Open) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	for id, seq := range map[string]int64{"one": 5, "two": 7} {
		if err := a.Published(t.Context(), id, seq); err != nil {
			t.Fatal(err)
		}
	}
	// The same content again, at a later state.
	if err := b.Published(t.Context(), "one", 9); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]int64{"one": 5, "two": 7} {
		if got, err := b.Snapshot(t.Context(), id); err != nil || got != want {
			t.Errorf("snapshot %q: %d, %v, want %d", id, got, err, want)
		}
	}
	_, err := b.Snapshot(t.Context(), "three")
	wantNotFound(t, "snapshot", err)

	// The beginning of an id, as a log prints it.
	for id, seq := range map[string]int64{"s076b7f0f6591": 11, "s076b7f0f6592": 12, "s99": 13, "s99aaaaaa": 14} {
		if err := a.Published(t.Context(), id, seq); err != nil {
			t.Fatal(err)
		}
	}
	for id, want := range map[string]int64{"s076b7f0f6592": 12, "s99aaaaaa": 14, "s99aaaaa": 14, "s99aaa": 14, "s99": 13} {
		if got, err := b.Snapshot(t.Context(), id); err != nil || got != want {
			t.Errorf("snapshot %q: %d, %v, want %d", id, got, err, want)
		}
	}
	for _, id := range []string{"s076b7f0f659", "s076b7"} {
		if _, err := b.Snapshot(t.Context(), id); !errors.Is(err, store.ErrAmbiguous) {
			t.Errorf("snapshot %q, which two begin with: %v", id, err)
		}
	}
	for _, id := range []string{"", "s", "s99aa", "076b7f0f6592", "s076b7f0f65921", "s076b7f0f659_", "s076b7f0f6%", "s99aaab"} {
		_, err := b.Snapshot(t.Context(), id)
		wantNotFound(t, id, err)
	}
}

func hashOf(n byte) (h [32]byte) {
	h[0], h[31] = n, n
	return h
}

func tokens(t *testing.T, open Open) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	full := store.Token{ID: "id2", Name: "ci", Scopes: []string{"scan", "read"}, Project: "shop", Created: day(2), Expires: day(20)}
	least := store.Token{ID: "id1", Name: "ci", Created: day(1)}
	other := store.Token{ID: "id3", Name: "other", Scopes: []string{"admin"}, Created: day(3)}
	for i, token := range []store.Token{full, least, other} {
		// Two tokens of one name are made by a rotation only.
		if _, err := a.RotateToken(t.Context(), token, hashOf(byte(i)), day(30)); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.CreateToken(t.Context(), store.Token{ID: "id4", Created: day(4)}, hashOf(0)); err == nil {
		t.Error("a hash was taken twice")
	}
	if err := a.CreateToken(t.Context(), store.Token{ID: "id1", Created: day(4)}, hashOf(9)); err == nil {
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
	_, err := b.TokenByHash(t.Context(), hashOf(9))
	wantNotFound(t, "unknown hash", err)
	list, err := b.ListTokens(t.Context())
	if err != nil || len(list) != 3 {
		t.Fatalf("tokens %v, %v", list, err)
	}
	for i, want := range []store.Token{least, full, other} { // by creation
		equal("list", list[i], want)
	}

	// By id; the other handle knows at once.
	got, err := a.RevokeToken(t.Context(), "id1", day(5))
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
	got, err = a.RevokeToken(t.Context(), "ci", day(6))
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
	_, err = a.RevokeToken(t.Context(), "nobody", day(6))
	wantNotFound(t, "revoke", err)
}

func derivedTokens(t *testing.T, open Open) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	forever := store.Token{ID: "id1", Name: "ci", Scopes: []string{"scan", "admin"}, Project: "shop", Created: day(1)}
	short := store.Token{ID: "id2", Name: "short", Scopes: []string{"scan"}, Created: day(1), Expires: day(4)}
	for i, token := range []store.Token{forever, short} {
		if err := a.CreateToken(t.Context(), token, hashOf(byte(i))); err != nil {
			t.Fatal(err)
		}
	}
	derive := func(parent string, hash byte, now, expires int) {
		t.Helper()
		if err := a.DeriveToken(t.Context(), parent, hashOf(hash), day(now), day(expires)); err != nil {
			t.Fatal(err)
		}
	}
	want := func(hash byte, parent store.Token, expires, revoked time.Time) {
		t.Helper()
		parent.Scopes, parent.Derived, parent.Expires, parent.Revoked = []string{"scan"}, true, expires, revoked
		got, err := b.TokenByHash(t.Context(), hashOf(hash))
		if err != nil || !reflect.DeepEqual(got, parent) {
			t.Errorf("derived token %d: %+v, %v, want %+v", hash, got, err, parent)
		}
	}
	derive("id1", 10, 2, 3)
	derive("id2", 11, 2, 9)
	want(10, forever, day(3), time.Time{})
	want(11, short, day(4), time.Time{}) // no longer than its parent
	derive("id1", 10, 2, 5)
	want(10, forever, day(5), time.Time{})
	derive("id1", 10, 2, 4) // a later expiry stays
	want(10, forever, day(5), time.Time{})

	wantNotFound(t, "parent", a.DeriveToken(t.Context(), "id9", hashOf(12), day(2), day(3)))
	if list, err := b.ListTokens(t.Context()); err != nil || len(list) != 2 {
		t.Errorf("tokens %v, %v; derived ones are not listed", list, err)
	}
	if _, err := a.RevokeToken(t.Context(), "id1", day(3)); err != nil {
		t.Fatal(err)
	}
	want(10, forever, day(5), day(3)) // revoked with its parent
	derive("id2", 13, 7, 9)           // removes what expired
	_, err := b.TokenByHash(t.Context(), hashOf(10))
	wantNotFound(t, "expired", err)
}

// tokenNames: a name belongs to one valid token, but for a rotation.
func tokenNames(t *testing.T, open Open) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	n := byte(0)
	create := func(s store.Store, token store.Token) error {
		n++
		return s.CreateToken(t.Context(), token, hashOf(n))
	}
	if err := create(a, store.Token{ID: "id1", Name: "ci", Created: day(1), Expires: day(10)}); err != nil {
		t.Fatal(err)
	}
	err := create(b, store.Token{ID: "id2", Name: "ci", Created: day(2)})
	if !errors.Is(err, store.ErrNameTaken) {
		t.Errorf("a second valid token of a name: %v", err)
	}
	if list, err := a.ListTokens(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("refused, and kept: %v, %v", list, err)
	}
	if err := create(b, store.Token{ID: "id3", Name: "CI", Created: day(2)}); err != nil {
		t.Errorf("another name: %v", err)
	}

	n++
	old, err := b.RotateToken(t.Context(), store.Token{ID: "id4", Name: "ci", Created: day(3)}, hashOf(n), day(4))
	if err != nil || len(old) != 1 || old[0].ID != "id1" || !old[0].Expires.Equal(day(4)) {
		t.Fatalf("rotated %+v, %v", old, err)
	}
	// What expires earlier than the overlap ends keeps its time.
	n++
	old, err = a.RotateToken(t.Context(), store.Token{ID: "id5", Name: "ci", Created: day(3)}, hashOf(n), day(6))
	if err != nil || len(old) != 2 || !old[0].Expires.Equal(day(4)) || !old[1].Expires.Equal(day(6)) {
		t.Fatalf("rotated %+v, %v", old, err)
	}
	for hash, want := range map[byte]time.Time{1: day(4), 4: day(6), 5: {}} {
		got, err := b.TokenByHash(t.Context(), hashOf(hash))
		if err != nil || !got.Expires.Equal(want) {
			t.Errorf("token %q expires %v, %v, want %v", got.ID, got.Expires, err, want)
		}
	}

	// Expired at the very time of its end, and revoked: the name is free again.
	if err := create(a, store.Token{ID: "id6", Name: "ci", Created: day(6)}); !errors.Is(err, store.ErrNameTaken) {
		t.Errorf("the third token is valid: %v", err)
	}
	if _, err := a.RevokeToken(t.Context(), "id5", day(6)); err != nil {
		t.Fatal(err)
	}
	if err := create(a, store.Token{ID: "id7", Name: "ci", Created: day(6)}); err != nil {
		t.Errorf("no token of the name is valid: %v", err)
	}
	if old, err := a.RotateToken(t.Context(), store.Token{ID: "id8", Name: "new", Created: day(6)}, hashOf(99), day(7)); err != nil || len(old) != 0 {
		t.Errorf("rotated without an old token: %+v, %v", old, err)
	}
}

func tokenUses(t *testing.T, open Open) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	if err := a.CreateToken(t.Context(), store.Token{ID: "id", Created: day(1)}, hashOf(1)); err != nil {
		t.Fatal(err)
	}
	use := func(s store.Store, at time.Time) {
		t.Helper()
		if err := s.UsedToken(t.Context(), "id", at); err != nil {
			t.Fatal(err)
		}
	}
	// used holds what the interface promises: late by a minute at most.
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

// scan makes a scan with an id of its own.
func scan(t *testing.T, key, request string) store.Scan {
	return store.Scan{
		ID: mustID(t), At: day(3), Token: "token", Key: key, Project: "shop", Ref: "main", Commit: "c0ffee",
		Snapshot: "snapshot", Seq: 42, Request: []byte(request), Verdict: []byte(`{"verdict":"of ` + request + `"}`),
	}
}

func mustID(t *testing.T) string {
	id, err := store.NewID(rand.Reader)
	if err != nil {
		t.Error(err)
	}
	return id
}

func mustGzip(t *testing.T, b []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	_, err := w.Write(b)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func mustKeep(t *testing.T, s store.Store, scan store.Scan) store.Scan {
	t.Helper()
	kept, err := s.KeepScan(t.Context(), scan)
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

func scans(t *testing.T, open Open) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	large := string(bytes.Repeat([]byte(`{"components":[]}`), 50000))
	packed := scan(t, "", "came in gzip")
	packed.RequestGzip = mustGzip(t, packed.Request)
	again := scan(t, "", "one") // is kept already, as it came before
	again.RequestGzip = mustGzip(t, again.Request)
	cut := scan(t, "", "in parts")
	cut.Verdict = []byte("head,aa,bb,aa,tail")
	cut.Cuts = []int{4, 7, 10, 13}
	cut2, cut3 := cut, cut
	cut2.ID, cut3.ID = mustID(t), mustID(t)
	all := []store.Scan{cut, cut2, cut3, scan(t, "", "one"), scan(t, "", "one"), scan(t, "key", large), {ID: mustID(t), At: day(4)}, packed, again,
		scan(t, "", "came in gzip")}
	for i, want := range all {
		kept := mustKeep(t, a, want)
		want.RequestGzip, want.Cuts = nil, nil
		if !sameScan(kept, want) {
			t.Errorf("scan %d: kept %.300v, want %.300v", i, kept, want)
		}
		got, err := b.Scan(t.Context(), want.ID)
		if err != nil || !sameScan(got, want) {
			t.Errorf("scan %d: read %.300v, %v, want %.300v", i, got, err, want)
		}
		if text, err := b.ScanVerdict(t.Context(), want.ID); err != nil || !bytes.Equal(text, want.Verdict) {
			t.Errorf("scan %d: verdict %.300q, %v, want %.300q", i, text, err, want.Verdict)
		}
		sizes := store.Sizes{Request: int64(len(want.Request)), Verdict: int64(len(want.Verdict))}
		want.Request, want.Verdict = nil, nil
		if got, gotSizes, err := b.FindScan(t.Context(), want.ID); err != nil || !sameScan(got, want) || gotSizes != sizes {
			t.Errorf("scan %d: found %.300v, %+v, %v, want %.300v, %+v", i, got, gotSizes, err, want, sizes)
		}
	}
	twice := scan(t, "", "other")
	twice.ID = cut.ID
	if _, err := a.KeepScan(t.Context(), twice); err == nil {
		t.Error("an id was taken twice")
	}
}

// sameScan compares everything; empty and nil bytes are the same.
func sameScan(a, b store.Scan) bool {
	same := bytes.Equal(a.Request, b.Request) && bytes.Equal(a.Verdict, b.Verdict)
	a.Request, b.Request, a.Verdict, b.Verdict = nil, nil, nil, nil
	return same && reflect.DeepEqual(a, b)
}

func listOfScans(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	var want []store.Scan // newest first
	for i, at := range []int{5, 9, 2, 9} {
		k := scan(t, "", fmt.Sprint(i))
		k.At = day(at)
		k = mustKeep(t, s, k)
		k.Request, k.Verdict = nil, nil
		want = append(want, k)
	}
	want = []store.Scan{want[3], want[1], want[0], want[2]} // of equals the one kept last
	for _, limit := range []int{10, 4, 3, 1, 0, -1} {
		got, err := s.ListScans(t.Context(), limit)
		if err != nil {
			t.Fatal(err)
		}
		n := max(0, min(limit, 4))
		if len(got) != n {
			t.Fatalf("limit %d: %d scans, want %d", limit, len(got), n)
		}
		for i := range got {
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Errorf("limit %d, scan %d: %+v, want %+v", limit, i, got[i], want[i])
			}
		}
	}
}

func idempotency(t *testing.T, open Open) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	first := mustKeep(t, a, scan(t, "key", "one"))
	again := scan(t, "key", "another")
	again.At = day(9)
	want := first
	want.Request, want.Verdict = nil, nil
	if got := mustKeep(t, b, again); !sameScan(got, want) {
		t.Errorf("the same key again: %+v, want the first %+v", got, first)
	}
	if _, err := a.Scan(t.Context(), first.ID); err != nil {
		t.Error(err)
	}
	otherToken := scan(t, "key", "one")
	otherToken.Token = "other"
	for name, s := range map[string]store.Scan{"another token": otherToken, "another key": scan(t, "key2", "one"), "no key": scan(t, "", "one"), "still no key": scan(t, "", "one")} {
		if got := mustKeep(t, a, s); got.ID == first.ID {
			t.Errorf("%s: the first scan was returned", name)
		}
	}
	if list, err := a.ListScans(t.Context(), 10); err != nil || len(list) != 5 {
		t.Errorf("%d scans, %v, want 5", len(list), err)
	}
}

func idempotencyAtOnce(t *testing.T, open Open) {
	dir := t.TempDir()
	handles := []store.Store{open(t, dir), open(t, dir)}
	const keys, tries = 10, 8
	var mu sync.Mutex
	ids := map[string]map[string]int{}
	var wg sync.WaitGroup
	for i := range tries {
		wg.Go(func() {
			for k := range keys {
				key := fmt.Sprint(k)
				kept, err := handles[i%2].KeepScan(t.Context(), scan(t, key, "request "+key))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if ids[key] == nil {
					ids[key] = map[string]int{}
				}
				ids[key][kept.ID]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for key, got := range ids {
		if len(got) != 1 {
			t.Errorf("key %q got several scans: %v", key, got)
		}
	}
	if list, err := handles[0].ListScans(t.Context(), 1000); err != nil || len(list) != keys {
		t.Errorf("%d scans, %v, want %d", len(list), err, keys)
	}
}

func scansOfCommit(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	for i, scan := range []store.Scan{
		{ID: "a", At: day(1), Project: "shop", Commit: "c1"},
		{ID: "b", At: day(3), Project: "shop", Commit: "c1"},
		{ID: "c", At: day(2), Project: "blog", Commit: "c1"},
		{ID: "d", At: day(4), Project: "shop", Commit: "c2"},
		{ID: "e", At: day(5), Project: "shop"},
	} {
		scan.Request, scan.Verdict = fmt.Appendf(nil, `{"n":%d}`, i), []byte(`{}`)
		if _, err := s.KeepScan(t.Context(), scan); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		commit, project string
		limit           int
		want            string
	}{
		{"c1", "", 9, "b c a"},
		{"c1", "shop", 9, "b a"},
		{"c1", "", 2, "b c"},
		{"c1", "none", 9, ""},
		{"c3", "", 9, ""},
		{"", "", 9, ""},
		{"c1", "", -1, ""},
	} {
		scans, err := s.ScansOfCommit(t.Context(), tt.commit, tt.project, tt.limit)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, scan := range scans {
			ids = append(ids, scan.ID)
		}
		if got := strings.Join(ids, " "); got != tt.want {
			t.Errorf("commit %q, project %q, limit %d: scans %q, want %q", tt.commit, tt.project, tt.limit, got, tt.want)
		}
	}
}
