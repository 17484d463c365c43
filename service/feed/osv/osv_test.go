package osv_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/service/feed"
	"assay/service/feed/osv"
	"assay/service/store"
)

func wantRequests(t *testing.T, b *bucket, want ...string) {
	t.Helper()
	if got := b.requests(); !slices.Equal(got, want) {
		t.Errorf("requests\n got %q\nwant %q", got, want)
	}
}

// The first update reads everything, the next nothing, the third what has changed.
func TestUpdate(t *testing.T) {
	b := newBucket(t, "Hackage", "Azure Linux", "crates.io")
	r := newRig(t, b.srv.URL)
	r.must("Hackage", "Azure Linux", "crates.io")
	r.holds(b, "Hackage", "Azure Linux", "crates.io")
	for source, want := range map[string]int{"osv:Hackage": 35, "osv:Azure Linux": most, "osv:crates.io": most} {
		if o := r.out[source]; o.Added != want || !o.Whole || o.Rejected != 0 || r.source(source).Records != want {
			t.Errorf("%s: %+v", source, o)
		}
	}
	wantRequests(t, b, "/Azure Linux/all.zip", "/Azure Linux/modified_id.csv", "/Hackage/all.zip", "/Hackage/modified_id.csv",
		"/crates.io/all.zip", "/crates.io/modified_id.csv")
	if left, err := os.ReadDir(r.dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}

	r.must("Hackage", "Azure Linux", "crates.io")
	wantRequests(t, b, "304 /Azure Linux/modified_id.csv", "304 /Hackage/modified_id.csv", "304 /crates.io/modified_id.csv")
	head, err := r.store.Head(t.Context())
	if err != nil || head.Seq != 35+2*most || !head.Updated.Equal(day(2)) {
		t.Errorf("head %+v, %v", head, err)
	}

	b.set("Hackage", "HSEC-2023-0001", record("HSEC-2023-0001", "2026-12-01T00:00:00.123456789Z", "Hackage"))
	b.set("Hackage", "HSEC-2099-0001", record("HSEC-2099-0001", "2026-12-02T00:00:00Z", "Hackage"))
	b.set("Hackage", "HSEC-2023-0002", "")
	r.must("Hackage")
	if o := r.out["osv:Hackage"]; o.Added != 1 || o.Changed != 1 || o.Removed != 1 || o.Whole {
		t.Errorf("%+v", o)
	}
	wantRequests(t, b, "/Hackage/HSEC-2023-0001.json", "/Hackage/HSEC-2099-0001.json", "/Hackage/modified_id.csv")
	r.holds(b, "Hackage", "Azure Linux", "crates.io")

	// Times below a microsecond do not make it look newer for ever.
	b.set("Hackage", "HSEC-2099-0002", record("HSEC-2099-0002", "2026-11-01T00:00:00Z", "Hackage")) // older than the watermark
	r.must("Hackage")
	wantRequests(t, b, "/Hackage/HSEC-2099-0002.json", "/Hackage/modified_id.csv")
	r.holds(b, "Hackage", "Azure Linux", "crates.io")
}

// A withdrawn record stays in the store, and says so itself.
func TestWithdrawn(t *testing.T) {
	b := newBucket(t, "CRAN")
	r := newRig(t, b.srv.URL)
	r.must("CRAN")
	b.set("CRAN", "RSEC-2026-1", `{"id":"RSEC-2026-1","modified":"2026-12-01T00:00:00Z","withdrawn":"2026-12-01T00:00:00Z"}`)
	r.must("CRAN")
	if o := r.out["osv:CRAN"]; o.Changed != 1 || o.Removed != 0 {
		t.Errorf("%+v", o)
	}
	r.holds(b, "CRAN")
}

// Where many records are new, all.zip is read again.
func TestManyNew(t *testing.T) {
	b := newBucket(t, "CRAN")
	r := newRig(t, b.srv.URL)
	r.must("CRAN")
	for i := range 1001 {
		id := fmt.Sprintf("RSEC-2099-%d", i)
		b.set("CRAN", id, record(id, "2026-12-01T00:00:00Z", "CRAN"))
	}
	b.requests()
	r.must("CRAN")
	wantRequests(t, b, "/CRAN/all.zip", "/CRAN/modified_id.csv")
	r.holds(b, "CRAN")
}

