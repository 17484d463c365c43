// Package retention removes old scans, and what only they needed, while the service
// runs.
package retention

import (
	"context"
	"log/slog"
	"time"

	"assay/service/store"
)

const (
	// every is how often the store is pruned.
	every = time.Hour
	// longestPause bounds the wait after one step.
	longestPause = time.Second
)

// A Pruner is the part of the store that this package needs.
type Pruner interface {
	Prune(ctx context.Context, p store.Prune) (store.Pruned, error)
}

// Run prunes at once and then every hour, until ctx ends. Scans made within the time
// keep stay. What was removed is logged, and so is a failure: the next try is an hour
// later.
func Run(ctx context.Context, log *slog.Logger, p Pruner, keep time.Duration, now func() time.Time) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		got, err := p.Prune(ctx, store.Prune{Now: now(), Keep: keep, Pause: Pause})
		if got != (store.Pruned{}) {
			log.Info("pruned", "keep", keep.String(), "scans", got.Scans, "inventories", got.Inventories, "pieces", got.Pieces,
				"snapshots", got.Snapshots, "versions", got.Versions, "lists", got.Lists, "events", got.Events)
		}
		if err != nil && ctx.Err() == nil {
			log.Warn("old scans were not all removed", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Pause waits as long as the step took, so that at least half of the time is left to
// those who keep scans.
func Pause(ctx context.Context, step time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(min(step, longestPause)):
		return nil
	}
}
