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

func importCounts(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	big := strings.Repeat(`{"ranges":[{"type":"ECOSYSTEM"}]}`, 20000)
	odd := "\x00\xff not UTF-8"
	mustImport(t, s, source("a", 2), all(record("X-1", day(1), "one"), record("X-2", day(2), big), record("X-3", day(1), odd)),
		store.Imported{Added: 3, Seq: 3})
	if got, want := mustHead(t, s), (store.Head{Seq: 3, Records: 3, Updated: day(2), Newest: day(2)}); got != want {
		t.Errorf("head %+v, want %+v", got, want)
	}
	var got []store.Record
	for r, err := range s.Changes(t.Context(), 0, 3) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	for i, want := range []store.Record{
		{Seq: 1, ID: "X-1", Modified: day(1), Origin: from("a"), Body: []byte("one")},
		{Seq: 2, ID: "X-2", Modified: day(2), Origin: from("a"), Body: []byte(big)},
		{Seq: 3, ID: "X-3", Modified: day(1), Origin: from("a"), Body: []byte(odd)},
	} {
		g := got[i]
		if g.Seq != want.Seq || g.ID != want.ID || !g.Modified.Equal(want.Modified) || g.Origin != want.Origin ||
			g.Removed || string(g.Body) != string(want.Body) || len(g.Fixes) != 0 {
			t.Errorf("record %d: %.200v, want %.200v", i, g, want)
		}
	}

	// A record has changed only if its bytes differ.
	mustImport(t, s, source("a", 3), all(record("X-1", day(3), "one"), record("X-2", day(2), "two"), record("X-4", day(4), "four")),
		store.Imported{Added: 1, Changed: 1, Unchanged: 1, Seq: 5})
	if got, want := mustHead(t, s), (store.Head{Seq: 5, Records: 4, Updated: day(3), Newest: day(4)}); got != want {
		t.Errorf("head %+v, want %+v", got, want)
	}
	mustImport(t, s, source("a", 5), all(record("X-1", day(1), "one")), store.Imported{Unchanged: 1, Seq: 5})
	if got, want := mustHead(t, s), (store.Head{Seq: 5, Records: 4, Updated: day(5), Newest: day(4)}); got != want {
		t.Errorf("head after nothing new %+v, want %+v", got, want)
	}
	// An import with an earlier clock does not make the data look older.
	mustImport(t, s, source("b", 1), all(), store.Imported{Seq: 5})
	if got := mustHead(t, s).Updated; !got.Equal(day(5)) {
		t.Errorf("updated %v, want %v", got, day(5))
	}
}

func wholeImports(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	mustImport(t, s, whole("s:a", 1), all(record("X-1", day(1), "a"), record("X-2", day(1), "b"), record("X-3", day(1), "c")), store.Imported{Added: 3, Seq: 3})
	mustImport(t, s, whole("s:b", 2), all(record("Y-1", day(1), "d")), store.Imported{Added: 1, Seq: 4})
	// A record that another part imports with the same bytes belongs to that part from now on.
	mustImport(t, s, source("s:b", 3), all(record("X-3", day(1), "c")), store.Imported{Unchanged: 1, Seq: 4})
	mustImport(t, s, whole("s:a", 4), all(record("X-2", day(1), "b")), store.Imported{Unchanged: 1, Removed: 1, Seq: 5})
	wantTexts(t, s, 4, 5, "5 X-1 removed")
	// A removed one is not removed again, and one that came back is new.
	mustImport(t, s, whole("s:a", 5), all(record("X-2", day(1), "b")), store.Imported{Unchanged: 1, Seq: 5})
	mustImport(t, s, whole("s:a", 6), all(record("X-1", day(1), "a"), record("X-2", day(1), "b")), store.Imported{Added: 1, Unchanged: 1, Seq: 6})
	mustImport(t, s, whole("s:b", 7), all(), store.Imported{Removed: 2, Seq: 8})
	wantTexts(t, s, 6, 8, "7 X-3 removed", "8 Y-1 removed")
	if got := mustHead(t, s).Records; got != 2 {
		t.Errorf("%d records, want 2", got)
	}
	// A whole import of the source is one of all its parts.
	mustImport(t, s, whole("s", 8), all(record("X-1", day(1), "a")), store.Imported{Unchanged: 1, Removed: 1, Seq: 9})
	wantTexts(t, s, 8, 9, "9 X-2 removed")

	// The removal of records can be refused.
	im := whole("s", 9)
	im.MayRemove = func(missing, held int) error { return fmt.Errorf("%d of %d", missing, held) }
	_, err := s.Import(t.Context(), im, all(record("X-7", day(1), "g"), record("X-8", day(1), "h")))
	if err == nil || !strings.Contains(err.Error(), "1 of 1") {
		t.Errorf("error %v, want that of MayRemove", err)
	}
	wantTexts(t, s, 9, 99)
	mustImport(t, s, im, all(record("X-1", day(1), "a")), store.Imported{Unchanged: 1, Seq: 9})
}

