package sqlite_test

import (
	"database/sql"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"assay/service/store"
	"assay/service/store/sqlite"
)

func TestPermissions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "data")
	s := open(t, dir)
	firstGeneration(t, s)
	if _, err := s.KeepScan(t.Context(), store.Scan{ID: "id"}); err != nil {
		t.Fatal(err)
	}
	modes := map[string]fs.FileMode{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		modes[filepath.Base(path)] = info.Mode().Perm()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"data", "advisories.db", "advisories.db-wal", "advisories.db-shm", "ledger.db", "ledger.db-wal", "ledger.db-shm"} {
		want := fs.FileMode(0o600)
		if name == "data" {
			want = 0o700
		}
		if got, ok := modes[name]; !ok || got != want {
			t.Errorf("%s has mode %v, want %v", name, got, want)
		}
	}

	// Files that others could read are closed to them.
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ledger := filepath.Join(dir, "ledger.db")
	if err := os.Chmod(ledger, 0o644); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	if info, err := os.Stat(ledger); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
}

// These names have a meaning in a URI, with which SQLite opens the file.
func TestOddFolders(t *testing.T) {
	for _, name := range []string{"with space", "a?b=c", "100%", "#x", "ü", "a%20b"} {
		dir := filepath.Join(t.TempDir(), name)
		firstGeneration(t, open(t, dir))
		if _, err := os.Stat(filepath.Join(dir, "advisories.db-wal")); err != nil {
			t.Error(err)
		}
	}
	t.Chdir(t.TempDir())
	open(t, "relative")
	if _, err := os.Stat("relative/ledger.db"); err != nil {
		t.Error(err)
	}
}

func TestNewerSchema(t *testing.T) {
	for _, name := range []string{"advisories.db", "ledger.db"} {
		dir := t.TempDir()
		if err := open(t, dir).Close(); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec("PRAGMA user_version = 99"); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		_, err = sqlite.Open(dir)
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "version 99") || !strings.Contains(err.Error(), "newer version") {
			t.Errorf("%s of a newer schema: %v", name, err)
		}
	}
}

// A database of the first version is migrated with its content.
func TestMigration(t *testing.T) {
	dir := t.TempDir()
	first, err := os.ReadFile("migrations/advisories/0001_advisories.sql")
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "advisories.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		string(first), "PRAGMA user_version = 1",
		"INSERT INTO source (n, name) VALUES (1, 'import:/a'), (2, 'osv:b:c')",
		"INSERT INTO advisory (id, source, seq, modified) VALUES ('X-1', 1, 1, 0)",
		"INSERT INTO import (source, at, whole, sample) VALUES (1, 5000000, 1, 0), (1, 3000000, 1, 0)",
	} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, dir).Sources(t.Context())
	want := []store.Source{
		{Origin: store.Origin{Source: "import", Part: "/a"}, Updated: time.Unix(5, 0).UTC()},
		{Origin: store.Origin{Source: "osv", Part: "b:c"}},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("sources %+v, %v, want %+v", got, err, want)
	}
}

func TestNoDatabase(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "ledger.db")
	const text = "this is a text that somebody put here, much longer than a hundred bytes, so that it cannot be taken for a new file"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(dir); err == nil || !strings.Contains(err.Error(), "ledger.db") {
		t.Errorf("error %v, want one that names the file", err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != text {
		t.Errorf("the file was changed: %q, %v", b, err)
	}
	if _, err := sqlite.Open(file); err == nil {
		t.Error("a file was opened as the folder")
	}
}
