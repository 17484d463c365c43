package feed_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"assay/service/feed"
)

// quick is a configuration that does not wait.
func quick() feed.Config {
	c := feed.DefaultConfig()
	c.MinWait, c.MaxWait = time.Millisecond, 2*time.Millisecond
	return c
}

func place(t *testing.T, where string, c feed.Config) feed.Mirror {
	t.Helper()
	p, err := feed.Open(where, c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// serve answers every request with h, which is told its number, from 1.
func serve(t *testing.T, h func(n int, w http.ResponseWriter, r *http.Request)) (address string, requests *atomic.Int32) {
	t.Helper()
	requests = &atomic.Int32{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h(int(requests.Add(1)), w, r)
	}))
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return srv.URL, requests
}

// content answers as a good server does: with ranges and conditions.
func content(w http.ResponseWriter, r *http.Request, etag string, b []byte) {
	w.Header().Set("ETag", etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
}

// cut answers the first n bytes of b and breaks the connection.
func cut(w http.ResponseWriter, etag string, b []byte, n int) {
	w.Header().Set("ETag", etag)
	w.Header().Set("Content-Length", fmt.Sprint(len(b)))
	w.Write(b[:n])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

var file = []byte(strings.Repeat("0123456789", 50_000))

const limit = 1 << 20

func TestGet(t *testing.T) {
	for _, tt := range []struct {
		name     string
		answer   func(n int, w http.ResponseWriter, r *http.Request)
		err      string // empty: the file comes
		requests int32
	}{
		{"at once", func(n int, w http.ResponseWriter, r *http.Request) { content(w, r, `"a"`, file) }, "", 1},
		{"not found", func(n int, w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }, "404", 1},
		{"forbidden", func(n int, w http.ResponseWriter, r *http.Request) { http.Error(w, "", http.StatusForbidden) }, "403", 1},
		{"always 500", func(n int, w http.ResponseWriter, r *http.Request) { http.Error(w, "", http.StatusInternalServerError) }, "500", 4},
		{"503, then well", func(n int, w http.ResponseWriter, r *http.Request) {
			if n < 3 {
				w.Header().Set("Retry-After", "0")
				http.Error(w, "", http.StatusServiceUnavailable)
				return
			}
			content(w, r, `"a"`, file)
		}, "", 3},
		{"429 for an hour", func(n int, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "3600")
			http.Error(w, "", http.StatusTooManyRequests)
		}, "would be too late", 1},
		{"cut, then well", func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				cut(w, `"a"`, file, 1000)
			}
			content(w, r, `"a"`, file)
		}, "", 2},
		{"always cut", func(n int, w http.ResponseWriter, r *http.Request) { cut(w, `"a"`, file, 1000) }, "EOF", 4},
		{"too large, and says so", func(n int, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(limit+1))
		}, "larger than", 1},
		{"too large", func(n int, w http.ResponseWriter, r *http.Request) {
			io.Copy(w, io.LimitReader(neverEnding{}, limit+100))
		}, "larger than", 1},
		{"redirected for ever", func(n int, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/again", http.StatusFound)
		}, "more than 5 redirects", 6},
		{"a part that was not asked for", func(n int, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-9/20")
			w.WriteHeader(http.StatusPartialContent)
			w.Write(file[:10])
		}, "not requested", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			address, requests := serve(t, tt.answer)
			got, v, err := place(t, address, quick()).Get(t.Context(), "a b/c", limit, feed.Version{})
			switch {
			case tt.err == "" && (err != nil || !bytes.Equal(got, file) || v.ETag != `"a"`):
				t.Errorf("%d bytes of %+v, %v", len(got), v, err)
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("error %v, want %q", err, tt.err)
			}
			if errors.Is(err, feed.ErrNotFound) != (tt.err == "404") {
				t.Errorf("%v is ErrNotFound", err)
			}
			if n := requests.Load(); n != tt.requests {
				t.Errorf("%d requests, want %d", n, tt.requests)
			}
		})
	}
}

