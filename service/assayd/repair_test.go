package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"assay/service/store"
	"assay/service/store/sqlite"
	"assay/verdict/hint"
)

// A command that only reads does not create files in a folder without data.
func TestNoData(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing")
	for _, args := range [][]string{
		{"status"}, {"token", "list"}, {"token", "revoke", "x"}, {"replay", "x"}, {"explain", "x", "CVE-2000-0001"},
		{"verify-data"}, {"repair"}, {"update", "--drop", "CRAN"}, {"import", "--drop"},
	} {
		for _, data := range []string{dir, missing} {
			_, _, err := assayd(t, append(args, "--data", data)...)
			if err == nil || !strings.Contains(err.Error(), "is not a data folder of assayd") || !strings.Contains(hint.Of(err), "--data") {
				t.Errorf("assayd %q: %v", args, err)
			}
		}
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 0 {
		t.Errorf("the folder has %v, %v", names, err)
	}
}

// While one assayd serves a folder, another one is refused and changes nothing.
func TestServeLock(t *testing.T) {
	dir := t.TempDir()
	unlock, err := sqlite.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	_, _, err = assayd(t, "serve", "--data", dir, "--listen", "127.0.0.1:0", "--public-url", "http://127.0.0.1:1")
	if !errors.Is(err, store.ErrLocked) {
		t.Errorf("serve: %v, want ErrLocked", err)
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 || names[0].Name() != "serve.lock" {
		t.Errorf("the folder has %v, %v", names, err)
	}
}

// A folder copied with cp while the data was written has databases without their journals,
// or truncated ones. It is refused, or its answers are complete.
func TestLiveCopy(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "whole")
	keepSome(t, whole)
	want, err := answersOf(t.Context(), whole)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"advisories.db", "ledger.db"} {
		for part := 1; part < 8; part++ {
			dir := filepath.Join(t.TempDir(), "copy")
			if err := copyFolder(whole, dir); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, name)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, info.Size()*int64(part)/8/4096*4096); err != nil {
				t.Fatal(err)
			}
			got, err := answersOf(t.Context(), dir)
			if err == nil && got != want {
				t.Errorf("%s cut to %d eighths: other answers", name, part)
			}
			if err != nil {
				repairs(t, dir)
			}
		}
	}
}
