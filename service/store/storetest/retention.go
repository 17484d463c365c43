package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"assay/service/store"
)

// prune removes what is older than a number of days on day(now).
func prune(now, days int) store.Prune {
	return store.Prune{Now: day(now), Keep: time.Duration(days) * 24 * time.Hour}
}

func mustPrune(t *testing.T, s store.Store, p store.Prune) store.Pruned {
	t.Helper()
	got, err := s.Prune(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// scanOn makes a scan on day(n) of a ref, answered with the data up to seq.
func scanOn(t *testing.T, n int, ref string, seq int64, request string) store.Scan {
	s := scan(t, "", request)
	s.At, s.Ref, s.Seq, s.Snapshot = day(n), ref, seq, fmt.Sprintf("%064d", seq)
	return s
}

func pruneScans(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	if keep, err := s.KeepTime(t.Context()); err != nil || keep != store.DefaultKeep {
		t.Errorf("a new store keeps scans for %v, %v", keep, err)
	}
	if last, err := s.LastPrune(t.Context()); err != nil || last != (store.LastPrune{}) {
		t.Errorf("a new store was pruned: %+v, %v", last, err)
	}
	for _, want := range []store.LastPrune{{At: day(1), Keep: time.Hour}, {At: day(2), Keep: 48 * time.Hour}} {
		if err := s.NotePrune(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if last, err := s.LastPrune(t.Context()); err != nil || !last.At.Equal(want.At) || last.Keep != want.Keep {
			t.Errorf("last pruned %+v, %v, want %+v", last, err, want)
		}
	}
	for _, keep := range []time.Duration{0, -time.Hour} {
		if _, err := s.Prune(t.Context(), store.Prune{Now: day(1), Keep: keep}); err == nil {
			t.Errorf("scans are kept for %v", keep)
		}
	}
	otherProject := scanOn(t, 1, "main", 1, "other project")
	otherProject.Project = "other"
	noRef := scanOn(t, 1, "", 1, "no ref")
	const pass, fail = `{"version":1,"decision":{"outcome":"pass","code":0}}`, `{"version":1,"decision":{"outcome":"fail","code":4}}`
	ended := func(n int, verdict string) store.Scan {
		s := scanOn(t, n, "gated", 1, "a")
		s.Verdict = []byte(verdict)
		return s
	}
	all := []struct {
		what string
		scan store.Scan
		kept bool
	}{
		{"old", scanOn(t, 1, "main", 1, "a"), false},
		{"old, of the same time as another", scanOn(t, 1, "main", 1, "a"), false},
		{"old, but the newest of its ref", scanOn(t, 2, "feature", 1, "b"), true},
		{"old, but the newest of its project", otherProject, true},
		{"old, but the newest without a ref", noRef, true},
		{"old, and another one passed since", ended(1, pass), false},
		{"old, but the newest of its ref that passed", ended(2, pass), true},
		{"old, and it failed", ended(3, fail), false},
		{"old, but the newest of its ref, which failed", ended(4, fail), true},
		{"young", scanOn(t, 90, "main", 1, "a"), true},
		{"the newest", scanOn(t, 95, "main", 1, "c"), true},
	}
	for _, tt := range all {
		mustKeep(t, s, tt.scan)
	}
	p := prune(100, 30)
	p.DryRun = true
	if got := mustPrune(t, s, p); got.Scans != 4 || got.Inventories != 0 {
		t.Errorf("a dry run counts %+v", got)
	}
	check := func(when string, kept func(string, bool) bool) {
		t.Helper()
		for _, tt := range all {
			_, err := s.Scan(t.Context(), tt.scan.ID)
			switch {
			case !kept(tt.what, tt.kept):
				wantNotFound(t, when+": "+tt.what, err)
			case err != nil:
				t.Errorf("%s: %s: %v", when, tt.what, err)
			}
		}
	}
	check("after a dry run", func(string, bool) bool { return true })
	p.DryRun = false
	if got := mustPrune(t, s, p); got.Scans != 4 {
		t.Errorf("pruned %+v", got)
	}
	check("after pruning", func(_ string, kept bool) bool { return kept })
	if got := mustPrune(t, s, p); got != (store.Pruned{}) {
		t.Errorf("pruned again: %+v", got)
	}
	// After a year the newest of a ref goes, too.
	mustPrune(t, s, prune(400, 30))
	check("after a year", func(what string, _ bool) bool { return what == "the newest" })
	// And nothing goes that is young enough, however long that is.
	if got := mustPrune(t, s, prune(500, 450)); got.Scans != 0 {
		t.Errorf("pruned %+v within the time", got)
	}
}

// pruneShared checks that what scans have in common stays while one of them does.
func pruneShared(t *testing.T, open Open) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	findings := func(prefix string, n int) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(`{"id":"%s-%04d","text":"%s"}`, prefix, i, strings.Repeat("x", 50)))
		}
		return strings.Join(list, ",")
	}
	with := func(s store.Scan, findings string) store.Scan {
		s.Verdict = []byte(`{"findings":[` + findings + `],"counts":{"findings":1}}`)
		return s
	}
	old, lone := findings("old", 200), findings("lone", 200)
	var scans []store.Scan
	for i := range 4 {
		scans = append(scans, with(scanOn(t, 1+i, "main", 1, "shared"), old), with(scanOn(t, 1+i, "gone", 1, fmt.Sprint("lone", i)), lone))
	}
	// The newest of its ref, which has what older scans have.
	scans = append(scans, with(scanOn(t, 5, "feature", 1, "shared"), old), with(scanOn(t, 99, "gone", 1, "x"), "{}"))
	for _, s := range scans {
		mustKeep(t, a, s)
	}
	got := mustPrune(t, b, prune(100, 30))
	if got.Scans != 7 || got.Inventories != 4 {
		t.Errorf("pruned %+v", got)
	}
	// A handle that remembers what it kept before must not refer to what is gone.
	again := with(scanOn(t, 100, "main", 1, "lone0"), lone)
	mustKeep(t, a, again)
	mustKeep(t, a, with(scanOn(t, 100, "main", 1, "lone0"), lone))
	for _, want := range []store.Scan{scans[6], scans[8], again} {
		for _, s := range []store.Store{a, b} {
			read, err := s.Scan(t.Context(), want.ID)
			if err != nil || !sameScan(read, want) {
				t.Errorf("%s on day %d: %v", want.Ref, want.At.Day(), err)
			}
		}
	}
	if problems, err := b.Verify(t.Context()); err != nil || len(problems) != 0 {
		t.Errorf("verify: %q, %v", problems, err)
	}
	if usage, err := b.Usage(t.Context()); err != nil || len(usage) < 3 {
		t.Errorf("usage %v, %v", usage, err)
	}
}

