package whole_test

import (
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/service/advisory"
	"assay/service/feed"
	"assay/service/feed/whole"
	"assay/service/store"
	"assay/service/store/sqlite"
)

// A counted mirror notes the files that it sends.
type counted struct {
	feed.Mirror
	sent []string
}

func (c *counted) Save(ctx context.Context, name, path string, limit int64, before feed.Version) (feed.Version, error) {
	v, err := c.Mirror.Save(ctx, name, path, limit, before)
	if err == nil {
		c.sent = append(c.sent, name)
	}
	return v, err
}

// TestKeep: of files that are kept, only those are downloaded again that have changed, are
// new, or were altered or removed in the folder for downloads.
func TestKeep(t *testing.T) {
	from, dir := t.TempDir(), t.TempDir()
	put := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(from, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(from, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("a/1", "A-1")
	put("b/1", "B-1")
	folder, err := feed.Open(from, feed.Config{})
	if err != nil {
		t.Fatal(err)
	}
	st, err := sqlite.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	mirror := &counted{Mirror: folder}
	names, fail := []string{"a/1", "b/1"}, error(nil)
	f := whole.Feed{
		Setup:  feed.Setup{Mirror: mirror, Dir: dir},
		Source: "test",
		List: func(context.Context, feed.Mirror) (files []whole.File, err error) {
			for _, n := range names {
				files = append(files, whole.File{Name: n, Limit: 100})
			}
			return files, fail
		},
		Keep: true,
		Records: func(paths []string) iter.Seq2[store.Record, error] {
			return func(yield func(store.Record, error) bool) {
				for _, p := range paths {
					b, err := os.ReadFile(p)
					if err != nil {
						yield(store.Record{}, err)
						return
					}
					if !yield(whole.Converted(string(b), advisory.Advisory{ID: string(b)}, nil)) {
						return
					}
				}
			}
		},
	}
	kept := func(name string) string { return filepath.Join(dir, "file-"+strings.ReplaceAll(name, "/", "%2F")) }
	for _, tt := range []struct {
		name    string
		change  func()
		sent    []string
		records []string
	}{
		{"first", func() {}, []string{"a/1", "b/1"}, []string{"A-1", "B-1"}},
		{"again", func() {}, nil, []string{"A-1", "B-1"}},
		{"one changed", func() { put("b/1", "B-22") }, []string{"b/1"}, []string{"A-1", "B-22"}},
		{"one altered here", func() { _ = os.WriteFile(kept("a/1"), []byte("X-1"), 0o600) }, []string{"a/1"}, []string{"A-1", "B-22"}},
		{"one removed here", func() { _ = os.Remove(kept("a/1")) }, []string{"a/1"}, []string{"A-1", "B-22"}},
		{"a new one", func() { put("c/1", "C-1"); names = append(names, "c/1") }, []string{"c/1"}, []string{"A-1", "B-22", "C-1"}},
		{"one is gone", func() { names = names[1:] }, nil, []string{"B-22", "C-1"}},
	} {
		tt.change()
		mirror.sent = nil
		if _, err := f.Update(t.Context(), st, time.Unix(1, 0)); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		var records []string
		for r, err := range st.Held(t.Context(), f.Origin()) {
			if err != nil {
				t.Fatal(err)
			}
			records = append(records, r.ID)
		}
		slices.Sort(records)
		if !slices.Equal(mirror.sent, tt.sent) || !slices.Equal(records, tt.records) {
			t.Errorf("%s: sent %q, want %q; records %q, want %q", tt.name, mirror.sent, tt.sent, records, tt.records)
		}
	}
	if _, err := os.Stat(kept("a/1")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is no longer listed is on the disk: %v", err)
	}
	names = append(names, "d/1")
	if _, err := f.Update(t.Context(), st, time.Unix(2, 0)); !errors.Is(err, feed.ErrNotFound) {
		t.Errorf("a file that is missing: %v", err)
	}
	fail = errors.New("no list")
	if _, err := f.Update(t.Context(), st, time.Unix(2, 0)); !errors.Is(err, fail) {
		t.Errorf("no list: %v", err)
	}
}

// TestNested: the values of an array that is a member of an object, or of the outermost array.
func TestNested(t *testing.T) {
	for _, tt := range []struct{ text, want, err string }{
		{`{"version":"1","data":[1,{"a":[2]},"x"],"more":{"data":[9]}}`, `1 {"a":[2]} "x"`, ""},
		{`[1, 2]`, "1 2", ""},
		{`{"data":[]}`, "", ""},
		{`{"more":[1]}`, "", `there is no "data"`},
		{`{"data":{"a":1}}`, "", "not an array"},
		{`{"data":[1],"data":[2]}`, "1", ""}, // the second is another member
		{`{"data":[1]} [2]`, "1", "followed by something else"},
		{`[1,2`, "1 2", "not JSON"},
		{`{"data":[1,`, "1", "not JSON"},
		{`{"data":[1]`, "1", "not JSON"},
		{`{"other":[`, "", "not JSON"},
		{`7`, "", "neither"},
		{``, "", "not JSON"},
		{`["` + strings.Repeat("x", 300_000) + `"]`, "", "more than 1000 bytes"},
		{`{"a":"` + strings.Repeat("x", 300_000) + `"}`, "", "more than 1000 bytes"},
	} {
		var got []string
		var failed error
		for v, err := range whole.Nested(strings.NewReader(tt.text), "data", 1000) {
			if failed = err; err == nil {
				got = append(got, string(v))
			}
		}
		if strings.Join(got, " ") != tt.want || (failed == nil) != (tt.err == "") || failed != nil && !strings.Contains(failed.Error(), tt.err) {
			t.Errorf("%.60s: %q, %v", tt.text, got, failed)
		}
	}
	for v := range whole.Nested(strings.NewReader("[1,2,3]"), "data", 1000) { // stopping early is allowed
		if string(v) != "1" {
			t.Errorf("%s", v)
		}
		break
	}
}
