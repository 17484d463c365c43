// Package feedtest updates a store from a source on a local server, for tests.
package feedtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"assay/service/advisory"
	"assay/service/feed"
	"assay/service/store"
	"assay/service/store/sqlite"
)

// A Server has the files of a source, and a store that is updated from it.
type Server struct {
	Store  *sqlite.Store
	source feed.Source
	dir    string
	mirror feed.Mirror
	mu     sync.Mutex
	files  map[string][]byte
	sent   int
}

// Key is the key that a server expects, if the source needs one.
const Key = "feedtest-secret-key"

var now = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// New starts a server for a source, with files by name.
func New(t testing.TB, source feed.Source, files map[string][]byte) *Server {
	t.Helper()
	keepMirror(t, source.Name, files)
	s := &Server{source: source, files: files, dir: t.TempDir()}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	c := feed.DefaultConfig()
	c.Attempts, c.MinWait, c.MaxWait, c.StallTimeout, c.RequestTimeout = 2, time.Millisecond, time.Millisecond, 5*time.Second, 20*time.Second
	if source.Authorize != nil {
		c.Authorize = func(h http.Header) { source.Authorize(h, Key) }
	}
	var err error
	if s.mirror, err = feed.Open(srv.URL+"/base", c); err != nil {
		t.Fatal(err)
	}
	if s.Store, err = sqlite.Open(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Store.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// keepMirror writes the files of a source into the folder of its name in ASSAY_MIRRORS, if
// that is set, for check/verdicts. Of several tests the one with the most data is kept.
func keepMirror(t testing.TB, source string, files map[string][]byte) {
	t.Helper()
	if os.Getenv("ASSAY_MIRRORS") == "" {
		return
	}
	dir := filepath.Join(os.Getenv("ASSAY_MIRRORS"), source)
	before := 0
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if info, statErr := os.Stat(path); err == nil && statErr == nil && !e.IsDir() {
			before += int(info.Size())
		}
		return nil
	})
	size := 0
	for _, b := range files {
		size += len(b)
	}
	if size <= before {
		return
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for name, b := range files {
		if name == "" || strings.HasSuffix(name, "/") {
			name += "index.html"
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, b, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	b, ok := s.files[strings.TrimPrefix(r.URL.Path, "/base/")]
	s.mu.Unlock()
	switch {
	case s.source.Key == feed.RequiredKey && !strings.Contains(fmt.Sprint(r.Header), Key):
		http.Error(w, "unauthorized", http.StatusUnauthorized)
		return
	case !ok:
		http.NotFound(w, r)
		return
	}
	sum := sha256.Sum256(b)
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
	c := &counter{ResponseWriter: w}
	http.ServeContent(c, r, "", time.Time{}, bytes.NewReader(b))
	s.mu.Lock()
	s.sent += c.n
	s.mu.Unlock()
}

type counter struct {
	http.ResponseWriter
	n int
}

func (c *counter) Write(b []byte) (int, error) {
	c.n += len(b)
	return c.ResponseWriter.Write(b)
}

// Put replaces a file.
func (s *Server) Put(name string, b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[name] = b
}

// Remove removes a file.
func (s *Server) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.files, name)
}

// Sent returns how many bytes of files were sent since the last call.
func (s *Server) Sent() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.sent
	s.sent = 0
	return n
}

// Update updates the store from the source, as assayd does. With an error the outcome is
// empty.
func (s *Server) Update(t testing.TB) (feed.Outcome, error) {
	t.Helper()
	var outcome feed.Outcome
	var failure error
	u := &feed.Updater{
		Store: s.Store,
		Now:   func() time.Time { return now },
		Plans: []feed.Plan{{Source: s.source, Setup: feed.Setup{Mirror: s.mirror, Dir: s.dir, HasKey: s.source.Key != feed.NoKey}, Named: true}},
	}
	err := u.Update(t.Context(), feed.Events{Done: func(_ store.Origin, o feed.Outcome, err error) { outcome, failure = o, err }})
	if failure != nil {
		return feed.Outcome{}, failure
	}
	return outcome, err
}

// Advisories returns the advisories in the store, by ID.
func (s *Server) Advisories(t testing.TB) map[string]advisory.Advisory {
	t.Helper()
	all := make(map[string]advisory.Advisory)
	for r, err := range s.Store.Held(t.Context(), store.Origin{Source: s.source.Name}) {
		if err != nil {
			t.Fatal(err)
		}
		full, err := s.Store.Record(t.Context(), s.source.Name, r.ID, 1<<62)
		if err != nil {
			t.Fatal(err)
		}
		a, err := advisory.Parse(full.Body)
		if err != nil {
			t.Fatal(err)
		}
		a.Source = s.source.Name
		all[a.ID] = a
	}
	return all
}

// Broken updates the store with broken forms of a file, and checks that each of them is
// an error after which the records are those from before.
func (s *Server) Broken(t *testing.T, name string, forms map[string][]byte) {
	t.Helper()
	s.mu.Lock()
	intact := s.files[name]
	s.mu.Unlock()
	before := len(s.Advisories(t))
	all := maps.Clone(forms)
	all["empty"] = []byte{}
	all["cut off"] = intact[:len(intact)/2]
	all["cut off at the end"] = intact[:len(intact)-1]
	all["a page"] = []byte("<!DOCTYPE html><html><body>Service Unavailable</body></html>")
	all["a number"] = []byte("1")
	all["null"] = []byte("null")
	all["an empty object"] = []byte("{}")
	all["an empty array"] = []byte("[]")
	all["other data"] = []byte(`{"vulnerabilities":[{"cveID":"CVE-2024-1"}],"count":1}`)
	all["nested"] = bytes.Repeat([]byte("["), 100_000)
	for _, form := range slices.Sorted(maps.Keys(all)) {
		s.Put(name, all[form])
		if o, err := s.Update(t); err == nil {
			t.Errorf("%s: no error, %+v", form, o)
		}
		if after := len(s.Advisories(t)); after != before {
			t.Errorf("%s: %d records, %d before", form, after, before)
		}
	}
	s.Put(name, intact)
	if _, err := s.Update(t); err != nil {
		t.Errorf("the intact file again: %v", err)
	}
}
