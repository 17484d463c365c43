package rpm

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"assay/check/testkit/rpmtest"

	_ "modernc.org/sqlite"
)

// The native rpm sees the same packages that are only in the log.
func TestNativeLog(t *testing.T) {
	d := rpmtest.Load(t, "rocky-sqlite")
	path := filepath.Join(d.Dir(t), d.File)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // pragmas apply to one connection
	for _, s := range []string{
		"PRAGMA journal_mode=WAL",
		"PRAGMA wal_autocheckpoint=0",
		"INSERT INTO Packages (blob) SELECT blob FROM Packages ORDER BY length(blob) DESC LIMIT 2",
		"DELETE FROM Packages WHERE hnum IN (SELECT min(hnum) FROM Packages)",
	} {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	// The files are copied while the database is open: closing it would empty the log.
	copied := t.TempDir()
	var files [2][]byte
	for i, suffix := range []string{"", WAL} {
		if files[i], err = os.ReadFile(path + suffix); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(copied, d.File+suffix), files[i], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	packages, err := Packages(SQLite(
		bytes.NewReader(files[0]), int64(len(files[0])),
		bytes.NewReader(files[1]), int64(len(files[1]))), d.File)
	if err != nil {
		t.Error(err)
	}
	var got []string
	for _, p := range packages {
		got = append(got, fmt.Sprintf("%s\t%s\t%s", p.Name, p.Version, p.Arch))
	}
	slices.Sort(got)
	if len(got) != 142 {
		t.Errorf("%d packages", len(got))
	}
	diff(t, got, ask(t, copied, `%{NAME}\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\t%{ARCH}\n`))
}
