package sqlite

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"assay/check/testkit"
	"assay/check/testkit/rpmtest"

	_ "modernc.org/sqlite"
)

// files are a database and its log.
type files struct{ db, wal []byte }

// write writes the files to a new folder and returns the path of the database.
func (f files) write(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rpmdb.sqlite")
	err := os.WriteFile(path, f.db, 0o600)
	if err == nil && f.wal != nil {
		err = os.WriteFile(path+"-wal", f.wal, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// ours returns the digests of the blobs, sorted, and the errors.
func (f files) ours() ([]string, error) {
	var log io.ReaderAt
	if f.wal != nil {
		log = bytes.NewReader(f.wal)
	}
	var sums []string
	var errs []error
	for blob, err := range Blobs(bytes.NewReader(f.db), int64(len(f.db)), log, int64(len(f.wal))) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		data, err := io.ReadAll(blob)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		sums = append(sums, digest(data))
	}
	slices.Sort(sums)
	return sums, errors.Join(errs...)
}

// theirs is ours, but read by SQLite.
func (f files) theirs(t *testing.T) ([]string, error) {
	t.Helper()
	db := connect(t, f.write(t))
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), "SELECT blob FROM Packages")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var sums []string
	for rows.Next() {
		var blob []byte
		if err := rows.Scan(&blob); err != nil {
			return nil, err
		}
		sums = append(sums, digest(blob))
	}
	slices.Sort(sums)
	return sums, rows.Err()
}

func digest(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

func connect(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1) // pragmas apply to one connection
	return db
}

func run(t testing.TB, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// snapshot returns the files at path as another process would find them now.
func snapshot(t testing.TB, path string) files {
	t.Helper()
	db, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	wal, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	return files{db, wal}
}

// begin opens a genuine database in WAL mode, without checkpoints.
func begin(t testing.TB, data []byte) (*sql.DB, string) {
	t.Helper()
	path := files{db: data}.write(t)
	db := connect(t, path)
	t.Cleanup(func() { db.Close() })
	run(t, db, "PRAGMA journal_mode=WAL", "PRAGMA wal_autocheckpoint=0")
	return db, path
}

// same compares f with what SQLite reads and returns the number of blobs.
func same(t *testing.T, f files) int {
	t.Helper()
	want, err := f.theirs(t)
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.ours()
	if err != nil {
		t.Error(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d blobs, by SQLite %d, or others", len(got), len(want))
	}
	return len(got)
}

const change = `DELETE FROM Packages WHERE hnum IN (SELECT hnum FROM Packages LIMIT 3);
	INSERT INTO Packages (blob) SELECT CAST(blob || x'00' AS BLOB) FROM Packages ORDER BY hnum LIMIT 1`

func TestLog(t *testing.T) {
	genuine := rpmtest.Load(t, "fedora35-sqlite").Data // 138 headers

	t.Run("committed", func(t *testing.T) {
		db, path := begin(t, genuine)
		run(t, db, change)
		f := snapshot(t, path)
		if n := same(t, f); n != 136 {
			t.Errorf("%d blobs", n)
		}
		if n := same(t, files{db: f.db}); n != 138 {
			t.Errorf("%d blobs without the log", n)
		}
		// The last transaction is incomplete, so the one before it counts.
		if n := same(t, files{f.db, f.wal[:len(f.wal)-1]}); n != 135 {
			t.Errorf("%d blobs with a cut log", n)
		}
		if n := same(t, swapped(t, f)); n != 136 {
			t.Errorf("%d blobs with a big-endian log", n)
		}
	})
	t.Run("open transaction", func(t *testing.T) {
		db, path := begin(t, genuine)
		run(t, db, change, "PRAGMA cache_size=5", "BEGIN", "DELETE FROM Packages")
		run(t, db, "CREATE TABLE filler (b)",
			"INSERT INTO filler WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<200) SELECT randomblob(4000) FROM n")
		f := snapshot(t, path)
		if len(f.wal) < 400_000 {
			t.Fatalf("log of %d bytes: nothing was spilled", len(f.wal))
		}
		if n := same(t, f); n != 136 {
			t.Errorf("%d blobs", n)
		}
	})
	t.Run("begun anew", func(t *testing.T) {
		db, path := begin(t, genuine)
		run(t, db, change, change, "PRAGMA wal_checkpoint(RESTART)")
		before := snapshot(t, path)
		run(t, db, "DELETE FROM Packages WHERE hnum = (SELECT min(hnum) FROM Packages)")
		f := snapshot(t, path)
		if len(f.wal) != len(before.wal) {
			t.Fatalf("log of %d bytes, %d before: it has no old frames", len(f.wal), len(before.wal))
		}
		if n := same(t, f); n != 133 {
			t.Errorf("%d blobs", n)
		}
	})
	t.Run("all is in the log", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "rpmdb.sqlite")
		db := connect(t, path)
		defer db.Close()
		run(t, db, "PRAGMA page_size=1024", "PRAGMA journal_mode=WAL", "PRAGMA wal_autocheckpoint=0",
			"CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)",
			"INSERT INTO Packages (blob) VALUES (randomblob(100)), (randomblob(5000))")
		f := snapshot(t, path)
		if n := same(t, f); n != 2 {
			t.Errorf("%d blobs", n)
		}
	})
}

