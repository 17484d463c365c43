package cve

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
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

	"assay/check/testkit"
	"assay/service/feed"
	"assay/service/feed/cve/record"
	"assay/service/store"
	"assay/service/store/sqlite"
)

// A repository is a server in the form of GitHub's, with the CVE list.
type repository struct {
	mu       sync.Mutex
	records  map[string][]byte // by id
	log      []change
	archives map[string][]byte // by day
	instead  map[string]http.HandlerFunc
	asked    []string // paths with the status of the answer
}

// genuineByID returns the genuine records that are current.
func genuineByID(t testing.TB) map[string][]byte {
	byID := map[string][]byte{}
	for path, b := range genuine(t) {
		r, err := record.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(path, "superseded") {
			byID[r.Metadata.ID] = b
		}
	}
	return byID
}

func (r *repository) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := strings.TrimPrefix(req.URL.Path, "/")
	if answer := r.instead[name]; answer != nil {
		answer(w, req)
		return
	}
	rec := httptest.NewRecorder()
	if content := r.file(name); content == nil {
		http.NotFound(rec, req)
	} else {
		rec.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(content)))
		http.ServeContent(rec, req, "", time.Time{}, bytes.NewReader(content))
	}
	r.asked = append(r.asked, fmt.Sprint(name, " ", rec.Code))
	maps.Copy(w.Header(), rec.Header())
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes()) // the client may have gone
}

func (r *repository) file(name string) []byte {
	if name == logFile {
		b, err := json.Marshal(r.log)
		if err != nil {
			panic(err)
		}
		return b
	}
	if day, ok := strings.CutPrefix(name, "releases/latest/download/"); ok {
		return r.archives[strings.TrimSuffix(day, "_all_CVEs_at_midnight.zip.zip")]
	}
	id := strings.TrimSuffix(filepath.Base(name), ".json")
	if len(id) > 10 && name == fileOf(id) {
		return r.records[id]
	}
	return nil
}