type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestConditional(t *testing.T) {
	modified := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	etags := true
	address, _ := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if etags {
			w.Header().Set("ETag", `"v1"`)
		}
		http.ServeContent(w, r, "", modified, bytes.NewReader(file))
	})
	p := place(t, address, quick())
	to := filepath.Join(t.TempDir(), "f")
	for range 2 {
		_, v, err := p.Get(t.Context(), "f", limit, feed.Version{})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.Get(t.Context(), "f", limit, v); !errors.Is(err, feed.ErrUnchanged) {
			t.Errorf("%+v: %v", v, err)
		}
		if _, err := p.Save(t.Context(), "f", to, limit, v); !errors.Is(err, feed.ErrUnchanged) {
			t.Errorf("%+v: %v", v, err)
		}
		etags = false // then by time alone
	}
	if left, err := os.ReadDir(filepath.Dir(to)); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, _, err := p.Get(t.Context(), "f", limit, feed.Version{ETag: `"v0"`}); err != nil {
		t.Error(err)
	}
}

// Names are encoded part by part, and arrive as they were.
func TestNames(t *testing.T) {
	var path, raw string
	address, _ := serve(t, func(n int, w http.ResponseWriter, r *http.Request) { path, raw = r.URL.Path, r.RequestURI })
	for name, want := range map[string]string{ // with a query as it is
		"crates.io/all.zip": "/base/crates.io/all.zip", "Azure Linux/all.zip": "/base/Azure%20Linux/all.zip",
		"AlmaLinux/ALSA-2026:55775.json": "/base/AlmaLinux/ALSA-2026:55775.json", "a/c#d%.json": "/base/a/c%23d%25.json", "a/b?c=d%2fe&f=1": "/base/a/b?c=d%2fe&f=1",
	} {
		if _, _, err := place(t, address+"/base/", quick()).Get(t.Context(), name, limit, feed.Version{}); err != nil {
			t.Fatal(err)
		}
		if file, _, _ := strings.Cut(name, "?"); path != "/base/"+file || raw != want {
			t.Errorf("%q arrived as %q, sent as %q", name, path, raw)
		}
	}
}

