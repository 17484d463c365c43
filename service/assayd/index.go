package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"assay/service/snapshot"
	"assay/service/store"
)

// indexFolder is how the name of a temporary folder for an index begins.
const indexFolder = "assayd-index-"

// indexOf builds an index of a state of the store in a temporary folder, which discard
// removes. The index in the data folder belongs to the process that serves.
func indexOf(ctx context.Context, st store.Store, upTo int64) (index *snapshot.DB, discard func() error, err error) {
	removeOldFolders(os.TempDir(), indexFolder, time.Now())
	dir, err := os.MkdirTemp("", indexFolder)
	if err != nil {
		return nil, nil, fmt.Errorf("build the snapshot: %w", err)
	}
	unlock, err := lockFolder(dir)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("build the snapshot: %w", err), os.RemoveAll(dir))
	}
	index, err = snapshot.Build(ctx, st, upTo, filepath.Join(dir, "snapshot.db"))
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("build the snapshot: %w", err), os.RemoveAll(dir), unlock())
	}
	return index, func() error { return errors.Join(index.Close(), os.RemoveAll(dir), unlock()) }, nil
}

// newIndex is the age up to which a folder may be one that is not locked yet.
const newIndex = time.Hour

// removeOldFolders removes the folders in temp whose names begin with name and that belong to
// processes that were killed. Everybody may write to temp, so it only touches folders that this
// user made and that nobody else can write to. What fails is left for the next time.
func removeOldFolders(temp, name string, now time.Time) {
	found, err := filepath.Glob(filepath.Join(temp, name+"*"))
	if err != nil {
		return
	}
	for _, dir := range found {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || info.Mode().Perm() != 0o700 || now.Sub(info.ModTime()) < newIndex {
			continue
		}
		if owner, ok := info.Sys().(*syscall.Stat_t); !ok || int(owner.Uid) != os.Geteuid() {
			continue
		}
		unlock, err := lockFolder(dir)
		if err != nil {
			continue // in use
		}
		_ = os.RemoveAll(dir)
		_ = unlock()
	}
}