// zipped returns an archive with files in another one, as GitHub's releases have them.
func zipped(t testing.TB, records map[string][]byte) []byte {
	pack := func(files map[string][]byte) []byte {
		var buf bytes.Buffer
		z := zip.NewWriter(&buf)
		for _, name := range slices.Sorted(maps.Keys(files)) {
			w, err := z.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(files[name]); err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	files := map[string][]byte{"cves/deltaLog.json": []byte("[]"), "cves/delta.json": []byte("{}"), "cves/recent_activities.json": []byte("[]")}
	for id, b := range records {
		files[strings.TrimPrefix(fileOf(id), "raw/main/")] = b
	}
	return pack(map[string][]byte{"cves.zip": pack(files)})
}

type fixture struct {
	t    testing.TB
	repo *repository
	st   *sqlite.Store
	url  string
	last feed.Outcome
	now  time.Time
}

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// newFixture has a repository with the genuine records in the archive of today, and a log
// with the change of one of them an hour ago.
func newFixture(t testing.TB) *fixture {
	records := genuineByID(t)
	repo := &repository{records: records, archives: map[string][]byte{"2026-11-29": zipped(t, records)}, instead: map[string]http.HandlerFunc{}}
	f := &fixture{t: t, repo: repo, now: noon}
	f.change(noon.AddDate(0, 0, -30), "CVE-2020-35489")
	f.change(noon.Add(-time.Hour), "CVE-2020-35489")
	srv := httptest.NewServer(repo)
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

// change adds an entry to the log, which lists records with their times.
func (f *fixture) change(at time.Time, ids ...string) {
	c := change{At: record.Time{Time: at}}
	for _, id := range ids {
		r, err := record.Parse(f.repo.records[id])
		if err != nil {
			f.t.Fatal(err)
		}
		c.Updated = append(c.Updated, changed{id, record.Time{Time: r.Modified()}})
	}
	f.repo.log = append([]change{c}, f.repo.log...) // newest first
}

// touch gives a record a new time and title.
func (f *fixture) touch(id string, at time.Time) {
	var doc map[string]any
	if err := json.Unmarshal(f.repo.records[id], &doc); err != nil {
		f.t.Fatal(err)
	}
	doc["cveMetadata"].(map[string]any)["dateUpdated"] = at.Format(time.RFC3339)
	b, err := json.Marshal(doc)
	if err != nil {
		f.t.Fatal(err)
	}
	f.repo.records[id] = b
}

func (f *fixture) update(where string) error {
	f.t.Helper()
	config := feed.DefaultConfig()
	config.Attempts = 1
	m, err := feed.Open(where, config)
	if err != nil {
		f.t.Fatal(err)
	}
	f.repo.asked = nil
	f.now = f.now.Add(10 * time.Minute)
	dir := f.t.TempDir()
	u := feed.Updater{
		Plans: []feed.Plan{{Source: Source(), Setup: feed.Setup{Mirror: m, Dir: dir}, Named: true}},
		Store: f.st, Now: func() time.Time { return f.now },
	}
	var failed error
	if err := u.Update(f.t.Context(), feed.Events{Done: func(_ store.Origin, o feed.Outcome, err error) { f.last, failed = o, err }}); err != nil && failed == nil {
		f.t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); failed == nil && (err != nil || len(left) > 0) {
		f.t.Errorf("files are left: %v, %v", left, err)
	}
	return failed
}

func (f *fixture) held() int {
	head, err := f.st.Head(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return head.Records
}

func (f *fixture) asked(want ...string) {
	f.t.Helper()
	slices.Sort(f.repo.asked)
	slices.Sort(want)
	if !slices.Equal(f.repo.asked, want) {
		f.t.Errorf("requests %q, want %q", f.repo.asked, want)
	}
}

// The first update reads the archive, and later ones what has changed since.
func TestUpdate(t *testing.T) {
	f := newFixture(t)
	n := len(f.repo.records)
	archive := fmt.Sprintf(archiveFile, "2026-11-29")
	if err := f.update(f.url); err != nil || f.last.Added != n || f.last.Unchanged != 1 || f.last.Rejected != 0 || !f.last.Whole {
		t.Fatalf("first: %+v, %v, want %d", f.last, err, n)
	}
	f.asked(logFile+" 200", archive+" 200", fileOf("CVE-2020-35489")+" 200")

	if err := f.update(f.url); err != nil || f.last.Added+f.last.Changed+f.last.Unchanged != 0 || f.last.Whole {
		t.Fatalf("unchanged: %+v, %v", f.last, err)
	}
	f.asked(logFile + " 304")

	f.touch("CVE-2023-45628", f.now)
	f.change(f.now, "CVE-2023-45628", "CVE-2020-25213")
	if err := f.update(f.url); err != nil || f.last.Changed != 1 || f.last.Unchanged != 1 {
		t.Fatalf("changed: %+v, %v", f.last, err)
	}
	f.asked(logFile+" 200", fileOf("CVE-2023-45628")+" 200", fileOf("CVE-2020-25213")+" 200")
	if f.held() != n {
		t.Errorf("%d records, want %d", f.held(), n)
	}
}

// A record that the log lists with a newer time than that of its file is fetched again by
// the next updates.
func TestBehind(t *testing.T) {
	f := newFixture(t)
	if err := f.update(f.url); err != nil {
		t.Fatal(err)
	}
	const id = "CVE-2023-45628"
	old := f.repo.records[id]
	f.touch(id, f.now)
	f.change(f.now, id)
	current := f.repo.records[id]
	f.repo.records[id] = old
	if err := f.update(f.url); err != nil || f.last.Behind != 1 || f.last.Unchanged != 1 {
		t.Fatalf("old file: %+v, %v", f.last, err)
	}
	delete(f.repo.records, id)
	if err := f.update(f.url); err != nil || f.last.Behind != 1 || f.last.Unchanged != 0 {
		t.Fatalf("no file: %+v, %v", f.last, err)
	}
	f.repo.records[id] = current
	if err := f.update(f.url); err != nil || f.last.Behind != 0 || f.last.Changed != 1 {
		t.Fatalf("new file: %+v, %v", f.last, err)
	}
	f.asked(logFile+" 304", fileOf(id)+" 200")
	if err := f.update(f.url); err != nil {
		t.Fatal(err)
	}
	f.asked(logFile + " 304")
}

// Without a log that reaches back to the last update, the newest archive is read again,
// which may be of an earlier day.
func TestGap(t *testing.T) {
	f := newFixture(t)
	if err := f.update(f.url); err != nil {
		t.Fatal(err)
	}
	f.now = f.now.AddDate(0, 0, 60)
	f.repo.log = nil
	f.change(f.now.AddDate(0, 0, -30), "CVE-2020-35489")
	f.change(f.now.Add(-time.Minute), "CVE-2020-35489")
	day := f.now.AddDate(0, 0, -2).Format(time.DateOnly)
	delete(f.repo.records, "CVE-2020-25213")
	f.repo.archives = map[string][]byte{day: zipped(t, f.repo.records)}
	if err := f.update(f.url); err != nil || f.last.Removed != 1 || !f.last.Whole {
		t.Fatalf("gap: %+v, %v", f.last, err)
	}
	f.repo.log = nil
	f.now = f.now.AddDate(0, 0, 40)
	f.change(f.now, "CVE-2020-35489")
	if err := f.update(f.url); err == nil || !strings.Contains(err.Error(), "no archive of the last 31 days") {
		t.Errorf("no archive: %v", err)
	}
	f.repo.archives = map[string][]byte{f.now.AddDate(0, 0, -1).Format(time.DateOnly): zipped(t, f.repo.records)}
	if err := f.update(f.url); err == nil || !strings.Contains(err.Error(), "after the archive of") {
		t.Errorf("log after archive: %v", err)
	}
}

// Very many changes are read from a newer archive, if there is one.
func TestManyChanges(t *testing.T) {
	f := newFixture(t)
	if err := f.update(f.url); err != nil {
		t.Fatal(err)
	}
	c := change{At: record.Time{Time: noon.Add(8 * time.Hour)}}
	for i := range maxIncrement + 1 {
		c.New = append(c.New, changed{fmt.Sprintf("CVE-2026-%d", 10000+i), c.At})
	}
	f.repo.log = append(f.repo.log, c)
	f.now = noon.AddDate(0, 0, 1)
	f.repo.archives["2026-11-30"] = f.repo.archives["2026-11-29"]
	if err := f.update(f.url); err != nil || !f.last.Whole || f.last.Unchanged != len(f.repo.records) {
		t.Fatalf("%+v, %v", f.last, err)
	}
	f.asked(logFile+" 200", fmt.Sprintf(archiveFile, "2026-11-30")+" 200")
}

func TestBatches(t *testing.T) {
	var log []change
	for i := range 10 {
		at := record.Time{Time: noon.Add(time.Duration(i) * time.Minute)}
		log = append(log, change{At: at, New: []changed{{fmt.Sprintf("CVE-2026-%d", 1000+i), at}}, Updated: []changed{{"CVE-2026-1000", at}}})
	}
	all := batches(log, noon, 4)
	if len(all) != 3 || len(all[0].wanted) != 4 || !all[0].until.Equal(log[3].At.Time) || !all[2].until.Equal(log[9].At.Time) ||
		!all[0].wanted["CVE-2026-1000"].Equal(log[3].At.Time) {
		t.Errorf("%+v", all)
	}
	if all := batches(log, log[9].At.Time, 4); len(all) != 0 {
		t.Errorf("after the log: %+v", all)
	}
}

// An interrupted update continues after the last batch that was imported.
func TestInterrupted(t *testing.T) {
	f := newFixture(t)
	if err := f.update(f.url); err != nil {
		t.Fatal(err)
	}
	f.touch("CVE-2023-45628", f.now)
	f.change(f.now, "CVE-2023-45628")
	f.repo.instead[fileOf("CVE-2023-45628")] = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }
	if err := f.update(f.url); err == nil {
		t.Fatalf("%+v", f.last)
	}
	f.repo.instead[fileOf("CVE-2023-45628")] = func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }
	if err := f.update(f.url); err == nil || !strings.Contains(err.Error(), "a web page is in the place of the file") {
		t.Fatalf("%+v, %v", f.last, err)
	}
	clear(f.repo.instead)
	if err := f.update(f.url); err != nil || f.last.Changed != 1 {
		t.Fatalf("%+v, %v", f.last, err)
	}
}

// After a broken answer the earlier data is still there, and the next update succeeds.
func TestBroken(t *testing.T) {
	f := newFixture(t)
	n := len(f.repo.records)
	good := f.repo.archives["2026-11-29"]
	other := map[string][]byte{}
	for id := range f.repo.records {
		other[id] = []byte(`{"id":"OSV-1","modified":"2024-01-02T03:04:05Z"}`)
	}
	for name, archive := range map[string][]byte{
		"truncated":      good[:len(good)/2],
		"empty":          {},
		"a page":         []byte("<!DOCTYPE html>"),
		"data of others": zipped(t, other),
		"no records":     zipped(t, nil),
		"damaged":        slices.Concat(good[:len(good)/2], []byte{good[len(good)/2] ^ 0xff}, good[len(good)/2+1:]),
	} {
		f.repo.archives["2026-11-29"] = archive
		if err := f.update(f.url); err == nil || f.held() != 0 {
			t.Errorf("%s: %+v, %d records", name, f.last, f.held())
		}
	}
	f.repo.archives["2026-11-29"] = good
	if err := f.update(f.url); err != nil || f.held() != n {
		t.Fatalf("%v, %d records", err, f.held())
	}
	for name, log := range map[string]string{
		"empty": "[]", "an object": "{}", "no JSON": "<html>", "null": "null", "no time": `[{"new":[]}]`,
		"an address for an id": fmt.Sprintf(`[{"fetchTime":%q,"new":[{"cveId":"../../../x"}]}]`, f.now.AddDate(0, 0, -31).Format(time.RFC3339)),
		"truncated":            `[{"fetchTime":"2026`,
	} {
		f.repo.instead[logFile] = func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, log) }
		if err := f.update(f.url); err == nil || f.held() != n {
			t.Errorf("log %s: %+v, %d records", name, f.last, f.held())
		}
	}
	clear(f.repo.instead)
	if err := f.update(f.url); err != nil || f.held() != n {
		t.Errorf("after all: %v, %d records", err, f.held())
	}
}

