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

// listTexts reads lists as "seq kind source entries published-day body".
func listTexts(t *testing.T, s store.Store, after, upTo int64) []string {
	t.Helper()
	var out []string
	for l, err := range s.Lists(t.Context(), after, upTo) {
		if err != nil {
			t.Fatal(err)
		}
		published := "-"
		if !l.Published.IsZero() {
			published = fmt.Sprint(l.Published.Day())
		}
		out = append(out, fmt.Sprintf("%d %s %s %d %s %s", l.Seq, l.Kind, l.Source, l.Entries, published, l.Body))
	}
	return out
}

func lists(t *testing.T, open Open) {
	dir := t.TempDir()
	s, other := open(t, dir), open(t, dir)
	keep := func(at int, l store.List, want bool) {
		t.Helper()
		changed, err := s.KeepList(t.Context(), source("from "+l.Kind, at), l)
		if err != nil || changed != want {
			t.Fatalf("changed %v, %v, want %v", changed, err, want)
		}
	}
	want := func(after, upTo int64, want ...string) {
		t.Helper()
		if got := listTexts(t, other, after, upTo); !slices.Equal(got, want) {
			t.Errorf("lists in (%d, %d]:\n got %q\nwant %q", after, upTo, got, want)
		}
	}
	want(0, 1<<40)
	keep(1, store.List{Kind: "kev", Entries: 1, Published: day(9), Body: []byte("k1")}, true)
	// A list alone says nothing about the advisories.
	if got := mustHead(t, other); got != (store.Head{Seq: 1}) {
		t.Errorf("head %+v", got)
	}
	mustImport(t, s, source("a", 2), all(record("X-1", day(1), "a")), store.Imported{Added: 1, Seq: 2})
	keep(3, store.List{Kind: "epss", Entries: 3, Body: []byte("e1")}, true)
	keep(4, store.List{Kind: "kev", Entries: 2, Body: []byte("k2")}, true)
	keep(5, store.List{Kind: "kev", Entries: 2, Published: day(8), Body: []byte("k2")}, false)
	keep(6, store.List{Kind: "kev", Entries: 0}, true)
	if got, want := mustHead(t, other), (store.Head{Seq: 5, Records: 1, Updated: day(2), Newest: day(1)}); got != want {
		t.Errorf("head %+v, want %+v", got, want)
	}
	want(0, 1, "1 kev from kev 1 9 k1")
	want(0, 3, "1 kev from kev 1 9 k1", "3 epss from epss 3 - e1")
	want(0, 4, "3 epss from epss 3 - e1", "4 kev from kev 2 - k2")
	want(3, 5, "5 kev from kev 0 - ")
	want(5, 9)
	wantTexts(t, s, 0, 9, "2 X-1 a") // lists are no advisories

	if _, err := s.KeepList(t.Context(), source("a", 7), store.List{Body: []byte("x")}); err == nil {
		t.Error("a list without a kind: no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range s.Lists(ctx, 0, 9) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("with a cancelled context: %v", err)
		}
	}
}

