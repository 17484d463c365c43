package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"assay/service/image"
	"assay/service/store"
	"assay/service/store/sqlite"
	"assay/verdict/hint"
)

// keepScans stores a scan of one ref for each of the days before now.
func keepScans(t *testing.T, dir string, now time.Time, days ...int) {
	t.Helper()
	st, err := sqlite.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range days {
		id, err := store.NewID(rand.Reader)
		if err == nil {
			_, err = st.KeepScan(t.Context(), store.Scan{ID: id, At: now.AddDate(0, 0, -n), Token: "t", Project: "shop", Ref: "main", Request: []byte("{}"), Verdict: []byte("{}")})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
}

// keepRecords stores records about images with their keys: "kept" has the newest scan of the
// store, and the others have one that is not kept.
func keepRecords(t *testing.T, dir string, at time.Time, keys ...string) {
	t.Helper()
	withRecords(t, dir, at, func(r *image.Records, st store.Store) {
		scans, err := st.ListScans(t.Context(), 1)
		if err != nil || len(scans) != 1 {
			t.Fatal(scans, err)
		}
		for _, key := range keys {
			rec := image.Record{Kind: "clair4", Key: key, State: image.Finished, Scan: "gone"}
			if key == "kept" {
				rec.Scan = scans[0].ID
			}
			if err := r.Put(t.Context(), rec); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// recordsOf returns the keys of the records about images.
func recordsOf(t *testing.T, dir string) (keys string) {
	t.Helper()
	withRecords(t, dir, time.Time{}, func(r *image.Records, _ store.Store) {
		list, err := r.List(t.Context(), "clair4", "")
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range list {
			keys = strings.TrimSpace(keys + " " + rec.Key)
		}
	})
	return keys
}

func withRecords(t *testing.T, dir string, at time.Time, do func(*image.Records, store.Store)) {
	t.Helper()
	st, err := sqlite.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	do(&image.Records{Files: st, Now: func() time.Time { return at }}, st)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestPrune(t *testing.T) {
	dir, now := t.TempDir(), time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	keepScans(t, dir, now, 200, 100, 50, 1)
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		d := &daemon{stdout: &out, stderr: &out, now: func() time.Time { return now }}
		err := d.run(t.Context(), append([]string{"assayd"}, append(args, "--data", dir)...))
		return out.String(), err
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"status"}, "scans are kept for 90 days"},
		{[]string{"prune", "--dry-run"}, "would remove what is older than 2026-08-26 12:00:00: 2 scans"},
		{[]string{"prune", "--dry-run"}, "would remove what is older than 2026-08-26 12:00:00: 2 scans"},
		{[]string{"prune"}, "removed what is older than 2026-08-26 12:00:00: 2 scans"},
		{[]string{"prune"}, ": 0 scans"},
		{[]string{"prune", "--keep", "30d"}, ": 1 scans"},
		{[]string{"prune", "--keep", "1d"}, ": 0 scans"}, // the newest of its ref
	} {
		if got, err := run(tt.args...); err != nil || !strings.Contains(got, tt.want) {
			t.Errorf("assayd %q: %q, %v; want %q", tt.args, got, err, tt.want)
		}
	}
	for _, tt := range []struct {
		args []string
		hint string
	}{
		{[]string{"prune", "--keep", "1h"}, "the minimum is one day"},
		{[]string{"prune", "--keep", "0"}, "say for how long"},
	} {
		if got, err := run(tt.args...); err == nil || !strings.Contains(hint.Of(err), tt.hint) {
			t.Errorf("assayd %q: %q, %v", tt.args, got, err)
		}
	}
	if _, err := run("prune", "all"); err == nil {
		t.Error("an argument is accepted")
	}
	keepRecords(t, dir, now.AddDate(0, 0, -200), "gone", "kept")
	if _, err := run("prune", "--dry-run"); err != nil {
		t.Error(err)
	}
	if got := recordsOf(t, dir); got != "gone kept" {
		t.Errorf("after a dry run there are the records %q", got)
	}
	if _, err := run("prune"); err != nil {
		t.Error(err)
	}
	if got := recordsOf(t, dir); got != "kept" {
		t.Errorf("there are the records %q", got)
	}
	dir = t.TempDir()
	if _, err := run("prune"); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("an empty folder: %v", err)
	}
}