// A record that was rejected is withdrawn, and a corrected one replaces its wrong form.
func TestSuperseded(t *testing.T) {
	f := newFixture(t)
	old := map[string][]byte{}
	for path, b := range genuine(t) {
		if strings.Contains(path, "superseded") {
			r, err := record.Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			old[r.Metadata.ID] = b
		}
	}
	if len(old) != 2 {
		t.Fatalf("%d superseded records", len(old))
	}
	current := maps.Clone(f.repo.records)
	maps.Copy(f.repo.records, old)
	f.repo.archives["2026-11-29"] = zipped(t, f.repo.records)
	if err := f.update(f.url); err != nil {
		t.Fatal(err)
	}
	f.repo.records = current
	f.change(f.now, slices.Collect(maps.Keys(old))...)
	if err := f.update(f.url); err != nil || f.last.Changed != 2 {
		t.Fatalf("%+v, %v", f.last, err)
	}
	for id, want := range map[string]string{"CVE-2025-34085": `"withdrawn"`, "CVE-2023-5561": `"name":"core"`} {
		head, err := f.st.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r, err := f.st.Record(t.Context(), name, id, head.Seq)
		if err != nil || !strings.Contains(string(r.Body), want) {
			t.Errorf("%s: %s, %v", id, r.Body, err)
		}
	}
}

