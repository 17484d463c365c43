package osv_test

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"assay/service/feed"
	"assay/service/feed/osv"
	"assay/service/store/sqlite"
)

// Of several processes on one store, one updates in each interval. Which ecosystems are
// wanted is in the store, not in a folder of one process.
func TestOneUpdateInAnInterval(t *testing.T) {
	b := newBucket(t, "CRAN", "Hackage")
	dir := t.TempDir()
	clock := day(1)
	updater := func() *feed.Updater {
		t.Helper()
		st, err := sqlite.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { st.Close() })
		m, err := feed.Open(b.srv.URL, feed.DefaultConfig())
		if err != nil {
			t.Fatal(err)
		}
		return &feed.Updater{
			Plans:   []feed.Plan{{Source: osv.Source(), Setup: feed.Setup{Mirror: m, Dir: t.TempDir()}, Interval: 6 * time.Hour}},
			Fetched: true, ConnectTimeout: time.Minute,
			Store: st, Now: func() time.Time { return clock },
		}
	}
	// once returns after what Every does first.
	once := func(u *feed.Updater) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		u.Every(ctx, slog.New(slog.NewTextHandler(io.Discard, nil)), func(err error) {
			if err != nil {
				t.Error(err)
			}
			cancel()
		})
	}
	first, second := updater(), updater()
	once(first) // an empty store: everything
	wantRequests(t, b, "/CRAN/all.zip", "/CRAN/modified_id.csv", "/Hackage/all.zip", "/Hackage/modified_id.csv", "/ecosystems.txt")
	clock = clock.Add(time.Hour)
	once(second)
	wantRequests(t, b)
	clock = clock.Add(5 * time.Hour)
	b.mu.Lock()
	b.records["crates.io"] = map[string][]byte{"RUSTSEC-2099-0001": []byte(record("RUSTSEC-2099-0001", "2026-12-01T00:00:00Z", "crates.io"))}
	b.mu.Unlock()
	once(second) // everything, and so what is new
	wantRequests(t, b, "/crates.io/all.zip", "/crates.io/modified_id.csv", "/ecosystems.txt", "304 /CRAN/modified_id.csv", "304 /Hackage/modified_id.csv")
	once(first)
	wantRequests(t, b)
}
