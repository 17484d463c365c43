package sqlite_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"assay/service/store"
	"assay/service/store/sqlite"
)

func keepOne(ctx context.Context, s store.Store, i int) error {
	id, err := store.NewID(rand.Reader)
	if err != nil {
		return err
	}
	_, err = s.KeepScan(ctx, store.Scan{ID: id, At: time.Unix(int64(i), 0), Token: "t", Seq: 1, Request: fmt.Append(nil, i), Verdict: fmt.Append(nil, "verdict ", i)})
	return err
}

// A backup is made while the store is written to, and has all that was there before.
func TestBackup(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	s, err := sqlite.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var records iter.Seq2[store.Record, error] = func(yield func(store.Record, error) bool) {
		for i := range 500 {
			if !yield(store.Record{ID: fmt.Sprint("X-", i), Modified: time.Unix(int64(i), 0), Body: fmt.Append(nil, "body ", i)}, nil) {
				return
			}
		}
	}
	if _, err := s.Import(ctx, store.Import{Origin: store.Origin{Source: "a"}, At: time.Unix(1, 0)}, records); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if err := keepOne(ctx, s, i); err != nil {
			t.Fatal(err)
		}
	}
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		for i := 1000; ; i++ {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if err := keepOne(ctx, s, i); err != nil {
				stopped <- err
				return
			}
		}
	}()
	var backup bytes.Buffer
	err = sqlite.Backup(ctx, dir, &backup)
	close(stop)
	if e := <-stopped; e != nil || err != nil {
		t.Fatalf("keep scans meanwhile: %v; back up: %v", e, err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "backup-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}

	to := filepath.Join(t.TempDir(), "restored")
	if err := sqlite.Restore(ctx, to, bytes.NewReader(backup.Bytes())); err != nil {
		t.Fatal(err)
	}
	restored, err := sqlite.Open(to)
	if err != nil {
		t.Fatal(err)
	}
	defer restored.Close()
	for _, table := range []store.Table{store.TableVersion, store.TableScan} {
		want, err := s.DumpRows(ctx, table, nil, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		got, err := restored.DumpRows(ctx, table, nil, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) < 100 || len(got) > len(want) || !reflect.DeepEqual(got, want[:len(got)]) {
			t.Errorf("table %q has %d rows, the original %d", table, len(got), len(want))
		}
	}
	if problems, err := restored.Verify(ctx); err != nil || len(problems) > 0 {
		t.Errorf("verify: %q, %v", problems, err)
	}
	if err := sqlite.Restore(ctx, to, bytes.NewReader(backup.Bytes())); err == nil {
		t.Error("a store was overwritten")
	}
}

// A restore that was killed between its two databases leaves a folder that is not opened,
// and into which the next one restores everything.
func TestRestoreKilled(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	if err := open(t, from).Close(); err != nil {
		t.Fatal(err)
	}
	var backup bytes.Buffer
	if err := sqlite.Backup(t.Context(), from, &backup); err != nil {
		t.Fatal(err)
	}
	// The kill: the last step of Restore fails, and its first ones are done.
	if err := os.WriteFile(filepath.Join(to, "restoring"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(to, "ledger.db"), []byte("of the first try"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := sqlite.Open(to); !errors.Is(err, sqlite.ErrRestoring) {
		t.Fatalf("%v, %v", s, err)
	}
	if _, err := os.Stat(filepath.Join(to, "advisories.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening it made a database: %v", err)
	}
	if err := sqlite.Restore(t.Context(), to, bytes.NewReader(backup.Bytes())); err != nil {
		t.Fatal(err)
	}
	if err := open(t, to).Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestRestoreRefuses(t *testing.T) {
	dir := t.TempDir()
	s, err := sqlite.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := keepOne(t.Context(), s, 1); err != nil {
		t.Fatal(err)
	}
	var good bytes.Buffer
	if err := sqlite.Backup(t.Context(), dir, &good); err != nil {
		t.Fatal(err)
	}
	archive := func(names ...string) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, n := range names {
			if err := w.WriteHeader(&tar.Header{Name: n, Size: 4, Mode: 0o600, Typeflag: tar.TypeReg}); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(w, "text"); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	empty := func(kind byte) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, n := range []string{"ledger.db", "advisories.db"} {
			if err := w.WriteHeader(&tar.Header{Name: n, Linkname: "/etc/passwd", Mode: 0o600, Typeflag: kind}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	flipped := bytes.Clone(good.Bytes())
	flipped[bytes.Index(flipped, []byte("SQLite format 3"))+100]++ // the first page of ledger.db
	for name, b := range map[string][]byte{
		"empty":          nil,
		"no archive":     []byte("text"),
		"cut":            good.Bytes()[:good.Len()/2],
		"other files":    archive("../../etc/passwd", "advisories.db"),
		"no databases":   archive("ledger.db", "advisories.db"),
		"one of them":    archive("ledger.db"),
		"one file more":  archive("ledger.db", "advisories.db", "x"),
		"empty files":    empty(tar.TypeReg),
		"links":          empty(tar.TypeSymlink),
		"a damaged page": flipped,
	} {
		to := t.TempDir()
		if err := sqlite.Restore(t.Context(), to, bytes.NewReader(b)); err == nil {
			t.Errorf("%s: no error", name)
		}
		if left, err := os.ReadDir(to); err != nil || len(left) > 0 {
			t.Errorf("%s: left behind: %v, %v", name, left, err)
		}
	}
}

// A database that was removed by hand leaves its log behind.
func TestRestoreBesideLog(t *testing.T) {
	dir, to := t.TempDir(), t.TempDir()
	s, err := sqlite.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var backup bytes.Buffer
	if err := sqlite.Backup(t.Context(), dir, &backup); err != nil {
		t.Fatal(err)
	}
	if err := keepOne(t.Context(), s, 1); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(filepath.Join(dir, "ledger.db-wal"))
	if err != nil || len(log) == 0 {
		t.Fatalf("no log: %d bytes, %v", len(log), err)
	}
	if err := os.WriteFile(filepath.Join(to, "ledger.db-wal"), log, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := sqlite.Restore(t.Context(), to, bytes.NewReader(backup.Bytes())); err == nil || !strings.Contains(err.Error(), "ledger.db-wal") {
		t.Errorf("error %v", err)
	}
}

// A copy of everything that a killed process left behind is removed; that of a running
// one is not.
func TestRemainsOfBackup(t *testing.T) {
	dir := t.TempDir()
	s, err := sqlite.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	remains, running := filepath.Join(dir, "backup-1"), filepath.Join(dir, "backup-2")
	for _, path := range []string{remains, running} {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"ledger.db", "lock"} {
			if err := os.WriteFile(filepath.Join(path, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	held, err := os.Open(filepath.Join(running, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := unix.Flock(int(held.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if err := sqlite.Backup(t.Context(), dir, io.Discard); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "backup-*")); err != nil || len(left) != 1 || left[0] != running {
		t.Errorf("left: %q, %v", left, err)
	}
}
