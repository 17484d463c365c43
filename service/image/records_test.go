package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"assay/check/testkit/pgtest"
	"assay/service/store"
	"assay/service/store/postgres"
	"assay/service/store/sqlite"
)

var shared pgtest.Shared

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

// onStores runs a test on both stores. two are two connections to the same data.
func onStores(t *testing.T, test func(t *testing.T, two [2]store.Store)) {
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		test(t, opened(t, func() (store.Store, error) { return sqlite.Open(dir) }))
	})
	t.Run("postgres", func(t *testing.T) {
		url := shared.Server(t).URL(shared.Server(t).Database(t, ""))
		test(t, opened(t, func() (store.Store, error) { return postgres.Open(t.Context(), url, false) }))
	})
}

func opened(t *testing.T, open func() (store.Store, error)) (two [2]store.Store) {
	for i := range two {
		st, err := open()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := st.Close(); err != nil {
				t.Error(err)
			}
		})
		two[i] = st
	}
	return two
}

// A clock is a time that tests move.
type clock struct{ micro atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.micro.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMicro())
	return c
}

func (c *clock) now() time.Time { return time.UnixMicro(c.micro.Load()).UTC() }

func (c *clock) add(d time.Duration) { c.micro.Add(d.Microseconds()) }

func TestRecords(t *testing.T) {
	onStores(t, func(t *testing.T, two [2]store.Store) {
		at := newClock()
		a, b := &Records{Files: two[0], Now: at.now}, &Records{Files: two[1], Now: at.now}
		key := "registry.example.com:5000/shop/app:1@sha256:ü%2F../\x00"
		put := func(rec Record) {
			t.Helper()
			at.add(time.Second)
			if err := a.Put(t.Context(), rec); err != nil {
				t.Fatal(err)
			}
		}
		put(Record{Kind: "clair4", Project: "shop", Key: key, State: Finished, Scan: "s1", Body: json.RawMessage(`{"n":1}`)})
		put(Record{Kind: "clair4", Project: "shop", Key: "other", State: Failed, Cause: "no archive"})
		put(Record{Kind: "clair4", Project: "", Key: key, State: Finished, Scan: "s2"})
		put(Record{Kind: "harbor", Project: "shop", Key: key, State: Finished, Scan: "s3"})
		put(Record{Kind: "clair4", Project: "shop/", Key: key, State: Finished, Scan: "s4"})

		got, err := b.Get(t.Context(), "clair4", "shop", key)
		if err != nil || got.Scan != "s1" || got.State != Finished || string(got.Body) != `{"n":1}` || got.Key != key || !got.At.Equal(time.Date(2026, 3, 1, 12, 0, 1, 0, time.UTC)) {
			t.Errorf("got %+v, %v", got, err)
		}
		for _, want := range []Record{{Kind: "clair4", Key: key, Scan: "s2"}, {Kind: "harbor", Project: "shop", Key: key, Scan: "s3"}, {Kind: "clair4", Project: "shop/", Key: key, Scan: "s4"}} {
			if got, err := b.Get(t.Context(), want.Kind, want.Project, want.Key); err != nil || got.Scan != want.Scan || len(got.Body) != 0 {
				t.Errorf("got %+v, %v; want scan %s", got, err, want.Scan)
			}
		}
		list, err := b.List(t.Context(), "clair4", "shop")
		if err != nil || len(list) != 2 || list[0].Key != "other" || list[0].Cause != "no archive" || list[1].Key != key {
			t.Errorf("listed %+v, %v", list, err)
		}
		put(Record{Kind: "clair4", Project: "shop", Key: key, State: Failed, Cause: "again"})
		if got, err := b.Get(t.Context(), "clair4", "shop", key); err != nil || got.State != Failed || got.Scan != "" {
			t.Errorf("replaced: %+v, %v", got, err)
		}
		for range 2 { // the second time there is none
			if err := b.Delete(t.Context(), "clair4", "shop", key); err != nil {
				t.Error(err)
			}
		}
		if _, err := a.Get(t.Context(), "clair4", "shop", key); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("after it was removed: %v", err)
		}
		if got, err := a.Get(t.Context(), "clair4", "", key); err != nil || got.Scan != "s2" {
			t.Errorf("the record of another project: %+v, %v", got, err)
		}
	})
}

func TestInvalidRecords(t *testing.T) {
	st, err := sqlite.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	r := &Records{Files: st, Now: time.Now}
	for want, rec := range map[string]Record{
		`invalid kind ""`:         {Key: "k"},
		`invalid kind "a/b"`:      {Kind: "a/b", Key: "k"},
		`invalid kind "../x"`:     {Kind: "../x", Key: "k"},
		"invalid key":             {Kind: "k"},
		"4097 bytes":              {Kind: "k", Key: strings.Repeat("k", 4097)},
		"at most 1048576 are kep": {Kind: "k", Key: "k", Body: json.RawMessage(`"` + strings.Repeat("x", MaxRecord) + `"`)},
		"unexpected end of JSON":  {Kind: "k", Key: "k", Body: json.RawMessage(`{`)},
	} {
		if err := r.Put(t.Context(), rec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+.50v: %v, want %q", rec, err, want)
		}
	}
	// What somebody else wrote there.
	name, err := nameOf("k", "p", "key")
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"", "[]", `{"kind":"k","project":"q","key":"key","state":"finished"}`} {
		if err := st.PutFile(t.Context(), store.File{Name: name, Modified: time.Now(), Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
		if rec, err := r.Get(t.Context(), "k", "p", "key"); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("%q: %+v, %v", body, rec, err)
		}
	}
	if err := r.Delete(t.Context(), "k", "p", "key"); err != nil {
		t.Error(err)
	}
}

