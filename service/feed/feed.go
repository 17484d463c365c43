// Package feed updates the advisories in the store from their publishers. It has what
// all sources share: the download of files, and the update of several feeds. Each source
// is a package below it, which knows the layout of the source and reads its records.
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
	Record(ctx context.Context, source, id string, upTo int64) (store.Record, error)
	Held(ctx context.Context, from store.Origin) iter.Seq2[store.Record, error]
	Sources(ctx context.Context) ([]store.Source, error)
	FeedFailed(ctx context.Context, from store.Origin, at time.Time, reason string) error
	FeedState(ctx context.Context, from store.Origin, at time.Time, state string) error
	LeadFeeds(ctx context.Context) (store.Lead, error)
}

// Led returns a store whose writes are those of the lead.
func Led(st Store, lead store.Lead) Store { return led{st, lead} }

type led struct {
	Store
	lead store.Lead
}

func (l led) Import(ctx context.Context, im store.Import, records iter.Seq2[store.Record, error]) (store.Imported, error) {
	return l.lead.Import(ctx, im, records)
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
	// Rejections are the errors of rejected records, at most maxRejections.
	Rejections []error
}

const maxRejections = 20

// Reject adds the error of a rejected record. Rejected counts it.
func (o *Outcome) Reject(err error) {
	if len(o.Rejections) < maxRejections {
		o.Rejections = append(o.Rejections, err)
	}
}

// Add adds the counts of a further import of the same update.
func (o *Outcome) Add(im store.Imported) {
	o.Added += im.Added
	o.Changed += im.Changed
	o.Unchanged += im.Unchanged
	o.Removed += im.Removed
	o.Rejected += im.Rejected
	o.Seq = im.Seq
}

// A Run is one update of several feeds. Its caller leads: see store.Feeds.
type Run struct {
	Store   Store
	Now     func() time.Time
	Timeout time.Duration // for each feed; zero: none
	// Done is called with the result of each feed.
	Done func(from store.Origin, o Outcome, err error)
}

// Update updates the feeds one after the other. What fails is noted in the store,
// and the others go on; the error says how many failed. It ends early only with ctx,
// and then with its cause.
func (r Run) Update(ctx context.Context, feeds []Feed) error {
	failed := 0
	for _, f := range feeds {
		o, err := r.one(ctx, f)
		if ctx.Err() != nil {
			return fmt.Errorf("update %q: %w", f.Origin(), context.Cause(ctx))
		}
		if err != nil {
			failed++
			err = errors.Join(err, r.Store.FeedFailed(ctx, f.Origin(), r.Now(), OneLine(err)))
		}
		r.Done(f.Origin(), o, err)
	}
	if failed > 0 {
		return fmt.Errorf("update: %d of %d sources failed; their earlier data is still served", failed, len(feeds))
	}
	return nil
}

func (r Run) one(ctx context.Context, f Feed) (Outcome, error) {
	if r.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.Timeout, fmt.Errorf("not finished within %s", r.Timeout))
		defer cancel()
	}
	o, err := f.Update(ctx, r.Store, r.Now())
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("%w (%w)", err, context.Cause(ctx))
	}
	return o, err
}
