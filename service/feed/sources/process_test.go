package sources_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/service/feed"
	"assay/service/feed/sources"
	"assay/service/store"
	"assay/service/store/sqlite"
)

// childEnv makes the test binary a process that updates all sources, from an address into a
// folder: "http://127.0.0.1:1234 DIR".
const childEnv = "ASSAY_TEST_UPDATE"

func TestMain(m *testing.M) {
	if where, dir, ok := strings.Cut(os.Getenv(childEnv), " "); ok {
		if err := updateAll(context.Background(), where, dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// updateAll updates all sources from a server that has each in a folder with its name.
func updateAll(ctx context.Context, where, dir string) error {
	st, err := sqlite.Open(dir)
	if err != nil {
		return err
	}
	now := func() time.Time { return time.Date(2026, 12, 1, 1, 0, 0, 0, time.UTC) } // that of the fixtures
	u := feed.Updater{Store: st, Now: now, Timeout: time.Minute}
	for _, s := range sources.All() {
		c := feed.DefaultConfig()
		c.MinWait, c.MaxWait = time.Millisecond, 2*time.Millisecond
		m, err := feed.Open(where+"/"+s.Name, c)
		if err != nil {
			return err
		}
		setup := feed.Setup{Mirror: m, Dir: filepath.Join(dir, "feed", s.Name), HasKey: s.Key == feed.RequiredKey, Names: namesOf(s)}
		u.Plans = append(u.Plans, feed.Plan{Source: s, Setup: setup, Named: true})
	}
	var failures []error
	err = u.Update(ctx, feed.Events{Done: func(from store.Origin, _ feed.Outcome, err error) {
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", from, err))
		}
	}})
	return errors.Join(append(failures, err, st.Close())...)
}

// allSources serves the fixtures of all sources, each in a folder with its name.
func allSources(t *testing.T) http.Handler {
	t.Helper()
	mux := http.NewServeMux()
	for _, s := range sources.All() {
		mux.Handle("/"+s.Name+"/", http.StripPrefix("/"+s.Name, &server{files: fixtures[s.Name](t).files}))
	}
	return mux
}

// contentOf returns the lines of rig.content of a store.
func contentOf(t *testing.T, dir string) map[string]bool {
	t.Helper()
	st, err := sqlite.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if err := st.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	lines := map[string]bool{}
	for line := range strings.SplitSeq((&rig{t: t, store: st}).content(), "\n") {
		if line != "" {
			lines[line] = true
		}
	}
	return lines
}

// within reports whether all of a is in b.
func within(a, b map[string]bool) bool {
	for line := range a {
		if !b[line] {
			return false
		}
	}
	return true
}

// TestKilledUpdate kills updates of all sources with SIGKILL at random moments. Nothing that
// was stored is lost, nothing else is stored, and the next update completes. Every second
// update has a new address: it reads everything again.
func TestKilledUpdate(t *testing.T) {
	handler := allSources(t)
	good := t.TempDir()
	first := httptest.NewServer(handler)
	defer first.Close()
	start := time.Now()
	child(t, first.URL, good, 0)
	whole := time.Since(start)
	want := contentOf(t, good)
	if len(want) < 30 {
		t.Fatalf("an update without a kill stores %d records", len(want))
	}
	seed := uint64(start.UnixNano())
	t.Logf("seed %d; an update takes %v", seed, whole)
	random := rand.New(rand.NewPCG(seed, 0))
	died := 0
	dir := t.TempDir()
	before := map[string]bool{}
	for i := range testkit.Some(3, 100) {
		if i%4 == 0 { // begin with an empty store
			dir, before = t.TempDir(), map[string]bool{}
		}
		web := first
		if i%2 == 1 {
			web = httptest.NewServer(handler)
		}
		if child(t, web.URL, dir, time.Millisecond+time.Duration(random.Int64N(int64(whole)))) {
			died++
		}
		after := contentOf(t, dir)
		if !within(before, after) || !within(after, want) {
			t.Errorf("kill %d: of %d records before and %d in all, there are %d", i, len(before), len(want), len(after))
		}
		before = after
		if i%4 == 3 {
			child(t, web.URL, dir, 0)
			if got := contentOf(t, dir); len(got) != len(want) || !within(got, want) {
				t.Errorf("an update after kill %d: %d records, want %d", i, len(got), len(want))
			}
		}
		if web != first {
			web.Close()
		}
	}
	child(t, first.URL, dir, 0)
	if got := contentOf(t, dir); len(got) != len(want) || !within(got, want) {
		t.Errorf("the last update: %d records, want %d", len(got), len(want))
	}
	t.Logf("%d updates died", died)
}

// child runs an update in a process, and kills it after some time; zero: not. It reports
// whether it was killed.
func child(t *testing.T, where, dir string, after time.Duration) (killed bool) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), childEnv+"="+where+" "+dir)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if after > 0 {
		timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) // it may have ended
		defer timer.Stop()
	}
	err = cmd.Wait()
	if cmd.ProcessState.ExitCode() == -1 && after > 0 {
		return true
	}
	if err != nil {
		t.Fatalf("update: %v\n%s", err, &out)
	}
	return false
}

