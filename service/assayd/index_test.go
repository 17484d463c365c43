package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Only the folders of killed processes of this user are removed.
func TestRemoveOldIndexes(t *testing.T) {
	temp := t.TempDir()
	old := time.Now().Add(-2 * newIndex)
	folder := func(name string, mode fs.FileMode, at time.Time) string {
		t.Helper()
		dir := filepath.Join(temp, name)
		err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "snapshot.db"), []byte("x"), 0o600),
			os.Chmod(dir, mode), os.Chtimes(dir, at, at))
		if err != nil {
			t.Fatal(err)
		}
		return dir
	}
	killed := folder(indexFolder+"killed", 0o700, old)
	elsewhere := folder("elsewhere", 0o700, old)
	link := filepath.Join(temp, indexFolder+"link")
	if err := os.Symlink(elsewhere, link); err != nil {
		t.Fatal(err)
	}
	running := folder(indexFolder+"running", 0o700, old)
	unlock, err := lockFolder(running)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	kept := []string{elsewhere, link, running, folder(indexFolder+"new", 0o700, time.Now()), folder(indexFolder+"open", 0o777, old)}
	if err := os.Chtimes(running, old, old); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		other := folder(indexFolder+"other", 0o700, old)
		if err := os.Chown(other, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		kept = append(kept, other)
	}
	removeOldFolders(temp, indexFolder, time.Now())
	if _, err := os.Lstat(killed); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder of a killed process: %v", err)
	}
	for _, dir := range kept {
		if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(dir, "snapshot.db")); err != nil {
			t.Error(err)
		}
	}
}