func TestWork(t *testing.T) {
	onStores(t, func(t *testing.T, two [2]store.Store) {
		a, b := &Records{Files: two[0], Now: time.Now, lease: 300 * time.Millisecond}, &Records{Files: two[1], Now: time.Now, lease: 300 * time.Millisecond}
		rec := Record{Kind: "clair4", Project: "shop", Key: "sha256:1", Body: json.RawMessage(`1`)}
		start := func(r *Records) *Work {
			t.Helper()
			w, err := r.Start(t.Context(), rec)
			if err != nil {
				t.Fatal(err)
			}
			return w
		}
		state := func(want State, scan, cause string) {
			t.Helper()
			got, err := b.Get(t.Context(), rec.Kind, rec.Project, rec.Key)
			if err != nil || got.State != want || got.Scan != scan || !strings.Contains(got.Cause, cause) {
				t.Errorf("got %+v, %v; want %s", got, err, want)
			}
		}

		w := start(a)
		time.Sleep(700 * time.Millisecond) // longer than a lease, which is renewed
		state(Running, "", "")
		if _, err := b.Start(t.Context(), rec); !errors.Is(err, ErrRunning) {
			t.Errorf("the second work on it: %v", err)
		}
		if err := w.Finish(t.Context(), "s1", json.RawMessage(`2`)); err != nil {
			t.Fatal(err)
		}
		state(Finished, "s1", "")

		w = start(b) // again, by the other process
		state(Running, "", "")
		if err := w.Fail(t.Context(), errors.New("layer 2 is no archive"), nil); err != nil {
			t.Fatal(err)
		}
		state(Failed, "", "layer 2 is no archive")

		// A process is killed: its lease is not renewed.
		w = start(a)
		w.stop()
		<-w.done
		state(Running, "", "")
		time.Sleep(400 * time.Millisecond)
		state(Failed, "", "the service stopped")
		next := start(b)
		if err := w.Finish(t.Context(), "late", nil); !errors.Is(err, ErrReplaced) {
			t.Errorf("the end of work that another has taken over: %v", err)
		}
		state(Running, "", "")

		// The record is removed while it is running.
		if err := a.Delete(t.Context(), rec.Kind, rec.Project, rec.Key); err != nil {
			t.Fatal(err)
		}
		if err := next.Finish(t.Context(), "late", nil); !errors.Is(err, ErrReplaced) {
			t.Errorf("the end of removed work: %v", err)
		}
		if got, err := a.Get(t.Context(), rec.Kind, rec.Project, rec.Key); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("removed work came back: %+v, %v", got, err)
		}
		w = start(a)
		if err := w.Finish(t.Context(), "s2", nil); err != nil {
			t.Fatal(err)
		}
		state(Finished, "s2", "")
	})
}

// keptScans are the ids of kept scans.
type keptScans map[string]bool

func (k keptScans) FindScan(_ context.Context, id string) (store.Scan, store.Sizes, error) {
	if !k[id] {
		return store.Scan{}, store.Sizes{}, fmt.Errorf("scan %q: %w", id, store.ErrNotFound)
	}
	return store.Scan{ID: id}, store.Sizes{}, nil
}

func TestTidy(t *testing.T) {
	onStores(t, func(t *testing.T, two [2]store.Store) {
		at := newClock()
		r := &Records{Files: two[0], Now: at.now}
		if err := two[0].PutFile(t.Context(), store.File{Name: "other", Modified: at.now(), Body: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		put := func(key string, state State, scan string) {
			t.Helper()
			if err := r.Put(t.Context(), Record{Kind: "clair1", Key: key, State: state, Scan: scan}); err != nil {
				t.Fatal(err)
			}
		}
		put("kept", Finished, "s1")
		put("gone", Finished, "s2")
		put("failed", Failed, "")
		put("crashed", Running, "")
		w, err := r.Start(t.Context(), Record{Kind: "clair1", Key: "running"})
		if err != nil {
			t.Fatal(err)
		}
		at.add(time.Second)
		before := at.now()
		put("new", Finished, "s3")
		put("new and failed", Failed, "")
		if n, err := r.Tidy(t.Context(), keptScans{"s1": true}, before); n != 3 || err != nil {
			t.Errorf("removed %d, %v", n, err)
		}
		list, err := r.List(t.Context(), "clair1", "")
		var keys []string
		for _, rec := range list {
			keys = append(keys, rec.Key)
		}
		if got := strings.Join(keys, ", "); err != nil || got != "new, new and failed, kept, running" {
			t.Errorf("left are %q, %v", got, err)
		}
		if err := w.Finish(t.Context(), "s4", nil); err != nil {
			t.Error(err)
		}
		if f, err := two[0].File(t.Context(), "other"); err != nil || string(f.Body) != "x" {
			t.Errorf("a file of somebody else: %+v, %v", f, err)
		}
		// An error of the store ends it, and removes nothing that may be needed.
		at.add(time.Hour)
		if n, err := r.Tidy(t.Context(), brokenScans{}, at.now()); !errors.Is(err, store.ErrUnavailable) || n > 1 {
			t.Errorf("with a broken store: %d, %v", n, err)
		}
	})
}

type brokenScans struct{}

func (brokenScans) FindScan(context.Context, string) (store.Scan, store.Sizes, error) {
	return store.Scan{}, store.Sizes{}, store.ErrUnavailable
}