// A folder with the same files is a mirror.
func TestFolder(t *testing.T) {
	f := newFixture(t)
	dir := t.TempDir()
	for _, file := range []string{logFile, fmt.Sprintf(archiveFile, "2026-11-29"), fileOf("CVE-2020-35489")} {
		path := filepath.Join(dir, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.repo.file(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.update(dir); err != nil || f.last.Added != len(f.repo.records) {
		t.Fatalf("%+v, %v", f.last, err)
	}
	if err := f.update(dir); err != nil || f.last.Unchanged != 0 {
		t.Fatalf("again: %+v, %v", f.last, err)
	}
}

func FuzzLog(f *testing.F) {
	f.Add([]byte(`[{"fetchTime":"2025-12-13T14:09:13.084Z","numberOfChanges":1,"new":[{"cveId":"CVE-2025-14617",` +
		`"cveOrgLink":"https://www.cve.org/CVERecord?id=CVE-2025-14617","githubLink":"https://x","dateUpdated":"2025-12-13T14:02:07.989Z"}],"updated":[],"error":[]}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		log, err := parseLog(b)
		if err != nil {
			return
		}
		last := time.Time{}
		for _, b := range batches(log, log[0].At.Add(-time.Second), 2) {
			if b.until.Before(last) {
				t.Fatal("batches are not in order")
			}
			last = b.until
			for id := range b.wanted {
				if strings.Contains(id, "..") || !strings.HasSuffix(fileOf(id), "/"+id+".json") {
					t.Fatalf("file %q of %q", fileOf(id), id)
				}
			}
		}
	})
}

// A tenth of the full list, made of the genuine records under other ids.
func TestTenth(t *testing.T) {
	testkit.Long(t)
	const n = 35000
	f := newFixture(t)
	ids := slices.Sorted(maps.Keys(f.repo.records))
	records := map[string][]byte{}
	size := 0
	for i := range n {
		id := ids[i%len(ids)]
		other := fmt.Sprintf("CVE-%d-%d", 2000+i/10000, 10000+i%10000)
		records[other] = bytes.ReplaceAll(f.repo.records[id], []byte(id), []byte(other))
		size += len(records[other])
	}
	f.repo.archives["2026-11-29"] = zipped(t, records)
	packed := len(f.repo.archives["2026-11-29"])
	start := time.Now()
	if err := f.update(f.url); err != nil || f.last.Rejected != 0 || f.held() != n+1 {
		t.Fatalf("%+v, %v", f.last, err)
	}
	t.Logf("%d MiB of JSON, an archive of %d MiB: %s", size>>20, packed>>20, time.Since(start).Round(time.Second))
}

// A change that the log lists in the future is not the end of all changes.
func TestFuture(t *testing.T) {
	f := newFixture(t)
	f.change(noon.AddDate(10, 0, 0), "CVE-2020-35489")
	if err := f.update(f.url); err != nil {
		t.Fatal(err)
	}
	f.touch("CVE-2023-45628", f.now.Add(5*time.Minute))
	f.change(f.now.Add(5*time.Minute), "CVE-2023-45628")
	if err := f.update(f.url); err != nil || f.last.Changed != 1 {
		t.Errorf("%+v, %v, want a change after the one in the future", f.last, err)
	}
}

// TestEmptyChanges: millions of empty entries fit into a log. They need no more memory than
// the text.
func TestEmptyChanges(t *testing.T) {
	many := strings.Repeat("{},", 4<<20) + "{}"
	for _, log := range []string{"[" + many + "]", `[{"fetchTime":"2026-11-29T12:00:00Z","new":[` + many + "]}]"} {
		b := []byte(log)
		testkit.Allocates(t, 64<<20, func() {
			if _, err := parseLog(b); err == nil {
				t.Errorf("no error for %.60s", log)
			}
		})
	}
}
