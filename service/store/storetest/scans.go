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

	"assay/service/store"
)

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
	// Findings that several verdicts have, which a store may keep once.
	found := scan(t, "", "findings")
	found.Verdict = []byte(`{"findings":[{"id":"a"},{"id":"b"},{"id":"a"}],"counts":{"findings":3}}`)
	found2, found3 := found, found
	found2.ID, found3.ID = mustID(t), mustID(t)
	all := []store.Scan{found, found2, found3, scan(t, "", "one"), scan(t, "", "one"), scan(t, "key", large), {ID: mustID(t), At: day(4)}, packed, again,
		scan(t, "", "came in gzip")}
	for i, want := range all {
		kept := mustKeep(t, a, want)
		want.RequestGzip = nil
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
	twice.ID = found.ID
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

func filteredScans(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	verdict := func(outcome string) []byte {
		return fmt.Appendf(nil, `{"version":1,"scan":"x","decision":{"outcome":%q,"code":4}}`, outcome)
	}
	for i, scan := range []store.Scan{
		{ID: "a", At: day(1), Project: "shop", Ref: "main", Token: "t1", Verdict: verdict("fail")},
		{ID: "b", At: day(2), Project: "shop", Ref: "main", Token: "t2", Verdict: verdict("pass")},
		{ID: "c", At: day(3), Project: "shop", Ref: "next", Token: "t1", Verdict: verdict("untrusted")},
		{ID: "d", At: day(3), Project: "blog", Ref: "main", Token: "t1", Verdict: verdict("fail")}, // of equals the later one
		{ID: "e", At: day(5), Token: "t2", Verdict: verdict("fail")},
		{ID: "f", At: day(6), Token: "t2", Verdict: verdict("pass")},
		{ID: "g", At: day(4), Project: "shop", Ref: "main", Token: "t1", Verdict: verdict("fail")}, // kept late
	} {
		scan.Request = fmt.Appendf(nil, `{"n":%d}`, i)
		if _, err := s.KeepScan(t.Context(), scan); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		filter store.ScanFilter
		want   string
	}{
		{store.ScanFilter{}, "f e g d c b a"},
		{store.ScanFilter{Project: "shop"}, "g c b a"},
		{store.ScanFilter{Project: "shop", Ref: "main"}, "g b a"},
		{store.ScanFilter{Ref: "main"}, "g d b a"},
		{store.ScanFilter{Token: "t2"}, "f e b"},
		{store.ScanFilter{Outcome: "fail"}, "e g d a"},
		{store.ScanFilter{Outcome: "later"}, ""},
		{store.ScanFilter{Since: day(3)}, "f e g d c"},
		{store.ScanFilter{Latest: true}, "f e g d c"},
		{store.ScanFilter{Latest: true, Outcome: "pass"}, "f"}, // b passed and is not the newest
		{store.ScanFilter{Latest: true, Token: "t2"}, "f e b"}, // the newest of those of the token
		{store.ScanFilter{Latest: true, Project: "shop", Outcome: "fail", Since: day(2)}, "g"},
		{store.ScanFilter{Project: "none"}, ""},
	} {
		for _, limit := range []int{1, 2, 3, 7, 100} {
			tt.filter.Limit, tt.filter.After = limit, ""
			var ids []string
			for pages := 0; ; pages++ {
				list, next, err := s.FilterScans(t.Context(), tt.filter)
				if err != nil || len(list) > limit || pages > 9 {
					t.Fatalf("%+v: %d scans in page %d, %v", tt.filter, len(list), pages, err)
				}
				for _, l := range list {
					ids = append(ids, l.ID)
					if l.Outcome == "" || l.Request != nil || l.Verdict != nil || l.At.IsZero() {
						t.Errorf("%+v: %+v", tt.filter, l)
					}
				}
				if next == "" {
					break
				}
				tt.filter.After = next
			}
			if got := strings.Join(ids, " "); got != tt.want {
				t.Errorf("%+v: scans %q, want %q", tt.filter, got, tt.want)
			}
		}
	}
	if list, _, err := s.FilterScans(t.Context(), store.ScanFilter{Limit: 0}); err != nil || len(list) > 0 {
		t.Errorf("without a limit: %v, %v", list, err)
	}
	for _, cursor := range []string{"x", "1", "1.", ".1", "1.1.1", "1.x", "01.1", "1.99999999999999999999", "1.1; DROP TABLE scan"} {
		if _, _, err := s.FilterScans(t.Context(), store.ScanFilter{After: cursor, Limit: 9}); !errors.Is(err, store.ErrCursor) {
			t.Errorf("after %q: %v", cursor, err)
		}
	}
}

func passedScan(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	const pass, fail = `{"version":1,"decision":{"outcome":"pass","code":0}}`, `{"version":1,"decision":{"outcome":"fail","code":4}}`
	for i, scan := range []store.Scan{
		{ID: "a", At: day(1), Project: "shop", Ref: "main", Verdict: []byte(pass)},
		{ID: "b", At: day(3), Project: "shop", Ref: "main", Verdict: []byte(pass)},
		{ID: "c", At: day(2), Project: "shop", Ref: "main", Verdict: []byte(pass)}, // kept late
		{ID: "d", At: day(4), Project: "shop", Ref: "main", Verdict: []byte(fail)},
		{ID: "e", At: day(5), Project: "shop", Ref: "next", Verdict: []byte(pass)},
		{ID: "f", At: day(6), Project: "blog", Ref: "main", Verdict: []byte(fail)},
	} {
		scan.Request = fmt.Appendf(nil, `{"n":%d}`, i)
		if _, err := s.KeepScan(t.Context(), scan); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		project, ref string
		before       int
		want         string
	}{
		{"shop", "main", 9, "b"},
		{"shop", "main", 3, "c"}, // not one of the same time
		{"shop", "main", 2, "a"},
		{"shop", "main", 1, ""},
		{"shop", "next", 9, "e"},
		{"blog", "main", 9, ""},
		{"", "", 9, ""},
	} {
		scan, sizes, err := s.PassedScan(t.Context(), tt.project, tt.ref, day(tt.before))
		if scan.ID != tt.want || (err != nil) != (tt.want == "") || err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%+v: %q, %v", tt, scan.ID, err)
		}
		if err == nil && (sizes.Request != int64(len(`{"n":0}`)) || sizes.Verdict != int64(len(pass))) {
			t.Errorf("%+v: %+v", tt, sizes)
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
