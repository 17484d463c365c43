package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

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
	dir = t.TempDir()
	if _, err := run("prune"); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("an empty folder: %v", err)
	}
}
