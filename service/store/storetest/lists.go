package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"assay/service/store"
)

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
	wantTexts(t, s, 0, 9, "2 X-1 a") // lists are not advisories

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
