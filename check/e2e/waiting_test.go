package e2e

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/check/testkit/assayd"
	"assay/inspect"
	"assay/remote"
	"assay/remote/cyclonedx"
)

// waiting is an assayd with Debian's data on an address that it keeps when it is
// started again.
type waiting struct {
	config assayd.Config
	token  string
	url    string
	scan   cyclonedx.Scan
}

func newWaiting(t *testing.T, flags ...string) waiting {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(data, os.DirFS(debianData(t))); err != nil {
		t.Fatal(err)
	}
	addr, err := assayd.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	w := waiting{url: "http://" + addr, config: assayd.Config{
		Binary: filepath.Join(bin, "assayd"), Data: data, Addr: addr, Flags: flags,
	}}
	if w.token, err = w.config.NewToken(t.Context(), "builds"); err != nil {
		t.Fatal(err)
	}
	inv, err := inspect.Inspect(t.Context(), sampleRoot, inspect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.scan = cyclonedx.Scan{Inventory: inv, Client: "assay 0.0.0-test"}
	return w
}

// start starts assayd.
func (w waiting) start(t *testing.T) *assayd.Server {
	t.Helper()
	s, err := w.config.Serve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ask is one build: a client of its own with the default waits.
func (w waiting) ask(ctx context.Context, notice func(string)) error {
	c, err := remote.New(remote.Config{Server: w.url, Token: w.token, Timeout: 5 * time.Minute, Notice: notice})
	if err != nil {
		return err
	}
	_, err = c.Scan(ctx, w.scan)
	return err
}

// TestHerd checks that 600 builds at once, with one token and the default rate of assayd,
// all get their verdict.
func TestHerd(t *testing.T) {
	testkit.Long(t) // as long as the rate of one token lets 600 scans take
	w := newWaiting(t, "--rate", "20", "--burst", "200")
	s := w.start(t)
	defer s.Close()
	var told atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now()
	for range 600 {
		wg.Go(func() {
			notices := 0
			if err := w.ask(t.Context(), func(line string) { notices++; told.Add(1) }); err != nil {
				t.Error(err)
			}
			if notices > 2 {
				t.Errorf("%d notices of one scan", notices)
			}
		})
	}
	wg.Wait()
	t.Logf("600 scans in %s, %d had to wait", time.Since(begin).Round(time.Second), told.Load())
	if told.Load() < 100 {
		t.Errorf("only %d scans had to wait: the test shows nothing", told.Load())
	}
}

// TestRestart checks that no build fails while assayd restarts.
func TestRestart(t *testing.T) {
	t.Parallel()
	w := newWaiting(t)
	s := w.start(t)
	var scans, told atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := w.ask(t.Context(), func(string) { told.Add(1) }); err != nil {
					t.Error(err)
					return
				}
				scans.Add(1)
			}
		})
	}
	for range 3 {
		until(t, func() bool { return scans.Load() >= 50 })
		before := told.Load()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		until(t, func() bool { return told.Load() > before }) // at least one build met the gap
		s = w.start(t)
		scans.Store(0)
	}
	until(t, func() bool { return scans.Load() >= 50 || t.Failed() })
	stop()
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	t.Logf("%d scans had to wait", told.Load())
}

// until waits for a condition.
func until(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited for two minutes")
		}
	}
}