func feeds(t *testing.T, open Open) {
	dir := t.TempDir()
	s, other := open(t, dir), open(t, dir)
	feed := func(name string, at int, state string, records ...store.Record) {
		t.Helper()
		im := source(name, at)
		im.State = state
		if _, err := s.Import(t.Context(), im, all(records...)); err != nil {
			t.Fatal(err)
		}
	}
	wantSources := func(want ...store.Source) {
		t.Helper()
		got, err := other.Sources(t.Context())
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("sources %v\n got %+v\nwant %+v", err, got, want)
		}
	}
	updated := func(n int) {
		t.Helper()
		if got := mustHead(t, other).Updated; !got.Equal(day(n)) {
			t.Errorf("updated %v, want day %d", got, n)
		}
	}
	wantSources()
	feed("s:folder", 9, "", record("X-1", day(1), "a"))
	updated(9)
	// From the first feed on, feeds alone tell the age.
	feed("s:b", 2, "s1", record("X-2", day(2), "b"), record("X-3", day(3), "c"))
	updated(2)
	feed("s:a", 5, "t1", record("X-4", day(1), "d"))
	updated(2) // the one that was not reached for longer
	if err := s.FeedFailed(t.Context(), from("s:b"), day(6), "no route"); err != nil {
		t.Fatal(err)
	}
	if err := s.FeedFailed(t.Context(), from("s:c"), day(6), "404"); err != nil {
		t.Fatal(err)
	}
	updated(2)
	a := store.Source{Origin: from("s:a"), Feed: true, State: "t1", Records: 1, Updated: day(5)}
	b := store.Source{Origin: from("s:b"), Feed: true, State: "s1", Records: 2, Updated: day(2), Failed: day(6), Err: "no route"}
	c := store.Source{Origin: from("s:c"), Failed: day(6), Err: "404"}
	folder := store.Source{Origin: from("s:folder"), Records: 1, Updated: day(9)}
	wantSources(a, b, c, folder)

	// Nothing new is a success too; its clock does not go back.
	feed("s:b", 7, "s2")
	feed("s:b", 4, "")
	b.State, b.Updated, b.Failed, b.Err = "s2", day(7), store.Source{}.Failed, ""
	wantSources(a, b, c, folder)
	updated(5)

	// A failed import keeps the state.
	im := source("s:b", 8)
	im.State = "s3"
	if _, err := s.Import(t.Context(), im, then(errors.New("cut"), all(record("X-5", day(1), "e")))); err == nil {
		t.Fatal("no error")
	}
	wantSources(a, b, c, folder)

	// What another part of the source brings is that one's; a feed without records does not
	// count any more.
	feed("s:folder", 10, "", record("X-4", day(1), "d"))
	a.Records, folder.Records, folder.Updated = 0, 2, day(10)
	wantSources(a, b, c, folder)
	updated(7)

	if _, err := s.KeepList(t.Context(), source("kev", 11), store.List{Kind: "kev", Entries: 40, Body: []byte("k")}); err != nil {
		t.Fatal(err)
	}
	wantSources(store.Source{Origin: from("kev"), Records: 40, Updated: day(11)}, a, b, c, folder)
	updated(7)

	if err := s.FeedFailed(t.Context(), store.Origin{}, day(1), "x"); err == nil {
		t.Error("a failure of no source: no error")
	}
}

func held(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	ids := func(source string) string {
		t.Helper()
		var out []string
		for r, err := range s.Held(t.Context(), from(source)) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Origin != from(source) || r.Body != nil {
				t.Errorf("held %+v", r)
			}
			out = append(out, fmt.Sprintf("%s@%d#%d", r.ID, r.Modified.Day(), r.Seq))
		}
		return strings.Join(out, " ")
	}
	mustImport(t, s, source("s:a", 1), all(record("X-2", day(2), "b"), record("X-1", day(1), "a"), record("X-3", day(3), "c")), store.Imported{Added: 3, Seq: 3})
	mustImport(t, s, source("s:b", 2), all(record("X-3", day(3), "c")), store.Imported{Unchanged: 1, Seq: 3})
	mustImport(t, s, source("s:a", 3), all(store.Record{ID: "X-2", Removed: true}), store.Imported{Removed: 1, Seq: 4})
	for source, want := range map[string]string{"s:a": "X-1@1#2", "s:b": "X-3@3#3", "s:c": "", "s": ""} {
		if got := ids(source); got != want {
			t.Errorf("%s holds %q, want %q", source, got, want)
		}
	}
}

func feedLock(t *testing.T, open Open) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	unlock, err := a.LockFeeds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []store.Store{a, b} {
		if _, err := s.LockFeeds(t.Context()); !errors.Is(err, store.ErrLocked) {
			t.Errorf("locked twice: %v", err)
		}
	}
	// It keeps nobody from importing.
	mustImport(t, b, source("a", 1), all(record("X-1", day(1), "a")), store.Imported{Added: 1, Seq: 1})
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	unlock, err = b.LockFeeds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
}
