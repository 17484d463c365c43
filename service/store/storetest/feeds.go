package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/service/store"
)

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
	// From the first feed on, the age depends only on feeds.
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

	// A record that another part of the source imports belongs to that part. A feed without
	// records no longer counts.
	feed("s:folder", 10, "", record("X-4", day(1), "d"))
	a.Records, folder.Records, folder.Updated = 0, 2, day(10)
	wantSources(a, b, c, folder)
	updated(7)

	if _, err := s.KeepList(t.Context(), source("kev", 11), store.List{Kind: "kev", Entries: 40, Body: []byte("k")}); err != nil {
		t.Fatal(err)
	}
	wantSources(store.Source{Origin: from("kev"), Records: 40, Updated: day(11)}, a, b, c, folder)
	updated(7)

	// A state without an import.
	for _, tt := range []struct {
		at   int
		want time.Time
	}{{0, time.Time{}}, {12, day(12)}, {0, day(12)}} {
		var at time.Time
		if tt.at > 0 {
			at = day(tt.at)
		}
		state := fmt.Sprint("state ", tt.at)
		err := errors.Join(s.FeedFailed(t.Context(), from("t"), day(11), "x"), s.FeedState(t.Context(), from("t"), at, state))
		if err != nil {
			t.Fatal(err)
		}
		wantSources(store.Source{Origin: from("kev"), Records: 40, Updated: day(11)}, a, b, c, folder,
			store.Source{Origin: from("t"), Feed: true, State: state, Updated: tt.want})
		updated(7)
	}

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

// feedLead checks that one process leads at a time, and that a lead writes as the store
// does and does not prevent imports.
func feedLead(t *testing.T, open Open) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	lead, err := a.LeadFeeds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []store.Store{a, b} {
		if _, err := s.LeadFeeds(t.Context()); !errors.Is(err, store.ErrLocked) {
			t.Errorf("two leads: %v", err)
		}
	}
	mustImport(t, b, source("a", 1), all(record("X-1", day(1), "a")), store.Imported{Added: 1, Seq: 1})
	if got, err := lead.Import(lead.Context(), source("a", 2), all(record("X-2", day(1), "b"))); err != nil || got != (store.Imported{Added: 1, Seq: 2}) {
		t.Errorf("import of the lead: %+v, %v", got, err)
	}
	if changed, err := lead.KeepList(lead.Context(), source("kev", 3), store.List{Kind: "kev", Body: []byte("k")}); err != nil || !changed {
		t.Errorf("list of the lead: %v, %v", changed, err)
	}
	if err := lead.FeedFailed(lead.Context(), from("a"), day(4), "no route"); err != nil {
		t.Error(err)
	}
	if sources, err := b.Sources(t.Context()); err != nil || len(sources) != 2 || sources[0].Err != "no route" {
		t.Errorf("sources %+v, %v", sources, err)
	}
	if err := lead.Release(); err != nil {
		t.Fatal(err)
	}
	lead, err = b.LeadFeeds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := lead.Release(); err != nil {
		t.Fatal(err)
	}
}