// Where most records vanish from the list, all.zip has the word.
func TestManyGone(t *testing.T) {
	b := newBucket(t, "crates.io")
	r := newRig(t, b.srv.URL)
	r.must("crates.io")
	all, _ := b.file("crates.io/modified_id.csv")
	few := all[:bytes.IndexByte(all, '\n')+1]
	_, newest, _ := strings.Cut(strings.TrimSpace(string(few)), ",")
	b.answer("/crates.io/modified_id.csv", func(w http.ResponseWriter, _ *http.Request) { w.Write(few) })
	r.must("crates.io")
	if o := r.out["osv:crates.io"]; o.Removed != 0 {
		t.Errorf("%+v", o)
	}
	r.holds(b, "crates.io")
	// Both files lack the records: they are removed if that is accepted.
	for id := range b.records["crates.io"] {
		if id != newest {
			b.set("crates.io", id, "")
		}
	}
	b.requests()
	if err := r.update("crates.io"); !errors.Is(err, feed.ErrShrunk) {
		t.Errorf("%v", err)
	}
	if got := r.source("osv:crates.io"); got.Records != most || got.Failed.IsZero() {
		t.Errorf("%+v", got)
	}
	r.shrink = []string{"osv:crates.io"}
	b.requests()
	r.must("crates.io")
	wantRequests(t, b, "/crates.io/all.zip", "/crates.io/modified_id.csv")
	r.holds(b, "crates.io")
}

// Changed records with an unchanged time are found by the version of all.zip.
func TestTimesThatDoNotMove(t *testing.T) {
	b := newBucket(t, "CRAN")
	for id := range b.records["CRAN"] {
		b.set("CRAN", id, record(id, "0001-01-01T00:00:00Z", "CRAN"))
	}
	r := newRig(t, b.srv.URL)
	r.must("CRAN")
	b.set("CRAN", "RSEC-2026-1", record("RSEC-2026-1", "0001-01-01T00:00:00Z", "changed"))
	b.requests()
	r.must("CRAN")
	r.holds(b, "CRAN")
	wantRequests(t, b, "/CRAN/all.zip", "/CRAN/modified_id.csv")
	r.must("CRAN")
	wantRequests(t, b, "/CRAN/modified_id.csv", "304 /CRAN/all.zip")
}

// A record that two ecosystems share is got once, and stays while one has it.
func TestShared(t *testing.T) {
	b := newBucket(t, "CRAN", "Hackage")
	shared := record("GHSA-1", "2026-11-01T00:00:00Z", "CRAN")
	b.set("CRAN", "GHSA-1", shared)
	b.set("Hackage", "GHSA-1", shared)
	r := newRig(t, b.srv.URL)
	r.must("CRAN", "Hackage")
	newer := record("GHSA-1", "2026-12-01T00:00:00Z", "CRAN")
	b.set("CRAN", "GHSA-1", newer)
	b.set("Hackage", "GHSA-1", newer)
	b.requests()
	r.must("CRAN", "Hackage")
	wantRequests(t, b, "/CRAN/GHSA-1.json", "/CRAN/modified_id.csv", "/Hackage/modified_id.csv")
	// It is not about Hackage any more.
	only := record("GHSA-1", "2026-12-02T00:00:00Z", "CRAN")
	b.set("CRAN", "GHSA-1", only)
	b.set("Hackage", "GHSA-1", "")
	r.must("Hackage", "CRAN")
	got, err := r.store.Record(t.Context(), osv.Name, "GHSA-1", 1<<40)
	if err != nil || string(got.Body) != only {
		t.Errorf("%+v, %v", got, err)
	}
}

// A folder in the form of the bucket, as the test data is one.
func TestFolder(t *testing.T) {
	r := newRig(t, testkit.Path(t, "osv"))
	r.must("CRAN", "Hackage", "Maven")
	// The numbers of the test data's own index.
	for source, want := range map[string]int{"osv:CRAN": 14, "osv:Hackage": 35, "osv:Maven": 364} {
		if got := r.source(source).Records; got != want {
			t.Errorf("%s: %d records, want %d", source, got, want)
		}
	}
	r.must("CRAN", "Hackage", "Maven")
	for source, o := range r.out {
		if o.Added+o.Changed+o.Removed+o.Behind != 0 || o.Whole {
			t.Errorf("%s: %+v", source, o)
		}
	}
}

// A listed record that does not exist is counted, and requested again.
func TestMissingRecord(t *testing.T) {
	b := newBucket(t, "CRAN")
	r := newRig(t, b.srv.URL)
	r.must("CRAN")
	list, _ := b.file("CRAN/modified_id.csv")
	b.answer("/CRAN/modified_id.csv", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "2026-12-01T00:00:00Z,RSEC-2099-1\n2026-12-01T00:00:00Z,RSEC-2026-1\n%s", list)
	})
	b.answer("/CRAN/RSEC-2026-1.json", http.NotFound) // newer, and not there
	for range 2 {
		b.requests()
		r.must("CRAN")
		if o := r.out["osv:CRAN"]; o.Behind != 2 || o.Removed != 0 {
			t.Errorf("%+v", o)
		}
		if got := b.requests(); !slices.Contains(got, "/CRAN/RSEC-2099-1.json") || !slices.Contains(got, "/CRAN/RSEC-2026-1.json") || !slices.Contains(got, "304 /CRAN/all.zip") {
			t.Errorf("requests %q", got)
		}
	}
	r.holds(b, "CRAN")
}