// sources checks that each source has its own records.
func sources(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	gone := store.Record{ID: "X-1", Removed: true}
	mustImport(t, s, whole("a", 1), all(record("X-1", day(1), "same", fix("1")), record("X-2", day(1), "b")), store.Imported{Added: 2, Seq: 2})
	mustImport(t, s, whole("b:part", 2), all(record("X-1", day(2), "same", fix("1"))), store.Imported{Added: 1, Seq: 3})
	mustImport(t, s, whole("c", 3), all(record("X-1", day(1), "other")), store.Imported{Added: 1, Seq: 4})
	if got := mustHead(t, s).Records; got != 4 {
		t.Errorf("%d records, want 4", got)
	}
	wantTexts(t, s, 0, 9, "1 X-1 same 1@1", "2 X-2 b", "3 X-1 same 1@2", "4 X-1 other")
	// None of them takes out or replaces another's.
	mustImport(t, s, source("b:other", 4), all(gone), store.Imported{Seq: 4})
	mustImport(t, s, source("a", 5), all(gone), store.Imported{Removed: 1, Seq: 5})
	mustImport(t, s, whole("c", 6), all(record("X-1", day(3), "third")), store.Imported{Changed: 1, Seq: 6})
	wantTexts(t, s, 0, 9, "2 X-2 b", "3 X-1 same 1@2", "5 X-1 removed", "6 X-1 third")

	for upTo, want := range map[int64]string{
		0: "", 2: "a same", 3: "a same; b:part same", 4: "a same; b:part same; c other", 9: "a removed; b:part same; c third",
	} {
		records, err := s.RecordsOf(t.Context(), "X-1", upTo)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range records {
			body := string(r.Body)
			if r.Removed {
				body = "removed"
			}
			got = append(got, r.Origin.String()+" "+body)
		}
		if g := strings.Join(got, "; "); g != want {
			t.Errorf("up to %d: %q, want %q", upTo, g, want)
		}
	}
	if r, err := s.Record(t.Context(), "b", "X-1", 9); err != nil || r.Origin != from("b:part") || string(r.Body) != "same" {
		t.Errorf("record of b: %+v, %v", r, err)
	}
	for _, o := range []store.Origin{{Source: "a:b"}, {Source: "a\x00"}, {Source: "a", Part: "\x00"}, {Part: "a"}} {
		if _, err := s.Import(t.Context(), store.Import{Origin: o, At: day(1)}, all()); err == nil {
			t.Errorf("an import from %+v: no error", o)
		}
	}
}

func removedRecords(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	gone := func(id string) store.Record { return store.Record{ID: id, Removed: true} }
	mustImport(t, s, source("s:a", 1), all(record("X-1", day(1), "a"), record("X-2", day(1), "b")), store.Imported{Added: 2, Seq: 2})
	mustImport(t, s, source("s:b", 2), all(gone("X-1")), store.Imported{Seq: 2}) // not b's to remove
	mustImport(t, s, source("s:a", 3), all(gone("X-1"), gone("X-1"), gone("X-9")), store.Imported{Removed: 1, Seq: 3})
	wantTexts(t, s, 0, 3, "2 X-2 b", "3 X-1 removed")
	// An import of the whole source may remove those of all its parts.
	mustImport(t, s, source("s", 4), all(gone("X-2")), store.Imported{Removed: 1, Seq: 4})
}

func rejectedRecords(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	mustImport(t, s, whole("a", 1), all(record("X-1", day(1), "a"), record("X-2", day(1), "b")), store.Imported{Added: 2, Seq: 2})
	rejected := then(fmt.Errorf("X-2.json: %w: cut off", store.ErrRejected), all(record("X-1", day(1), "a"), record("X-3", day(1), "c")))
	mustImport(t, s, whole("a", 2), rejected, store.Imported{Added: 1, Unchanged: 1, Rejected: 1, Seq: 3})
	wantTexts(t, s, 0, 3, "1 X-1 a", "2 X-2 b", "3 X-3 c")
}