func TestSave(t *testing.T) {
	other := bytes.ToUpper(append([]byte("abc"), file...))
	type answer = func(n int, w http.ResponseWriter, r *http.Request)
	for _, tt := range []struct {
		name     string
		answer   answer
		want     []byte // nil: an error
		err      string
		requests int32
		ranges   []string // of the requests after the first
	}{
		{name: "at once", want: file, requests: 1,
			answer: func(n int, w http.ResponseWriter, r *http.Request) { content(w, r, `"a"`, file) }},
		{name: "cut twice, gone on with", want: file, requests: 3, ranges: []string{"bytes=1000-", "bytes=3000-"},
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				switch n {
				case 1:
					cut(w, `"a"`, file, 1000)
				case 2:
					w.Header().Set("ETag", `"a"`)
					w.Header().Set("Content-Range", fmt.Sprintf("bytes 1000-%d/%d", len(file)-1, len(file)))
					w.Header().Set("Content-Length", fmt.Sprint(len(file)-1000))
					w.WriteHeader(http.StatusPartialContent)
					w.Write(file[1000:3000])
					w.(http.Flusher).Flush()
					panic(http.ErrAbortHandler)
				}
				content(w, r, `"a"`, file)
			}},
		{name: "500 midway", want: file, requests: 3, ranges: []string{"bytes=1000-", "bytes=1000-"},
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				switch n {
				case 1:
					cut(w, `"a"`, file, 1000)
				case 2:
					http.Error(w, "", http.StatusInternalServerError)
					return
				}
				content(w, r, `"a"`, file)
			}},
		{name: "changed meanwhile", want: other, requests: 2, ranges: []string{"bytes=1000-"},
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				if n == 1 {
					cut(w, `"a"`, file, 1000)
				}
				content(w, r, `"b"`, other) // If-Range makes it whole
			}},
		{name: "changed meanwhile, If-Range not understood", want: other, requests: 3, ranges: []string{"bytes=1000-", ""},
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				if n == 1 {
					cut(w, `"a"`, file, 1000)
				}
				r.Header.Del("If-Range")
				content(w, r, `"b"`, other)
			}},
		{name: "shorter meanwhile", want: file[:500], requests: 3, ranges: []string{"bytes=1000-", ""},
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				if n == 1 {
					cut(w, `"a"`, file, 1000)
				}
				r.Header.Del("If-Range")
				content(w, r, `"b"`, file[:500])
			}},
		{name: "no ranges", want: file, requests: 2, ranges: []string{"bytes=1000-"},
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				if n == 1 {
					cut(w, `"a"`, file, 1000)
				}
				w.Header().Set("ETag", `"a"`)
				w.Write(file)
			}},
		{name: "another part than was asked for", want: file, requests: 3, ranges: []string{"bytes=1000-", ""},
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				switch n {
				case 1:
					cut(w, `"a"`, file, 1000)
				case 2:
					w.Header().Set("Content-Range", fmt.Sprintf("bytes 2000-%d/%d", len(file)-1, len(file)))
					w.WriteHeader(http.StatusPartialContent)
					w.Write(file[2000:])
					return
				}
				content(w, r, `"a"`, file)
			}},
		{name: "weak versions are not gone on with", want: file, requests: 2, ranges: []string{""},
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				if n == 1 {
					cut(w, `W/"a"`, file, 1000)
				}
				content(w, r, `W/"a"`, file)
			}},
		{name: "shorter than it says", err: "EOF", requests: 4,
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", "1000")
				w.Write(file[:10])
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			}},
		{name: "too large", err: "larger than", requests: 1,
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				io.Copy(w, io.LimitReader(neverEnding{}, limit+100))
			}},
		{name: "too large, and says so", err: "larger than", requests: 1,
			answer: func(n int, w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", fmt.Sprint(limit+1))
			}},
		{name: "not found", err: "404", requests: 1,
			answer: func(n int, w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var ranges []string
			address, requests := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
				if n > 1 {
					ranges = append(ranges, r.Header.Get("Range"))
				}
				tt.answer(n, w, r)
			})
			path := filepath.Join(t.TempDir(), "f")
			_, err := place(t, address, quick()).Save(t.Context(), "f", path, limit, feed.Version{})
			got, readErr := os.ReadFile(path)
			switch {
			case tt.want != nil && (err != nil || readErr != nil || !bytes.Equal(got, tt.want)):
				t.Errorf("%d bytes, %v, %v", len(got), err, readErr)
			case tt.want == nil && (err == nil || !strings.Contains(err.Error(), tt.err) || readErr == nil):
				t.Errorf("error %v, want %q; the file: %v", err, tt.err, readErr)
			}
			if n := requests.Load(); n != tt.requests {
				t.Errorf("%d requests, want %d", n, tt.requests)
			}
			if tt.ranges != nil && !slices.Equal(ranges, tt.ranges) {
				t.Errorf("ranges %q, want %q", ranges, tt.ranges)
			}
			if tt.want != nil {
				if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
					t.Errorf("left behind: %v, %v", left, err)
				}
			}
		})
	}
}

// A download of one process is continued by the next one.
func TestSaveGoesOn(t *testing.T) {
	var asked string
	broken := true
	address, _ := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		asked = r.Header.Get("Range")
		if broken {
			cut(w, `"a"`, file, 1000)
		}
		content(w, r, `"a"`, file)
	})
	path := filepath.Join(t.TempDir(), "f")
	c := quick()
	c.Attempts = 1
	if _, err := place(t, address, c).Save(t.Context(), "f", path, limit, feed.Version{}); err == nil {
		t.Fatal("no error")
	}
	broken = false
	// Another file does not go on from it.
	if _, err := place(t, address, c).Save(t.Context(), "g", path+"2", limit, feed.Version{}); err != nil || asked != "" {
		t.Errorf("%v, range %q", err, asked)
	}
	var seen []int64
	c.Progress = func(name string, done, total int64) { seen = append(seen, done, total) }
	if _, err := place(t, address, c).Save(t.Context(), "f", path, limit, feed.Version{}); err != nil || asked != "bytes=1000-" {
		t.Errorf("%v, range %q", err, asked)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, file) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if n := len(seen); n < 2 || seen[n-2] != int64(len(file)) || seen[n-1] != int64(len(file)) {
		t.Errorf("progress %v", seen)
	}
}