// pruneData checks that a state of the data stays readable while a scan that was
// answered with it is kept, and that nothing else of the past stays.
func pruneData(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	list := func(n int, body string) {
		t.Helper()
		if _, err := s.KeepList(t.Context(), source("epss", n), store.List{Kind: "epss", Entries: 1, Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
	}
	states := map[int64][]string{}
	publish := func() int64 {
		t.Helper()
		seq := mustHead(t, s).Seq
		states[seq] = texts(t, s, 0, seq)
		if err := s.Published(t.Context(), fmt.Sprintf("%064d", seq), seq); err != nil {
			t.Fatal(err)
		}
		return seq
	}
	var seqs []int64
	for n := 1; n <= 5; n++ {
		mustImport(t, s, source("a", n), all(record("X-1", day(n), fmt.Sprint("body", n), fix(fmt.Sprint(n)))),
			store.Imported{Added: b2i(n == 1), Changed: b2i(n > 1), Seq: int64(2*n - 1)})
		list(n, fmt.Sprint("list", n))
		seqs = append(seqs, publish())
	}
	mustKeep(t, s, scanOn(t, 2, "main", seqs[1], "a"))   // goes
	mustKeep(t, s, scanOn(t, 3, "branch", seqs[2], "a")) // stays: the newest of its ref
	mustKeep(t, s, scanOn(t, 99, "main", seqs[4], "a"))
	p := prune(100, 30)
	p.DryRun = true
	dry := mustPrune(t, s, p)
	p.DryRun = false
	got := mustPrune(t, s, p)
	if want := (store.Pruned{Scans: 1, Snapshots: 3, Versions: 3, Lists: 3}); got.Scans != want.Scans || got.Snapshots != want.Snapshots ||
		got.Versions != want.Versions || got.Lists != want.Lists {
		t.Errorf("pruned %+v, want %+v", got, want)
	}
	if dry.Versions != got.Versions || dry.Lists != got.Lists || dry.Snapshots != got.Snapshots {
		t.Errorf("a dry run counts %+v, then %+v went", dry, got)
	}
	for i, seq := range seqs {
		_, err := s.Snapshot(t.Context(), fmt.Sprintf("%064d", seq))
		if i != 2 && i != 4 {
			wantNotFound(t, fmt.Sprintf("state %d", i), err)
			continue
		}
		if err != nil {
			t.Errorf("state %d: %v", i, err)
		}
		wantTexts(t, s, 0, seq, states[seq]...)
		n := 0
		for l, err := range s.Lists(t.Context(), 0, seq) {
			if n++; err != nil || string(l.Body) != fmt.Sprint("list", i+1) {
				t.Errorf("state %d: list %q, %v", i, l.Body, err)
			}
		}
		if n != 1 {
			t.Errorf("state %d has %d lists", i, n)
		}
	}
	// Fixes are first seen when they were, though that version is gone.
	mustImport(t, s, source("a", 100), all(record("X-1", day(100), "again", fix("1"))), store.Imported{Changed: 1, Seq: 11})
	wantTexts(t, s, 10, 11, "11 X-1 again 1@1")
	if problems, err := s.Verify(t.Context()); err != nil || len(problems) != 0 {
		t.Errorf("verify: %q, %v", problems, err)
	}
	// What was replaced a moment ago stays: a scan may be in progress with it.
	if got := mustPrune(t, s, prune(100, 1)); got.Versions != 0 {
		t.Errorf("pruned %+v", got)
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// pruneEndedEarly checks that what was done before the end stays done.
func pruneEndedEarly(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	const n = 450
	for range n {
		mustKeep(t, s, scanOn(t, 1, "main", 1, "a"))
	}
	newest := mustKeep(t, s, scanOn(t, 2, "main", 1, "a"))
	p := prune(100, 30)
	p.Pause = func(context.Context, time.Duration) error { return errors.New("enough") }
	got, err := s.Prune(t.Context(), p)
	if err == nil || got.Scans == 0 || got.Scans >= n {
		t.Errorf("pruned %+v, %v", got, err)
	}
	steps := 0
	p.Pause = func(context.Context, time.Duration) error { steps++; return nil }
	if rest := mustPrune(t, s, p); got.Scans+rest.Scans != n || steps == 0 {
		t.Errorf("%d and then %d of %d went, in %d steps", got.Scans, rest.Scans, n, steps)
	}
	if _, err := s.Scan(t.Context(), newest.ID); err != nil {
		t.Error(err)
	}
}
