package main

import (
	"context"
	"time"

	"assay/service/image"
	"assay/service/store"
)

// A recordPruner prunes a store, and then removes the records about images whose scans are
// gone.
type recordPruner struct {
	store.Store
	now func() time.Time
}

// Prune implements retention.Pruner.
func (p recordPruner) Prune(ctx context.Context, ask store.Prune) (store.Pruned, error) {
	got, err := p.Store.Prune(ctx, ask)
	if err != nil || ask.DryRun {
		return got, err
	}
	records := image.Records{Files: p.Store, Now: p.now}
	_, err = records.Tidy(ctx, p.Store, ask.Before())
	return got, err
}
