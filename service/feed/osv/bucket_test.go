package osv_test

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/check/testkit/osvtest"
	"assay/service/advisory"
	"assay/service/feed"
	"assay/service/feed/osv"
	"assay/service/store"
	"assay/service/store/sqlite"
)

// A bucket is a server in the form of the public one, filled with records of package
// osvtest.
type bucket struct {
	t   testing.TB
	srv *httptest.Server

	mu      sync.Mutex
	records map[string]map[string][]byte // by ecosystem and id
	// instead answers a path in place of the bucket.
	instead map[string]http.HandlerFunc
	asked   []string // paths, "304 " before those that had not changed
}

// most is how many records a large ecosystem has.
const most = 150

func newBucket(t testing.TB, ecosystems ...string) *bucket {
	t.Helper()
	b := &bucket{t: t, records: map[string]map[string][]byte{}, instead: map[string]http.HandlerFunc{}}
	for _, e := range ecosystems {
		b.records[e] = osvtest.Records(e)
	}
	b.srv = httptest.NewServer(b)
	t.Cleanup(func() {
		b.srv.CloseClientConnections()
		b.srv.Close()
	})
	return b
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	answer := b.instead[r.URL.Path]
	content, ok := b.file(strings.TrimPrefix(r.URL.Path, "/"))
	b.mu.Unlock()
	rec := httptest.NewRecorder()
	switch {
	case answer != nil:
		b.note(r.URL.Path)
		answer(w, r)
		return
	case !ok:
		http.NotFound(rec, r)
	default:
		rec.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(content)))
		http.ServeContent(rec, r, "", time.Time{}, bytes.NewReader(content))
	}
	if rec.Code == http.StatusNotModified {
		b.note("304 " + r.URL.Path)
	} else {
		b.note(r.URL.Path)
	}
	maps.Copy(w.Header(), rec.Header())
	w.WriteHeader(rec.Code)
	w.Write(rec.Body.Bytes())
}

func (b *bucket) note(s string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, s)
}

// requests returns what was asked since the last time, sorted.
func (b *bucket) requests() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	asked := b.asked
	b.asked = nil
	slices.Sort(asked)
	return asked
}

// file makes a file of the bucket from its records.
func (b *bucket) file(path string) ([]byte, bool) {
	if path == "ecosystems.txt" {
		return []byte(strings.Join(append(slices.Sorted(maps.Keys(b.records)), "[EMPTY]"), "\n") + "\n"), true
	}
	e, name, _ := strings.Cut(path, "/")
	records, ok := b.records[e]
	switch {
	case !ok:
		return nil, false
	case name == "all.zip":
		return zipOf(b.t, records), true
	case name == "modified_id.csv":
		return listingOf(b.t, records), true
	}
	body, ok := records[strings.TrimSuffix(name, ".json")]
	return body, ok && strings.HasSuffix(name, ".json")
}

func zipOf(t testing.TB, records map[string][]byte) []byte {
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, id := range slices.Sorted(maps.Keys(records)) {
		w, err := z.Create(id + ".json")
		if err == nil {
			_, err = w.Write(records[id])
		}
		if err != nil {
			t.Error(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Error(err)
	}
	return buf.Bytes()
}

func listingOf(t testing.TB, records map[string][]byte) []byte {
	type row struct {
		id string
		at time.Time
	}
	var rows []row
	for id, body := range records {
		a, err := advisory.Parse(body)
		if err != nil {
			t.Errorf("%s: %v", id, err)
		}
		rows = append(rows, row{id, a.Modified})
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Or(b.at.Compare(a.at), cmp.Compare(a.id, b.id)) })
	var buf bytes.Buffer
	for _, r := range rows {
		fmt.Fprintf(&buf, "%s,%s\n", r.at.UTC().Format(time.RFC3339Nano), r.id)
	}
	return buf.Bytes()
}

// set puts a record in the bucket; an empty body takes it out.
func (b *bucket) set(ecosystem, id, body string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if body == "" {
		delete(b.records[ecosystem], id)
	} else {
		b.records[ecosystem][id] = []byte(body)
	}
}

func (b *bucket) answer(path string, h http.HandlerFunc) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.instead[path] = h
}

