package feed_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/service/feed"
	"assay/service/store"
	"assay/service/store/sqlite"
)

// A made source has the records and the error that a test sets.
type made struct {
	name    string
	records int
	bad     int // rejected ones
	remove  []string
	whole   bool
	fails   error
	updates int
}

func (m *made) source() feed.Source {
	return feed.Source{Name: m.name, Feed: func(feed.Setup, string) (feed.Feed, error) { return m, nil }}
}

func (m *made) Origin() store.Origin { return store.Origin{Source: m.name} }

func (m *made) Update(ctx context.Context, st feed.Store, now time.Time) (o feed.Outcome, err error) {
	m.updates++
	if m.fails != nil {
		return o, m.fails
	}
	got, err := st.Import(ctx, store.Import{Origin: m.Origin(), At: now, Whole: m.whole, State: `{"place":"x"}`}, func(yield func(store.Record, error) bool) {
		for i := range m.bad {
			if !yield(store.Record{}, fmt.Errorf("%d: %w", i, store.ErrRejected)) {
				return
			}
		}
		for i := range m.records {
			if !yield(store.Record{ID: fmt.Sprint(m.name, i), Body: []byte("x")}, nil) {
				return
			}
		}
		for _, id := range m.remove {
			if !yield(store.Record{ID: id, Removed: true}, nil) {
				return
			}
		}
	})
	o.Add(got)
	return o, err
}

// A setting is a store with an updater of made sources.
type setting struct {
	t     *testing.T
	store *sqlite.Store
	now   time.Time
	made  []*made
	feed.Updater
}

func newSetting(t *testing.T, all ...*made) *setting {
	t.Helper()
	st, err := sqlite.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	s := &setting{t: t, store: st, now: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), made: all}
	s.Store, s.Now = st, func() time.Time { return s.now }
	for _, m := range all {
		s.Plans = append(s.Plans, feed.Plan{Source: m.source(), Setup: feed.Setup{Dir: filepath.Join(t.TempDir(), m.name)}, Named: true, Interval: time.Hour})
	}
	return s
}

