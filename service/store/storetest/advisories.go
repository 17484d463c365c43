package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"assay/service/store"
)

func history(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	mustImport(t, s, whole("a", 1), all(record("X-1", day(1), "a1"), record("X-2", day(1), "b1")), store.Imported{Added: 2, Seq: 2})
	mustImport(t, s, whole("a", 2), all(record("X-1", day(2), "a2"), record("X-2", day(1), "b1")), store.Imported{Changed: 1, Unchanged: 1, Seq: 3})
	mustImport(t, s, whole("a", 3), all(record("X-1", day(3), "a3"), record("X-3", day(3), "c1")), store.Imported{Added: 1, Changed: 1, Removed: 1, Seq: 6})
	mustImport(t, s, whole("a", 4), all(record("X-1", day(3), "a1"), record("X-2", day(1), "b1"), record("X-3", day(3), "c1")),
		store.Imported{Added: 1, Changed: 1, Unchanged: 1, Seq: 8})

	wantTexts(t, s, 0, 2, "1 X-1 a1", "2 X-2 b1")
	wantTexts(t, s, 0, 3, "2 X-2 b1", "3 X-1 a2")
	wantTexts(t, s, 0, 6, "4 X-1 a3", "5 X-3 c1", "6 X-2 removed")
	wantTexts(t, s, 0, 8, "5 X-3 c1", "7 X-1 a1", "8 X-2 b1")
	wantTexts(t, s, 2, 3, "3 X-1 a2")
	wantTexts(t, s, 3, 8, "5 X-3 c1", "7 X-1 a1", "8 X-2 b1")
	wantTexts(t, s, 2, 6, "4 X-1 a3", "5 X-3 c1", "6 X-2 removed")
	if got := mustHead(t, s).Records; got != 3 {
		t.Errorf("%d records, want 3", got)
	}
}

func changes(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	mustImport(t, s, source("a", 1), all(record("X-1", day(1), "a"), record("X-2", day(1), "b")), store.Imported{Added: 2, Seq: 2})
	wantTexts(t, s, 2, 2)
	wantTexts(t, s, 2, 1)
	wantTexts(t, s, 2, 100)
	wantTexts(t, s, 1, 100, "2 X-2 b")
	wantTexts(t, s, -5, 1, "1 X-1 a")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := 0
	for _, err := range s.Changes(ctx, 0, 2) {
		n++
		if !errors.Is(err, context.Canceled) {
			t.Errorf("with a cancelled context: %v", err)
		}
	}
	if n != 1 {
		t.Errorf("a cancelled context yields %d times, want once", n)
	}
}

func currentRecord(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	mustImport(t, s, source("s:a", 1), all(record("X-1", day(1), "one", fix("1")), record("X-2", day(1), "other")), store.Imported{Added: 2, Seq: 2})
	mustImport(t, s, source("s:b", 2), all(record("X-1", day(2), "two")), store.Imported{Changed: 1, Seq: 3})
	mustImport(t, s, source("s:b", 3), all(store.Record{ID: "X-1", Removed: true}), store.Imported{Removed: 1, Seq: 4})
	for upTo, want := range map[int64]store.Record{
		1:       {Seq: 1, ID: "X-1", Modified: day(1), Origin: from("s:a"), Body: []byte("one")},
		2:       {Seq: 1, ID: "X-1", Modified: day(1), Origin: from("s:a"), Body: []byte("one")},
		3:       {Seq: 3, ID: "X-1", Modified: day(2), Origin: from("s:b"), Body: []byte("two")},
		4:       {Seq: 4, ID: "X-1", Modified: day(2), Origin: from("s:b"), Removed: true},
		1 << 40: {Seq: 4, ID: "X-1", Modified: day(2), Origin: from("s:b"), Removed: true},
	} {
		got, err := s.Record(t.Context(), "s", "X-1", upTo)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(got.Fixes); n != 0 && want.Seq != 1 || n != 1 && want.Seq == 1 {
			t.Errorf("up to %d: %d fixes", upTo, n)
		}
		got.Fixes = nil
		if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
			t.Errorf("up to %d: %s, want %s", upTo, g, w)
		}
	}
	for id, upTo := range map[string]int64{"X-1": 0, "X-2": 1, "x-1": 9, "": 9} {
		_, err := s.Record(t.Context(), "s", id, upTo)
		wantNotFound(t, fmt.Sprintf("record %q up to %d", id, upTo), err)
	}
	_, err := s.Record(t.Context(), "t", "X-1", 9)
	wantNotFound(t, "record of another source", err)
}