// A rig is a store that is updated from a place.
type rig struct {
	t     *testing.T
	store *sqlite.Store
	dir   string
	where string
	now   time.Time
	stall time.Duration // zero: the default
	// shrink are the names of sources that may lose most of their records.
	shrink []string
	errs   map[string]error
	out    map[string]feed.Outcome
}

func newRig(t *testing.T, where string) *rig {
	t.Helper()
	dir := t.TempDir()
	st, err := sqlite.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return &rig{t: t, store: st, dir: filepath.Join(dir, "feed"), where: where, now: day(1)}
}

func day(n int) time.Time { return time.Date(2026, 12, n, 12, 0, 0, 0, time.UTC) }

// update updates ecosystems, and returns the error of the first that failed.
func (r *rig) update(ecosystems ...string) error {
	r.t.Helper()
	c := feed.DefaultConfig()
	c.MinWait, c.MaxWait = time.Millisecond, 2*time.Millisecond
	if r.stall > 0 {
		c.StallTimeout = r.stall
	}
	p, err := feed.Open(r.where, c)
	if err != nil {
		r.t.Fatal(err)
	}
	source := osv.Source()
	source.Parts = func(context.Context, feed.Setup) ([]string, error) { return ecosystems, nil }
	r.errs, r.out = map[string]error{}, map[string]feed.Outcome{}
	var first error
	u := feed.Updater{
		Plans: []feed.Plan{{Source: source, Setup: feed.Setup{Mirror: p, Dir: r.dir}, Parts: ecosystems, AcceptShrink: r.shrink}},
		Store: r.store, Now: func() time.Time { return r.now }, Timeout: time.Minute,
	}
	err = u.Update(r.t.Context(), feed.Events{Done: func(from store.Origin, o feed.Outcome, err error) {
		r.errs[from.String()], r.out[from.String()] = err, o
		if first == nil {
			first = err
		}
	}})
	if (err == nil) != (first == nil) {
		r.t.Errorf("update: %v, of its feeds: %v", err, first)
	}
	r.now = r.now.Add(24 * time.Hour)
	return first
}

func (r *rig) must(ecosystems ...string) {
	r.t.Helper()
	if err := r.update(ecosystems...); err != nil {
		r.t.Fatal(err)
	}
}

// holds compares the store with the buckets' records, byte for byte.
func (r *rig) holds(b *bucket, ecosystems ...string) {
	r.t.Helper()
	got := map[string]string{}
	for rec, err := range r.store.Changes(r.t.Context(), 0, math.MaxInt64) {
		if err != nil {
			r.t.Fatal(err)
		}
		if !rec.Removed {
			got[rec.ID] = string(rec.Body)
		}
	}
	want := 0
	for _, e := range ecosystems {
		for id, body := range b.records[e] {
			want++
			if got[id] != string(body) {
				r.t.Errorf("%s of %s: the store has %.200q, the bucket %.200q", id, e, got[id], body)
			}
		}
	}
	if len(got) != want {
		r.t.Errorf("the store has %d records, the bucket %d", len(got), want)
	}
}

func (r *rig) source(name string) store.Source {
	r.t.Helper()
	sources, err := r.store.Sources(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, s := range sources {
		if s.Origin.String() == name {
			return s
		}
	}
	r.t.Fatalf("no source %q", name)
	return store.Source{}
}

// record makes a small advisory for a package.
func record(id, modified, ecosystem string) string {
	return fmt.Sprintf(`{"id":%q,"modified":%q,"affected":[{"package":{"ecosystem":%q,"name":"p"},"versions":["1"]}]}`, id, modified, ecosystem)
}
