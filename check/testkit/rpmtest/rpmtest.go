// Package rpmtest provides the rpm databases in the test data.
package rpmtest

import (
	"compress/gzip"
	"io"
	"iter"
	"os"
	"path/filepath"
	"testing"

	"assay/check/testkit"
)

// A Database is a decompressed database.
type Database struct {
	Name string // of its folder in pkgdb/rpm
	File string // "Packages", "Packages.db" or "rpmdb.sqlite"
	Data []byte
}

// All yields all databases, decompressing one at a time.
func All(t testing.TB) iter.Seq[Database] {
	t.Helper()
	dirs, err := os.ReadDir(testkit.Path(t, "pkgdb", "rpm"))
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func(Database) bool) {
		for _, dir := range dirs {
			if !yield(Load(t, dir.Name())) {
				return
			}
		}
	}
}

// Load returns the database in the folder with this name.
func Load(t testing.TB, name string) Database {
	t.Helper()
	dir := testkit.Path(t, "pkgdb", "rpm", name)
	for _, file := range []string{"Packages", "Packages.db", "rpmdb.sqlite"} {
		if data, err := os.ReadFile(filepath.Join(dir, file)); err == nil {
			return Database{name, file, data}
		}
		if packed, err := os.Open(filepath.Join(dir, file+".gz")); err == nil {
			defer packed.Close()
			return Database{name, file, unpack(t, packed)}
		}
	}
	t.Fatalf("%s: no database", dir)
	return Database{}
}

func unpack(t testing.TB, packed io.Reader) []byte {
	t.Helper()
	z, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Dir writes the database to a new folder, for programs that read files, and returns
// the folder.
func (d Database) Dir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, d.File), d.Data, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}