// A server that sends nothing, and one that sends for ever, a byte at a time.
func TestSlow(t *testing.T) {
	c := quick()
	c.Attempts = 2
	c.StallTimeout = 50 * time.Millisecond
	silent := func(n int, w http.ResponseWriter, r *http.Request) {
		w.Write(file[:10])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	address, requests := serve(t, silent)
	if _, _, err := place(t, address, c).Get(t.Context(), "f", limit, feed.Version{}); err == nil || !strings.Contains(err.Error(), "nothing received for 50ms") {
		t.Errorf("silent: %v", err)
	}
	if requests.Load() != 2 {
		t.Errorf("%d requests", requests.Load())
	}
	mute, _ := serve(t, func(n int, w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	if _, _, err := place(t, mute, c).Get(t.Context(), "f", limit, feed.Version{}); err == nil {
		t.Error("mute: no error")
	}

	dripping, _ := serve(t, func(n int, w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			w.Write([]byte("x"))
			w.(http.Flusher).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	})
	c.RequestTimeout = 60 * time.Millisecond
	if _, _, err := place(t, dripping, c).Get(t.Context(), "f", limit, feed.Version{}); err == nil || !strings.Contains(err.Error(), "no complete response within 60ms") {
		t.Errorf("dripping: %v", err)
	}
	// However many attempts bring something, the caller's time ends it.
	c.RequestTimeout = 10 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := place(t, dripping, c).Save(ctx, "f", filepath.Join(t.TempDir(), "f"), limit, feed.Version{}); err == nil {
		t.Error("dripping for ever: no error")
	}
}

// Permanent errors are returned at once, without a password in them.
func TestUnreachable(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := ln.Addr().String()
	ln.Close()
	for _, where := range []string{"http://user:secret@" + nobody, "http://user:secret@name.invalid"} {
		p := place(t, where, quick())
		_, _, err := p.Get(t.Context(), "f", limit, feed.Version{})
		if err == nil || strings.Contains(err.Error()+p.String(), "secret") {
			t.Errorf("%s: %v", p, err)
		}
	}
	for _, where := range []string{"ftp://a/b", "https://", "http://user:secret@a/?x=1", "http://user:secret@[", filepath.Join(t.TempDir(), "missing")} {
		if _, err := feed.Open(where, quick()); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", where, err)
		}
	}
	// TLS with an unknown certificate.
	srv := httptest.NewTLSServer(http.NotFoundHandler())
	defer srv.Close()
	if _, _, err := place(t, srv.URL, quick()).Get(t.Context(), "f", limit, feed.Version{}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("%v", err)
	}
}

func TestFolder(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	for path, b := range map[string][]byte{filepath.Join(dir, "a b"): file, filepath.Join(outside, "secret"): file} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	p := place(t, dir, quick())
	b, v, err := p.Get(t.Context(), "a b", limit, feed.Version{})
	if err != nil || !bytes.Equal(b, file) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	path := filepath.Join(t.TempDir(), "f")
	saved, err := p.Save(t.Context(), "a b", path, limit, feed.Version{})
	if err != nil || saved != v {
		t.Errorf("%+v, want %+v, %v", saved, v, err)
	}
	if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, file) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if _, err := p.Save(t.Context(), "a b", path, limit, v); !errors.Is(err, feed.ErrUnchanged) {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a b"), file[1:], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Get(t.Context(), "a b", limit, v); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{"none": "not found", ".": "is not a regular file", "link": "escapes", "../x": "escapes"} {
		if _, _, err := p.Get(t.Context(), name, limit, feed.Version{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
	}
	if _, _, err := p.Get(t.Context(), "a b", 10, feed.Version{}); err == nil {
		t.Error("too large: no error")
	}
}
