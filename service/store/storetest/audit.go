package storetest

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"assay/service/store"
)

// event is one of the audit trail, without its number.
func event(at int, action, object, project string) store.Event {
	return store.Event{At: day(at), Actor: `token "ops" (id0)`, Action: action, Object: object, Project: project}
}

// eventsOf returns the events that a filter matches, without their numbers.
func eventsOf(t *testing.T, s store.Store, f store.EventFilter) []store.Event {
	t.Helper()
	if f.Limit == 0 {
		f.Limit = 100
	}
	list, err := s.Events(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	last := int64(math.MaxInt64)
	for i, e := range list {
		if e.N >= last {
			t.Errorf("event %d follows event %d, want the newest first", e.N, last)
		}
		last, list[i].N = e.N, 0
	}
	return list
}

func audit(t *testing.T, open Open) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	if list := eventsOf(t, a, store.EventFilter{}); len(list) != 0 {
		t.Errorf("a new store has events: %+v", list)
	}
	first := event(1, store.ActionImport, "own", "")
	second := event(2, store.ActionTokenCreate, "ci", "shop")
	second.Refused, second.Detail = true, "a valid token has this name"
	third := event(3, store.ActionTokenRevoke, "ci", "web")
	for i, e := range []store.Event{first, second, third} {
		if err := []store.Store{a, b}[i%2].AddEvent(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name   string
		filter store.EventFilter
		want   []store.Event
	}{
		{"all", store.EventFilter{}, []store.Event{third, second, first}},
		{"the newest", store.EventFilter{Limit: 2}, []store.Event{third, second}},
		{"since a time", store.EventFilter{Since: day(2)}, []store.Event{third, second}},
		{"of a project", store.EventFilter{Project: "shop"}, []store.Event{second}},
		{"of an action", store.EventFilter{Action: store.ActionImport}, []store.Event{first}},
		{"of another project", store.EventFilter{Project: "sho"}, nil},
	} {
		if got := eventsOf(t, b, tt.filter); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
	newest, err := a.Events(t.Context(), store.EventFilter{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got := eventsOf(t, a, store.EventFilter{Before: newest[0].N}); !reflect.DeepEqual(got, []store.Event{second, first}) {
		t.Errorf("before the newest: %+v", got)
	}
	long := event(4, "x", strings.Repeat("é", 10_000), "a\x00b")
	if err := a.AddEvent(t.Context(), long); err != nil {
		t.Fatal(err)
	}
	if got := eventsOf(t, a, store.EventFilter{Action: "x"}); len(got) != 1 || len(got[0].Object) != 1000 {
		t.Errorf("a long event: %+v", got)
	}
}

// tokenEvents checks that a change of tokens and its event are written together.
func tokenEvents(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	create := func(id, name, project string, at int) error {
		return s.CreateToken(t.Context(), store.Token{ID: id, Name: name, Project: project, Created: day(at)}, hashOf(byte(at)),
			event(at, store.ActionTokenCreate, name, project))
	}
	for i, name := range []string{"ci", "web"} {
		if err := create("id"+fmt.Sprint(i+1), name, "shop", i+1); err != nil {
			t.Fatal(err)
		}
	}
	if err := create("id3", "ci", "shop", 3); !errors.Is(err, store.ErrNameTaken) {
		t.Fatal(err)
	}
	next := store.Token{ID: "id4", Name: "ci", Project: "other", Created: day(4)}
	rotation := event(4, store.ActionTokenRotate, "ci", "other")
	if _, _, err := s.RotateToken(t.Context(), next, hashOf(4), store.Rotation{End: day(5), Project: "other"}, rotation); !errors.Is(err, store.ErrOtherProject) {
		t.Errorf("a token of another project was replaced: %v", err)
	}
	if got, err := s.TokenByHash(t.Context(), hashOf(1)); err != nil || !got.Expires.IsZero() {
		t.Errorf("the token of the other project: %+v, %v", got, err)
	}
	next.Project = "shop"
	if _, _, err := s.RotateToken(t.Context(), next, hashOf(4), store.Rotation{End: day(5), Project: "shop"}, rotation); err != nil {
		t.Fatal(err)
	}
	revoke := func(name, project string, at int) ([]store.Token, error) {
		return s.RevokeToken(t.Context(), store.Revocation{Token: name, Project: project, At: day(at)}, event(at, store.ActionTokenRevoke, name, project))
	}
	for _, name := range []string{"ci", "id4"} {
		if _, err := revoke(name, "other", 6); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("revoke %q of another project: %v", name, err)
		}
	}
	revoked, err := revoke("ci", "shop", 7)
	if err != nil || len(revoked) != 2 {
		t.Errorf("revoked %+v, %v, want the replaced token and the new one", revoked, err)
	}
	for _, hash := range []byte{1, 4} {
		if got, err := s.TokenByHash(t.Context(), hashOf(hash)); err != nil || got.Valid(day(4)) {
			t.Errorf("after the revocation of the name: %+v, %v", got, err)
		}
	}
	if _, err := revoke("ci", "", 8); err != nil { // changes nothing
		t.Fatal(err)
	}
	var got []string
	for _, e := range eventsOf(t, s, store.EventFilter{}) {
		got = append(got, strings.Join([]string{e.At.Format(time.DateOnly), e.Action, e.Object, e.Project, e.Detail}, " "))
	}
	want := []string{
		"2025-01-07 token.revoke ci shop ended id1, id4",
		"2025-01-04 token.rotate ci shop ended id1",
		"2025-01-02 token.create web shop ",
		"2025-01-01 token.create ci shop ",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("events\n%q\nwant\n%q", got, want)
	}
}

// pruneEvents checks that events stay for a year, or longer if scans do.
func pruneEvents(t *testing.T, open Open) {
	s := open(t, t.TempDir())
	const events = 250 // more than one step removes
	for i := range events {
		if err := s.AddEvent(t.Context(), event(1+i/220, "x", fmt.Sprint(i), "")); err != nil {
			t.Fatal(err)
		}
	}
	p := prune(367, 30)
	p.DryRun = true
	if got := mustPrune(t, s, p); got.Events != 220 {
		t.Errorf("a dry run counts %+v, want 220 events", got)
	}
	if got := mustPrune(t, s, prune(500, 500)); got.Events != 0 {
		t.Errorf("pruned %+v within the time for which scans are kept", got)
	}
	p.DryRun = false
	if got := mustPrune(t, s, p); got.Events != 220 {
		t.Errorf("pruned %+v, want 220 events", got)
	}
	if got := eventsOf(t, s, store.EventFilter{Limit: events}); len(got) != 30 {
		t.Errorf("%d events are left, want 30", len(got))
	}
}