func firstSeen(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	step := func(at int, want store.Imported, records ...store.Record) {
		t.Helper()
		mustImport(t, s, whole("a", at), all(records...), want)
	}
	step(1, store.Imported{Added: 1, Seq: 1}, record("X-1", day(1), "a"))
	step(2, store.Imported{Changed: 1, Seq: 2}, record("X-1", day(2), "b", fix("1")))
	step(3, store.Imported{Changed: 1, Seq: 3}, record("X-1", day(3), "c", fix("2"), fix("1")))
	step(4, store.Imported{Changed: 1, Seq: 4}, record("X-1", day(4), "d", fix("2")))
	step(5, store.Imported{Removed: 1, Seq: 5})
	// The fix 1 was dropped, and the record removed: both are remembered.
	step(6, store.Imported{Added: 1, Seq: 6}, record("X-1", day(6), "e", fix("1"), fix("2"), fix("3")))
	// The clock of the import is going back.
	step(1, store.Imported{Changed: 1, Seq: 7}, record("X-1", day(7), "f", fix("1"), fix("3")))

	for upTo, want := range map[int64]string{
		1: "1 X-1 a", 2: "2 X-1 b 1@2", 4: "4 X-1 d 2@3", 5: "5 X-1 removed", 7: "7 X-1 f 1@2 3@6",
	} {
		wantTexts(t, s, 0, upTo, want)
	}
	// The order of fixes is the store's.
	got := strings.Fields(texts(t, s, 0, 6)[0])
	slices.Sort(got)
	if want := []string{"1@2", "2@3", "3@6", "6", "X-1", "e"}; !slices.Equal(got, want) {
		t.Errorf("version 6: %q, want %q", got, want)
	}
	got = strings.Fields(texts(t, s, 0, 3)[0])
	slices.Sort(got)
	if want := []string{"1@2", "2@3", "3", "X-1", "c"}; !slices.Equal(got, want) {
		t.Errorf("version 3: %q, want %q", got, want)
	}

	// A fix belongs to its record, ecosystem and package.
	mustImport(t, s, source("b", 8), all(record("X-2", day(8), "g", fix("1"),
		store.Fix{Ecosystem: "Debian:11", Package: "curl", Version: "1"},
		store.Fix{Ecosystem: "Debian:11", Package: "bash", Version: "1"},
		store.Fix{Ecosystem: "npm", Package: "curl", Version: "1"})), store.Imported{Added: 1, Seq: 8})
	n := 0
	for r, err := range s.Changes(t.Context(), 7, 8) {
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range r.Fixes {
			n++
			if !f.FirstSeen.Equal(day(8)) {
				t.Errorf("%+v, want day 8", f)
			}
		}
		for _, want := range []string{"Debian:12 curl", "Debian:11 curl", "Debian:11 bash", "npm curl"} {
			if !slices.ContainsFunc(r.Fixes, func(f store.Fix) bool { return f.Ecosystem+" "+f.Package == want }) {
				t.Errorf("fix of %q is missing in %v", want, r.Fixes)
			}
		}
	}
	if n != 4 {
		t.Errorf("%d fixes, want 4", n)
	}
}

func newest(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	want := func(n int) {
		t.Helper()
		if got := mustHead(t, s).Newest; !got.Equal(day(n)) {
			t.Errorf("newest %v, want day %d", got, n)
		}
	}
	mustImport(t, s, whole("a", 1), all(record("X-1", day(3), "a"), record("X-2", day(9), "b")), store.Imported{Added: 2, Seq: 2})
	want(9)
	// The date was a mistake.
	mustImport(t, s, whole("a", 2), all(record("X-1", day(3), "a"), record("X-2", day(4), "b2")), store.Imported{Changed: 1, Unchanged: 1, Seq: 3})
	want(4)
	mustImport(t, s, whole("a", 3), all(record("X-1", day(3), "a")), store.Imported{Unchanged: 1, Removed: 1, Seq: 4})
	want(3)
	mustImport(t, s, whole("a", 4), all(), store.Imported{Removed: 1, Seq: 5})
	if h := mustHead(t, s); h.Records != 0 || !h.Newest.IsZero() {
		t.Errorf("head of nothing: %+v", h)
	}
}

func sample(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	for i, tt := range []struct{ sample, want bool }{{true, true}, {true, true}, {false, false}, {true, false}} {
		im := source("a", i+1)
		im.Sample = tt.sample
		if _, err := s.Import(t.Context(), im, all()); err != nil {
			t.Fatal(err)
		}
		if got := mustHead(t, s).Sample; got != tt.want {
			t.Errorf("after import %d: sample %v, want %v", i+1, got, tt.want)
		}
	}
}