// swapped returns f with the checksums that a big-endian machine would write.
func swapped(t *testing.T, f files) files {
	t.Helper()
	wal := slices.Clone(f.wal)
	wal[3] |= 1
	var s0, s1 uint32
	add := func(b []byte) {
		for i := 0; i < len(b); i += 8 {
			s0 += binary.BigEndian.Uint32(b[i:]) + s1
			s1 += binary.BigEndian.Uint32(b[i+4:]) + s0
		}
	}
	put := func(b []byte) {
		binary.BigEndian.PutUint32(b, s0)
		binary.BigEndian.PutUint32(b[4:], s1)
	}
	add(wal[:24])
	put(wal[24:])
	size := 24 + int(binary.BigEndian.Uint32(wal[8:]))
	for rest := wal[32:]; len(rest) >= size; rest = rest[size:] {
		add(rest[:8])
		add(rest[24:size])
		put(rest[16:])
	}
	return files{f.db, wal}
}

// A damaged log is valid up to the same frame as for SQLite.
func TestDamagedLog(t *testing.T) {
	db, path := begin(t, rpmtest.Load(t, "cbl-mariner2-sqlite").Data)
	for range 8 {
		run(t, db, change)
	}
	whole := snapshot(t, path)
	r := rand.New(rand.NewPCG(1, 2))
	counts := map[int]bool{}
	for i := range 60 {
		f := files{whole.db, slices.Clone(whole.wal)}
		at := r.IntN(len(f.wal))
		switch i % 3 {
		case 0:
			at = r.IntN(32) // in the header
		case 1:
			at = 32 + r.IntN(len(f.wal)/4120)*4120 + r.IntN(24) // in the header of a frame
		}
		f.wal[at] ^= 1 << r.IntN(8)
		want, theirs := f.theirs(t)
		got, ours := f.ours()
		if (theirs == nil) != (ours == nil) || !slices.Equal(got, want) {
			t.Errorf("bit in byte %d: %d blobs, error %v; by SQLite %d, %v", at, len(got), ours, len(want), theirs)
		}
		counts[len(got)] = true
	}
	if len(counts) < 5 {
		t.Errorf("only %d different results", len(counts))
	}
}

// The same rows on pages of all sizes, also with reserved bytes at the end of a page.
func TestLayouts(t *testing.T) {
	shell, err := exec.LookPath("sqlite3")
	if err != nil {
		testkit.Missing(t, "the program sqlite3; install the package sqlite3")
	}
	genuine := files{db: rpmtest.Load(t, "rocky-sqlite").Data}
	want, err := genuine.ours()
	if err != nil || len(want) != 141 {
		t.Fatalf("%d blobs, %v", len(want), err)
	}
	for _, c := range []struct {
		pageSize, reserved int
	}{{512, 0}, {512, 32}, {1024, 1}, {4096, 255}, {65536, 0}, {65536, 8}} {
		t.Run(fmt.Sprintf("%d-%d", c.pageSize, c.reserved), func(t *testing.T) {
			path := genuine.write(t)
			cmd := exec.CommandContext(t.Context(), shell, path, "PRAGMA journal_mode=delete",
				fmt.Sprintf("PRAGMA page_size=%d", c.pageSize),
				fmt.Sprintf(".filectrl reserve_bytes %d", c.reserved), "VACUUM")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if n := int(binary.BigEndian.Uint16(data[16:])); n != c.pageSize%65535 || int(data[20]) != c.reserved {
				t.Fatalf("page size %d, reserved %d", n, data[20])
			}
			got, err := files{db: data}.ours()
			if err != nil {
				t.Error(err)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%d blobs, want %d, or others", len(got), len(want))
			}
		})
	}
}
