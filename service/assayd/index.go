package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"assay/service/snapshot"
	"assay/service/store"
)

// indexOf builds an index of a state of the store in a temporary folder, which discard
// removes. The index in the data folder belongs to the process that serves.
func indexOf(ctx context.Context, st store.Store, upTo int64) (index *snapshot.DB, discard func() error, err error) {
	dir, err := os.MkdirTemp("", "assayd-index-")
	if err != nil {
		return nil, nil, fmt.Errorf("build the snapshot: %w", err)
	}
	index, err = snapshot.Build(ctx, st, upTo, filepath.Join(dir, "snapshot.db"))
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("build the snapshot: %w", err), os.RemoveAll(dir))
	}
	return index, func() error { return errors.Join(index.Close(), os.RemoveAll(dir)) }, nil
}
