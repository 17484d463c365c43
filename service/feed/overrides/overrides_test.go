package overrides

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/service/feed"
	"assay/service/store"
	"assay/service/store/sqlite"
)

// A repository is a server with the archive of a repository, as GitHub makes it.
type repository struct {
	archive  []byte
	requests []string // paths and the status of the answers
}

func (r *repository) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	rec := httptest.NewRecorder()
	if req.URL.Path == "/main.tar.gz" {
		rec.Header().Set("ETag", fmt.Sprintf(`W/"%x"`, sha256.Sum256(r.archive)))
		http.ServeContent(rec, req, "", time.Time{}, bytes.NewReader(r.archive))
	} else {
		http.NotFound(rec, req)
	}
	r.requests = append(r.requests, fmt.Sprint(req.URL.Path, " ", rec.Code))
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes()) // the client may have gone
}

// archived returns an archive with files, under a root as in GitHub's archives.
func archived(t testing.TB, files map[string][]byte) []byte {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	for name, b := range files {
		if err := w.WriteHeader(&tar.Header{Name: "nvd-data-overrides-main/" + name, Size: int64(len(b)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// some returns the first genuine files, and others of the repository.
func some(t testing.TB, n int) map[string][]byte {
	files := map[string][]byte{"LICENSE": []byte("CC0"), "README.md": nil, "schema/override.json": []byte("{}")}
	for name, b := range genuine(t) {
		if len(files) == n+3 {
			break
		}
		files[name] = b
	}
	return files
}

type fixture struct {
	t    testing.TB
	repo repository
	st   *sqlite.Store
	url  string
	last feed.Outcome
	now  time.Time
}

func newFixture(t testing.TB) *fixture {
	f := &fixture{t: t, now: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
	srv := httptest.NewServer(&f.repo)
	t.Cleanup(srv.Close)
	f.url = srv.URL
	st, err := sqlite.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	f.st = st
	return f
}

// update updates once from the server or a folder.
func (f *fixture) update(where string) error {
	f.t.Helper()
	config := feed.DefaultConfig()
	config.Attempts = 1
	m, err := feed.Open(where, config)
	if err != nil {
		f.t.Fatal(err)
	}
	var failed error
	f.now = f.now.Add(time.Hour)
	u := feed.Updater{
		Plans: []feed.Plan{{Source: Source(), Setup: feed.Setup{Mirror: m, Dir: f.t.TempDir()}, Named: true}},
		Store: f.st, Now: func() time.Time { return f.now },
	}
	if err := u.Update(f.t.Context(), feed.Events{Done: func(_ store.Origin, o feed.Outcome, err error) { f.last, failed = o, err }}); err != nil && failed == nil {
		f.t.Fatal(err)
	}
	return failed
}

func (f *fixture) records() int {
	head, err := f.st.Head(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return head.Records
}

// An update reads the archive if it has changed. What is gone is removed, and one bad file
// is rejected and named.
func TestUpdate(t *testing.T) {
	f := newFixture(t)
	files := some(t, 60)
	f.repo.archive = archived(t, files)
	if err := f.update(f.url); err != nil || f.last.Added != 60 || f.last.Rejected != 0 {
		t.Fatalf("first: %+v, %v", f.last, err)
	}
	if err := f.update(f.url); err != nil || f.last.Added+f.last.Unchanged != 0 {
		t.Fatalf("unchanged: %+v, %v", f.last, err)
	}
	n := 0
	for name := range files {
		if strings.HasPrefix(name, "data/") {
			if n++; n == 1 {
				delete(files, name)
			}
		}
	}
	f.repo.archive = archived(t, files)
	if err := f.update(f.url); err != nil || f.last.Removed != 1 || f.last.Unchanged != 59 {
		t.Fatalf("one less: %+v, %v", f.last, err)
	}
	files["data/2024/CVE-2024-9999.json"] = override("", "{}") // of another CVE
	files["data/2024/CVE-2024-1234.json"] = override("", "{}")
	f.repo.archive = archived(t, files)
	if err := f.update(f.url); err != nil || f.last.Added != 1 || f.last.Rejected != 1 || len(f.last.Rejections) != 1 ||
		!strings.Contains(f.last.Rejections[0].Error(), `CVE-2024-9999.json": record rejected: the file has the record "CVE-2024-1234"`) {
		t.Fatalf("one bad: %+v, %v", f.last, err)
	}
	want := "/main.tar.gz 200, /main.tar.gz 304, /main.tar.gz 200, /main.tar.gz 200"
	if got := strings.Join(f.repo.requests, ", "); got != want {
		t.Errorf("requests %s, want %s", got, want)
	}
}

// After a broken download the earlier data is still there, and the next update succeeds.
func TestBroken(t *testing.T) {
	f := newFixture(t)
	good := archived(t, some(t, 30))
	f.repo.archive = good
	if err := f.update(f.url); err != nil {
		t.Fatal(err)
	}
	other := map[string][]byte{}
	for i := range 30 {
		other[fmt.Sprintf("data/2024/CVE-2024-%d.json", 2000+i)] = []byte(`{"id":"OSV-1","modified":"2024-01-02T03:04:05Z"}`)
	}
	var plain bytes.Buffer
	z := gzip.NewWriter(&plain)
	fmt.Fprint(z, strings.Repeat("x", 5000))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, archive := range map[string][]byte{
		"truncated":           good[:len(good)/2],
		"empty":               {},
		"a page":              []byte("<!DOCTYPE html><html><body>Sign in</body></html>"),
		"not an archive":      plain.Bytes(),
		"data of others":      archived(t, other),
		"another repository":  archived(t, map[string][]byte{"data.json": []byte("{}")}),
		"few of the records":  archived(t, some(t, 3)),
		"damaged in the zlib": append(bytes.Clone(good[:len(good)-8]), 0, 0, 0, 0, 0, 0, 0, 0),
	} {
		f.repo.archive = archive
		if err := f.update(f.url); err == nil {
			t.Errorf("%s: %+v", name, f.last)
		}
		if n := f.records(); n != 30 {
			t.Errorf("%s: %d records", name, n)
		}
	}
	f.repo.archive = archived(t, some(t, 31))
	if err := f.update(f.url); err != nil || f.last.Added != 1 {
		t.Errorf("after all: %+v, %v", f.last, err)
	}
}

// The whole genuine archive from a folder.
func TestFolder(t *testing.T) {
	testkit.Long(t)
	f := newFixture(t)
	path := testkit.Path(t, "feeds", "nvd-overrides", archive)
	start := time.Now()
	if err := f.update(filepath.Dir(path)); err != nil || f.last.Added != 32184 || f.last.Rejected != 0 {
		t.Fatalf("%+v, %v", f.last, err)
	}
	t.Logf("first update in %s", time.Since(start).Round(time.Second))
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the mirror has lost its file: %v", err)
	}
	if err := f.update(filepath.Dir(path)); err != nil || f.last.Unchanged != 0 {
		t.Errorf("again: %+v, %v", f.last, err)
	}
}