// An invalid record is rejected, named, and not fetched again until it changes.
func TestUnreadableRecord(t *testing.T) {
	b := newBucket(t, "CRAN")
	r := newRig(t, b.srv.URL)
	r.must("CRAN")
	list, _ := b.file("CRAN/modified_id.csv")
	at := "2026-12-01T00:00:00Z"
	b.answer("/CRAN/modified_id.csv", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "%s,RSEC-2099-1\n%s", at, list) })
	b.answer("/CRAN/RSEC-2099-1.json", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"schema_version":"2.0.0","id":"RSEC-2099-1","modified":"2026-12-01T00:00:00Z"}`)
	})
	r.must("CRAN")
	if o := r.out["osv:CRAN"]; o.Rejected != 1 || len(o.Rejections) != 1 || !strings.Contains(o.Rejections[0].Error(), "RSEC-2099-1.json") {
		t.Errorf("%+v", o)
	}
	b.requests()
	r.must("CRAN")
	if got := b.requests(); slices.Contains(got, "/CRAN/RSEC-2099-1.json") {
		t.Errorf("requests %q", got)
	}
	at = "2026-12-02T00:00:00Z"
	b.answer("/CRAN/RSEC-2099-1.json", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, record("RSEC-2099-1", at, "CRAN"))
	})
	r.must("CRAN")
	if o := r.out["osv:CRAN"]; o.Added != 1 {
		t.Errorf("%+v", o)
	}
}

// Whatever a bucket does, the store keeps what it has, and says what is wrong
// and since when; once it is well again the update goes on.
func TestBroken(t *testing.T) {
	const html = "<!DOCTYPE html>\n<html><body>Log in to the network</body></html>\n"
	page := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, html) }
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, http.StatusText(code), code) }
	}
	text := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, s) }
	}
	const list, archive, one = "/CRAN/modified_id.csv", "/CRAN/all.zip", "/CRAN/RSEC-2099-1.json"
	for _, tt := range []struct {
		name string
		path string
		h    func(good []byte) http.HandlerFunc
		err  string
		// held: it is about an update of a store that has the data.
		held bool
	}{
		{"no list", list, func([]byte) http.HandlerFunc { return http.NotFound }, "404", false},
		{"list is a page", list, func([]byte) http.HandlerFunc { return page }, "a web page", false},
		{"list is empty", list, func([]byte) http.HandlerFunc { return text("") }, "empty", true},
		{"list with garbage", list, func(good []byte) http.HandlerFunc { return text(string(good) + "garbage\n") }, "garbage", true},
		{"list with an invalid time", list, func(good []byte) http.HandlerFunc { return text("yesterday,RSEC-1\n" + string(good)) }, "invalid time", true},
		{"list with a path", list, func(good []byte) http.HandlerFunc {
			return text("2026-12-01T00:00:00Z,../../etc/passwd\n" + string(good))
		}, "invalid id", true},
		{"list cut off", list, func(good []byte) http.HandlerFunc { return text(string(good[:len(good)-3])) }, "cut off", true},
		{"list: 500", list, func([]byte) http.HandlerFunc { return status(500) }, "500", true},
		{"no archive", archive, func([]byte) http.HandlerFunc { return http.NotFound }, "404", false},
		{"archive is a page", archive, func([]byte) http.HandlerFunc { return page }, "a web page", false},
		{"archive cut off", archive, func(good []byte) http.HandlerFunc { return text(string(good[:len(good)/2])) }, "zip: not a valid zip file", false},
		{"archive of a few", archive, func([]byte) http.HandlerFunc {
			return text(string(zipOf(t, map[string][]byte{"RSEC-2026-1": []byte(record("RSEC-2026-1", "2026-01-01T00:00:00Z", "CRAN"))})))
		}, "1 readable records of the 15 that are listed", false},
		{"archive that breaks off for ever", archive, func(good []byte) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", fmt.Sprint(len(good)))
				w.Write(good[:100])
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			}
		}, "EOF", false},
		{"archive that never ends", archive, func([]byte) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				w.Write([]byte("PK"))
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			}
		}, "nothing received", false},
		{"bomb", archive, func([]byte) http.HandlerFunc { return text(string(bomb(t))) }, "all 3 files were rejected", false},
		{"record: 500", one, func([]byte) http.HandlerFunc { return status(500) }, "500", true},
		{"record is a page", one, func([]byte) http.HandlerFunc { return page }, "a web page", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBucket(t, "CRAN")
			r := newRig(t, b.srv.URL)
			before := 0
			if tt.held {
				r.must("CRAN")
				before = 14
			}
			b.set("CRAN", "RSEC-2099-1", record("RSEC-2099-1", "2026-12-01T00:00:00Z", "CRAN"))
			good, _ := b.file(strings.TrimPrefix(tt.path, "/"))
			b.answer(tt.path, tt.h(good))
			if tt.err == "nothing received" {
				r.stall = time.Second
			}
			err := r.update("CRAN")
			r.stall = 0
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
			src := r.source("osv:CRAN")
			if src.Records != before || src.Failed.IsZero() || !strings.Contains(src.Err, tt.err[:3]) || len(src.Err) > 200 || strings.Contains(src.Err, "\n") {
				t.Errorf("source %+v", src)
			}
			if tt.held && !src.Updated.Equal(day(1)) {
				t.Errorf("the last success is of %v", src.Updated)
			}
			b.answer(tt.path, nil)
			r.must("CRAN")
			r.holds(b, "CRAN")
			if src := r.source("osv:CRAN"); !src.Failed.IsZero() || src.Err != "" {
				t.Errorf("after a success: %+v", src)
			}
		})
	}
}

// bomb is an archive of three records that unpack to 17 MiB each.
func bomb(t *testing.T) []byte {
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for i := range 3 {
		w, err := z.Create(fmt.Sprintf("BOMB-%d.json", i))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(bytes.Repeat([]byte(" "), 17<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// A source that fails does not prevent the update of another one.
func TestOneFails(t *testing.T) {
	b := newBucket(t, "CRAN", "Hackage")
	b.answer("/CRAN/all.zip", http.NotFound)
	r := newRig(t, b.srv.URL)
	if err := r.update("CRAN", "Hackage"); err == nil {
		t.Fatal("no error")
	}
	if r.errs["osv:CRAN"] == nil || r.errs["osv:Hackage"] != nil || r.source("osv:Hackage").Records != 35 {
		t.Errorf("errors %v", r.errs)
	}
}

func TestOneUpdaterAtATime(t *testing.T) {
	b := newBucket(t, "CRAN")
	r := newRig(t, b.srv.URL)
	lead, err := r.store.LeadFeeds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	u := feed.Updater{Store: r.store, Now: time.Now}
	if err := u.Update(t.Context(), feed.Events{}); !errors.Is(err, store.ErrLocked) {
		t.Errorf("%v", err)
	}
	if err := lead.Release(); err != nil {
		t.Fatal(err)
	}
	r.must("CRAN")
}

// An interrupted update does not count as a failure of the source.
func TestInterrupted(t *testing.T) {
	b := newBucket(t, "CRAN")
	r := newRig(t, b.srv.URL)
	ctx, cancel := context.WithCancel(t.Context())
	b.answer("/CRAN/all.zip", func(w http.ResponseWriter, req *http.Request) {
		cancel()
		<-req.Context().Done()
	})
	p, err := feed.Open(b.srv.URL, feed.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	u := feed.Updater{
		Plans: []feed.Plan{{Source: osv.Source(), Setup: feed.Setup{Mirror: p, Dir: r.dir}, Parts: []string{"CRAN"}}},
		Store: r.store, Now: time.Now,
	}
	if err := u.Update(ctx, feed.Events{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	sources, err := r.store.Sources(t.Context())
	if err != nil || slices.ContainsFunc(sources, func(s store.Source) bool { return s.Origin.Part != "" || !s.Failed.IsZero() }) {
		t.Errorf("%v, %v", sources, err)
	}
}

func TestEcosystems(t *testing.T) {
	names := func(where string) ([]string, error) {
		p, err := feed.Open(where, feed.Config{Attempts: 1})
		if err != nil {
			t.Fatal(err)
		}
		return osv.Source().Parts(t.Context(), feed.Setup{Mirror: p})
	}
	got, err := names(testkit.Path(t, "osv"))
	if err != nil || len(got) != 15 || !slices.Contains(got, "Azure Linux") {
		t.Errorf("%q, %v", got, err)
	}
	for text, want := range map[string]string{
		"Go\r\n[EMPTY]\n\nnpm\nGo\nRed Hat": "Go npm Red Hat",
		"":                                  "", "[EMPTY]\n": "", "<html>\n": "", "../x\n": "", "a/b\n": "", ".git\n": "", "a\x00b\n": "",
		strings.Repeat("x", 101): "",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "ecosystems.txt"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := names(dir)
		if strings.Join(got, " ") != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, name := range []string{"", "a/b", "..", "a\nb", " a", "a?b"} {
		if _, err := osv.Source().Feed(feed.Setup{}, name); err == nil {
			t.Errorf("%q: no error", name)
		}
	}
}
