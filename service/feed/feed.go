// Package feed updates the data in the store from its publishers. It has what all sources
// share: the description of a source, the download of files and the reading of archives,
// and the update of several sources. Each source is a package below it, which knows the
// layout of the source and converts its records. Package sources lists all of them.
package feed

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"assay/service/store"
)

// A Store is what a feed needs of store.Store.
type Store interface {
	Import(ctx context.Context, im store.Import, records iter.Seq2[store.Record, error]) (store.Imported, error)
	KeepList(ctx context.Context, im store.Import, l store.List) (changed bool, err error)
	Record(ctx context.Context, source, id string, upTo int64) (store.Record, error)
	Held(ctx context.Context, from store.Origin) iter.Seq2[store.Record, error]
	Sources(ctx context.Context) ([]store.Source, error)
	FeedFailed(ctx context.Context, from store.Origin, at time.Time, reason string) error
	FeedState(ctx context.Context, from store.Origin, at time.Time, state string) error
	LeadFeeds(ctx context.Context) (store.Lead, error)
}

// A led store writes as the lead does.
type led struct {
	Store
	lead store.Lead
}

func (l led) Import(ctx context.Context, im store.Import, records iter.Seq2[store.Record, error]) (store.Imported, error) {
	return l.lead.Import(ctx, im, records)
}

func (l led) KeepList(ctx context.Context, im store.Import, list store.List) (bool, error) {
	return l.lead.KeepList(ctx, im, list)
}

func (l led) FeedFailed(ctx context.Context, from store.Origin, at time.Time, reason string) error {
	return l.lead.FeedFailed(ctx, from, at, reason)
}

func (l led) FeedState(ctx context.Context, from store.Origin, at time.Time, state string) error {
	return l.lead.FeedState(ctx, from, at, state)
}

// A Feed can be updated independently: it is a source, or a part of one.
type Feed interface {
	// Origin returns the origin of its records in the store.
	Origin() store.Origin
	// Update updates the store from the feed; now is the current time. After an error
	// the store has the earlier data of the feed or a complete newer state, and a later
	// Update continues from there.
	Update(ctx context.Context, st Store, now time.Time) (Outcome, error)
}

// An Outcome describes what an update did.
type Outcome struct {
	store.Imported
	Whole bool // it read everything, not only changes
	// Behind counts records that the source lists in a newer version, but does not
	// deliver.
	Behind int
	// Rejections are the errors of rejected records, at most maxRejections. Updater sets them.
	Rejections []error
}

const maxRejections = 20

// Add adds the counts of a further import of the same update.
func (o *Outcome) Add(im store.Imported) {
	o.Added += im.Added
	o.Changed += im.Changed
	o.Unchanged += im.Unchanged
	o.Removed += im.Removed
	o.Rejected += im.Rejected
	o.Seq = im.Seq
}

// one updates one feed. A failure is noted in the store. The error is that of the
// update; ended is the cause if ctx ended.
func (r *running) one(ctx context.Context, f Feed, timeout time.Duration, acceptShrink bool) (o Outcome, err, ended error) {
	o, err = r.guarded(ctx, f, timeout, acceptShrink)
	if ctx.Err() != nil {
		return o, err, fmt.Errorf("update %q: %w", f.Origin(), context.Cause(ctx))
	}
	if err != nil {
		err = errors.Join(err, r.Store.FeedFailed(ctx, f.Origin(), r.Now(), OneLine(err)))
	}
	return o, err, nil
}

func (r *running) guarded(ctx context.Context, f Feed, timeout time.Duration, acceptShrink bool) (Outcome, error) {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not finished within %s", timeout))
		defer cancel()
	}
	g, err := Guard(ctx, r.Store, f.Origin(), acceptShrink)
	if err != nil {
		return Outcome{}, err
	}
	o, err := f.Update(ctx, g, r.Now())
	o.Rejections = g.Rejections()
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("%w (%w)", err, context.Cause(ctx))
	}
	return o, err
}