// TestFullDisk updates all sources on a disk with little space, which grows from update to
// update. Each fails without harm to what is stored, and frees its downloads, until there
// is enough.
func TestFullDisk(t *testing.T) {
	disk := t.TempDir()
	const size = 48 << 20
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", size)); err != nil {
		testkit.Missing(t, "a tmpfs of its own: mount: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	web := httptest.NewServer(allSources(t))
	defer web.Close()
	good := t.TempDir()
	if err := updateAll(t.Context(), web.URL, good); err != nil {
		t.Fatal(err)
	}
	want := contentOf(t, good)

	dir, filler := filepath.Join(disk, "data"), filepath.Join(disk, "filler")
	st, err := sqlite.Open(dir) // it begins with the store, which needs some space
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	before, failed := map[string]bool{}, 0
	for i := range 200 {
		leave(t, filler, int64(i)*int64(testkit.Some(2048, 64))<<10)
		err := updateAll(t.Context(), web.URL, dir)
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		after := contentOf(t, dir)
		if !within(before, after) || !within(after, want) {
			t.Errorf("with a space of %d: of %d records before and %d in all, there are %d", i, len(before), len(want), len(after))
		}
		before = after
		if err == nil {
			break
		}
		failed++
	}
	if failed == 0 {
		t.Error("the disk was never full")
	}
	if err := updateAll(t.Context(), web.URL, dir); err != nil {
		t.Error(err)
	}
	if got := contentOf(t, dir); len(got) != len(want) || !within(got, want) {
		t.Errorf("with enough space: %d records, want %d", len(got), len(want))
	}
	t.Logf("%d updates failed for lack of space", failed)
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// leave fills the disk but for some bytes.
func leave(t *testing.T, filler string, bytes int64) {
	t.Helper()
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(filler), &st); err != nil {
		t.Fatal(err)
	}
	_, _ = io.CopyN(f, zeros{}, max(0, int64(st.Bavail)*st.Bsize-bytes)) // it may meet the end
}

// Sources that fail or vanish in the middle of an update do not prevent the update of the
// others.
func TestOneSourceGone(t *testing.T) {
	handler := allSources(t)
	var mu sync.Mutex
	requests := 0
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if strings.HasPrefix(r.URL.Path, "/osv/") {
			if requests++; requests > 2 { // gone after its lists
				panic(http.ErrAbortHandler)
			}
		}
		handler.ServeHTTP(w, r)
	}))
	defer web.Close()
	dir := t.TempDir()
	err := updateAll(t.Context(), web.URL, dir)
	if err == nil || !strings.Contains(err.Error(), "1 of ") {
		t.Errorf("%v", err)
	}
	got := contentOf(t, dir)
	for line := range got {
		if strings.HasPrefix(line, "osv ") {
			t.Errorf("a record of the source that is gone: %s", line)
		}
	}
	if len(got) < 10 {
		t.Errorf("only %d records of the other sources", len(got))
	}
}