func sameIDTwice(t *testing.T, open Open) {
	older, newer := record("X-1", day(1), "older", fix("1")), record("X-1", day(2), "newer", fix("2"))
	other := record("X-2", day(1), "other")
	for _, tt := range []struct {
		name    string
		records []store.Record
		want    string
	}{
		{"older first", []store.Record{older, other, newer}, "newer"},
		{"newer first", []store.Record{newer, other, older}, "newer"},
		{"equally old", []store.Record{older, record("X-1", day(1), "second")}, "older"},
		{"three", []store.Record{older, newer, record("X-1", day(3), "newest")}, "newest"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, t.TempDir())
			current := func() string {
				for r, err := range s.Changes(t.Context(), 0, 1<<40) {
					if err != nil {
						t.Fatal(err)
					}
					if r.ID == "X-1" {
						return string(r.Body)
					}
				}
				return ""
			}
			got, err := s.Import(t.Context(), source("a", 3), all(tt.records...))
			if err != nil {
				t.Fatal(err)
			}
			head := mustHead(t, s)
			if got.Added != head.Records || got.Changed != 0 || got.Unchanged != 0 || current() != tt.want {
				t.Errorf("first import: %+v, current %q, want %q", got, current(), tt.want)
			}
			// The same again leaves no trace.
			before := texts(t, s, 0, head.Seq)
			got, err = s.Import(t.Context(), source("a", 4), all(tt.records...))
			if err != nil {
				t.Fatal(err)
			}
			if got.Added != 0 || got.Changed != 0 || got.Unchanged != head.Records || current() != tt.want {
				t.Errorf("second import: %+v, current %q, want %q", got, current(), tt.want)
			}
			if after := texts(t, s, 0, got.Seq); !slices.Equal(after, before) {
				t.Errorf("changes %q, want as before: %q", after, before)
			}
			if h := mustHead(t, s); h.Records != head.Records || !h.Newest.Equal(head.Newest) {
				t.Errorf("head %+v, before %+v", h, head)
			}
		})
	}

	// With an existing record: the first is unchanged, the second is newer.
	s := open(t, t.TempDir())
	mustImport(t, s, source("a", 1), all(older), store.Imported{Added: 1, Seq: 1})
	mustImport(t, s, source("a", 2), all(older, newer), store.Imported{Changed: 1, Seq: 2})
	wantTexts(t, s, 0, 1, "1 X-1 older 1@1")
	wantTexts(t, s, 0, 2, "2 X-1 newer 2@2")
}

func failedImports(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	mustImport(t, s, whole("a", 1), all(record("X-1", day(1), "a", fix("1"))), store.Imported{Added: 1, Seq: 1})
	head := mustHead(t, s)
	broken := errors.New("the disk is on fire")
	unchanged := func(name string) {
		t.Helper()
		if got := mustHead(t, s); got != head {
			t.Errorf("%s: head %+v, want %+v", name, got, head)
		}
		wantTexts(t, s, 0, 1<<40, "1 X-1 a 1@1")
	}

	_, err := s.Import(t.Context(), whole("a", 2), then(broken, all(record("X-1", day(2), "b"), record("X-2", day(2), "c"))))
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want it to wrap the iterator's", err)
	}
	unchanged("failing iterator")

	ctx, cancel := context.WithCancel(t.Context())
	_, err = s.Import(ctx, whole("a", 2), func(yield func(store.Record, error) bool) {
		yield(record("X-2", day(2), "c"), nil)
		cancel()
		yield(record("X-3", day(2), "d"), nil)
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	unchanged("cancelled")

	func() {
		defer func() {
			if recover() == nil {
				t.Error("the iterator's panic was swallowed")
			}
		}()
		_, _ = s.Import(t.Context(), whole("a", 2), func(yield func(store.Record, error) bool) {
			yield(record("X-2", day(2), "c"), nil)
			panic(broken)
		})
	}()
	unchanged("panicking iterator")

	for name, r := range map[string]store.Record{
		"no id":             record("", day(1), "a"),
		"no body":           record("X-2", day(1), ""),
		"removed with body": {ID: "X-1", Removed: true, Body: []byte("a")},
		"incomplete fix":    record("X-2", day(1), "a", store.Fix{Ecosystem: "npm", Version: "1"}),
	} {
		if _, err := s.Import(t.Context(), source("a", 2), all(record("X-9", day(1), "z"), r)); err == nil {
			t.Errorf("%s: no error", name)
		}
		unchanged(name)
	}
	if _, err := s.Import(t.Context(), store.Import{At: day(2)}, all()); err == nil {
		t.Error("an import without a source: no error")
	}
	// The next one works, and numbers go on.
	mustImport(t, s, whole("a", 3), all(record("X-2", day(2), "c")), store.Imported{Added: 1, Removed: 1, Seq: 3})
}