func (s *setting) records(name string) (n int, failure string) {
	s.t.Helper()
	all, err := s.store.Sources(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, src := range all {
		if src.Origin.Source == name {
			return src.Records, src.Err
		}
	}
	return 0, ""
}

// What cannot be the data of a source is refused, whatever its feed does.
func TestRefused(t *testing.T) {
	ids := func(n int) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprint("a", i))
		}
		return out
	}
	for _, tt := range []struct {
		name   string
		held   int
		update made
		left   int // zero: refused
		err    string
	}{
		{"half of a whole source", 40, made{whole: true, records: 20}, 20, ""},
		{"less than half of a whole source", 40, made{whole: true, records: 19}, 0, "21 of 40 would be removed"},
		{"half removed one by one", 40, made{remove: ids(20)}, 20, ""},
		{"more than half removed one by one", 40, made{remove: ids(21)}, 0, "21 of 40 would be removed"},
		{"a small source", 9, made{whole: true, records: 1}, 1, ""},
		{"nothing", 40, made{whole: true}, 0, "there is no valid record"},
		{"one rejected record", 40, made{whole: true, records: 39, bad: 1}, 40, ""},
		{"mostly rejected records", 40, made{whole: true, records: 30, bad: 31}, 0, "31 of 61 records are rejected"},
		{"one rejected record of an increment", 40, made{bad: 1}, 40, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := &made{name: "a", whole: true, records: tt.held}
			s := newSetting(t, m)
			if err := s.Update(t.Context(), feed.Events{}); err != nil {
				t.Fatal(err)
			}
			tt.update.name = "a"
			*m = tt.update
			var outcome feed.Outcome
			var failed error
			err := s.Update(t.Context(), feed.Events{Done: func(_ store.Origin, o feed.Outcome, err error) { outcome, failed = o, err }})
			n, failure := s.records("a")
			if len(outcome.Rejections) != min(m.bad, 20) {
				t.Errorf("%d rejections", len(outcome.Rejections))
			}
			if tt.left > 0 {
				if err != nil || n != tt.left || failure != "" {
					t.Errorf("%v, %d records, failure %q", err, n, failure)
				}
				return
			}
			if err == nil || !strings.Contains(fmt.Sprint(failed), tt.err) || n != tt.held || !strings.Contains(failure, tt.err) {
				t.Errorf("%v, %v, %d records, failure %q", err, failed, n, failure)
			}
			if shrunk := strings.Contains(tt.err, "removed"); errors.Is(failed, feed.ErrShrunk) != shrunk {
				t.Errorf("%v", failed)
			} else if shrunk {
				s.Plans[0].AcceptShrink = []string{"a"}
				if err := s.Update(t.Context(), feed.Events{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// Which sources an update includes follows from what the user names and what was fetched.
func TestWanted(t *testing.T) {
	for _, tt := range []struct {
		name                              string
		named, standard, fetched, dropped bool
		imported, serve                   bool
		want                              bool
	}{
		{name: "no default source", want: false},
		{name: "a default source", standard: true, want: true},
		{name: "a named source", named: true, want: true},
		{name: "a source that was fetched", fetched: true, want: true},
		{name: "a dropped default source", standard: true, fetched: true, dropped: true, want: false},
		{name: "a dropped source that is named", named: true, fetched: true, dropped: true, want: true},
		{name: "serve with an empty store", standard: true, serve: true, want: true},
		{name: "serve with imports", standard: true, serve: true, imported: true, want: false},
		{name: "serve with imports, named", named: true, serve: true, imported: true, want: true},
		{name: "update with imports", standard: true, imported: true, want: true},
		{name: "serve with imports and a source that was fetched", fetched: true, serve: true, imported: true, want: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := &made{name: "a", whole: true, records: 1}
			s := newSetting(t, m)
			if tt.fetched {
				if err := s.Update(t.Context(), feed.Events{}); err != nil {
					t.Fatal(err)
				}
			}
			if tt.dropped {
				if n, err := feed.Drop(t.Context(), s.store, m.Origin(), s.now); n != 1 || err != nil {
					t.Fatal(n, err)
				}
			}
			if tt.imported {
				_, err := s.store.Import(t.Context(), store.Import{Origin: store.Origin{Source: "own"}, At: s.now}, func(yield func(store.Record, error) bool) {
					yield(store.Record{ID: "X-1", Body: []byte("x")}, nil)
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			m.updates = 0
			s.Plans[0].Named, s.Plans[0].Source.Default, s.Fetched = tt.named, tt.standard, tt.serve
			if err := s.Update(t.Context(), feed.Events{}); err != nil {
				t.Fatal(err)
			}
			if (m.updates == 1) != tt.want {
				t.Errorf("%d updates", m.updates)
			}
		})
	}
}

// Each source has its own interval, and the failure of one does not delay the others.
func TestSchedules(t *testing.T) {
	often, seldom, broken := &made{name: "often", whole: true, records: 1}, &made{name: "seldom", whole: true, records: 1}, &made{name: "broken", fails: errors.New("down")}
	s := newSetting(t, often, seldom, broken)
	s.Plans[0].Interval, s.Plans[1].Interval, s.Plans[2].Interval = 5*time.Millisecond, time.Hour, 20*time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var failure error
	s.Every(ctx, slog.New(slog.DiscardHandler), func(err error) {
		failure = err
		s.now = s.now.Add(time.Second)
		if often.updates >= 5 && broken.updates >= 3 {
			cancel()
		}
	})
	if often.updates < 5 || seldom.updates != 1 || broken.updates < 3 {
		t.Errorf("updates: %d, %d and %d", often.updates, seldom.updates, broken.updates)
	}
	if failure == nil || strings.Contains(failure.Error(), "seldom") {
		t.Errorf("%v", failure)
	}
	if _, text := s.records("broken"); text != "down" {
		t.Errorf("%q", text)
	}
}

// A key is sent to the host of the mirror, not to another one, and is in no error.
func TestKey(t *testing.T) {
	var elsewhere, here string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { elsewhere = r.Header.Get("Apikey") }))
	defer other.Close()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		here = r.Header.Get("Apikey")
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, other.URL+"/x", http.StatusFound)
		case "/none":
			http.NotFound(w, r)
		}
	}))
	defer srv.Close()
	c := quick()
	c.Authorize = func(h http.Header) { h.Set("Apikey", "secret") }
	m := place(t, srv.URL, c)
	if _, _, err := m.Get(t.Context(), "moved", limit, feed.Version{}); err != nil || here != "secret" || elsewhere != "" {
		t.Errorf("%v, the mirror got %q, another host %q", err, here, elsewhere)
	}
	if _, _, err := m.Get(t.Context(), "none", limit, feed.Version{}); err == nil || strings.Contains(err.Error()+m.String(), "secret") {
		t.Errorf("%v", err)
	}
}

// Requests of a paced mirror keep their distance, and end with the context.
func TestPaced(t *testing.T) {
	address, requests := serve(t, func(int, http.ResponseWriter, *http.Request) {})
	m := feed.Paced(place(t, address, quick()), 1, time.Hour)
	if _, _, err := m.Get(t.Context(), "a", limit, feed.Version{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, _, err := m.Get(ctx, "b", limit, feed.Version{}); err == nil {
		t.Error("a second request at once: no error")
	}
	if _, err := m.Save(ctx, "b", filepath.Join(t.TempDir(), "b"), limit, feed.Version{}); err == nil || requests.Load() != 1 {
		t.Errorf("%v, %d requests", err, requests.Load())
	}
}
