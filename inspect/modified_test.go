package inspect

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"assay/check/testkit"
)

// The time of the newest package database is reported, beside the inventory: that does not
// depend on it.
func TestModified(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"etc", "var"} {
		if err := os.CopyFS(filepath.Join(root, dir), os.DirFS(testkit.Path(t, "pkgdb", "dpkg", "debian12-minbase", dir))); err != nil {
			t.Fatal(err)
		}
	}
	want := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	status := filepath.Join(root, "var/lib/dpkg/status")
	if err := os.Chtimes(status, want, want); err != nil {
		t.Fatal(err)
	}
	inv := inventoryOf(t, root, Options{}, readers())
	if got := Modified(root, inv); !got.Equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	later := want.Add(time.Hour)
	if err := os.WriteFile(status+"-wal", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(status+"-wal", later, later); err != nil {
		t.Fatal(err)
	}
	if got := Modified(root, inv); !got.Equal(later) {
		t.Errorf("with a log of SQLite: got %v, want %v", got, later)
	}
	if got := Modified(t.TempDir(), inv); !got.IsZero() {
		t.Errorf("without a database: %v", got)
	}
	if got := Modified(filepath.Join(root, "none"), inv); !got.IsZero() {
		t.Errorf("without a root: %v", got)
	}
	inv.Packages = nil
	if got := Modified(root, inv); !got.IsZero() {
		t.Errorf("without packages: %v", got)
	}
}
