// Package retention removes old scans, and what only they needed, while the service
// runs.
package retention

import (
	"context"
	"errors"
	"fmt"
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
	LastPrune(ctx context.Context) (store.LastPrune, error)
	NotePrune(ctx context.Context, last store.LastPrune) error
}

// leastJump is the least time without pruning from which a run does not trust the clock.
const leastJump = 7 * 24 * time.Hour

// errClock is returned, wrapped, if the clock may be so far ahead that pruning would
// remove scans that are to be kept.
var errClock = errors.New("the clock may be wrong: nothing is removed; if the time is right, run assayd prune --keep TIME once")

// Run prunes at once and then every hour, until ctx ends. Scans made within the time
// keep stay. What was removed is logged, and so is a failure: the next try is an hour
// later.
func Run(ctx context.Context, log *slog.Logger, p Pruner, keep time.Duration, now func() time.Time) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var other time.Duration // how long another process kept scans, before this one pruned
	for {
		got, last, err := prune(ctx, p, keep, now())
		if got != (store.Pruned{}) {
			log.Info("pruned", "keep", keep.String(), "scans", got.Scans, "inventories", got.Inventories, "pieces", got.Pieces,
				"snapshots", got.Snapshots, "versions", got.Versions, "lists", got.Lists)
		}
		if err != nil && ctx.Err() == nil {
			log.Warn("old scans were not all removed", "err", err)
		}
		// Once, it can be a flag that was changed before a restart.
		if last != 0 && last != keep && last == other {
			log.Warn("another assayd on this database has another --keep: the shortest wins", "keep", keep.String(), "other", last.String())
		}
		if last != keep {
			other = last
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// prune prunes once, and notes that. It also returns how long scans were kept the last
// time. It does not prune if the last time is longer ago than scans are kept: that much is
// removed at once only if nobody has served from the store for so long, or if the clock is
// ahead.
func prune(ctx context.Context, p Pruner, keep time.Duration, now time.Time) (got store.Pruned, before time.Duration, err error) {
	last, err := p.LastPrune(ctx)
	if err != nil {
		return got, 0, err
	}
	if !last.At.IsZero() && now.Sub(last.At) > max(keep, leastJump) {
		return got, last.Keep, fmt.Errorf("it is %s, and the last time was %s: %w", now.UTC().Format(time.DateTime), last.At.UTC().Format(time.DateTime), errClock)
	}
	got, err = p.Prune(ctx, store.Prune{Now: now, Keep: keep, Pause: Pause})
	if err == nil {
		err = p.NotePrune(ctx, store.LastPrune{At: now, Keep: keep})
	}
	return got, last.Keep, err
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
