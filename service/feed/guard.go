package feed

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"assay/service/store"
	"assay/verdict/hint"
)

// ErrShrunk is wrapped by the error of an update after which a source would have less
// than half of its records.
var ErrShrunk = errors.New("the source has less than half of its records")

// smallest is the number of records below which a source may lose any number of them.
const smallest = 10

// A Guarded is the store of one update. It refuses data that cannot be that of the source,
// whatever the feed does:
//   - less than half of the records that the source has in the store, unless
//     acceptShrink is set;
//   - a complete import without a valid record, or of which most are rejected.
//
// It also notes the rejected records.
type Guarded struct {
	Store
	from         store.Origin
	acceptShrink bool
	held         int // records before the update
	removed      int // by the update so far
	rejections   []error
}

// Guard returns the store for one update of an origin.
func Guard(ctx context.Context, st Store, from store.Origin, acceptShrink bool) (*Guarded, error) {
	g := &Guarded{Store: st, from: from, acceptShrink: acceptShrink}
	sources, err := st.Sources(ctx)
	for _, s := range sources {
		if s.Origin == from {
			g.held = s.Records
		}
	}
	return g, err
}

// AcceptsShrink reports whether the update of a store may remove any number of records.
func AcceptsShrink(st Store) bool {
	g, ok := st.(*Guarded)
	return ok && g.acceptShrink
}

// Rejections returns the errors of rejected records, at most maxRejections.
func (g *Guarded) Rejections() []error { return g.rejections }

// check returns an error if the source would have too few records.
func (g *Guarded) check(removed int) error {
	if g.acceptShrink || g.held < smallest || 2*removed <= g.held {
		return nil
	}
	return hint.Errorf(fmt.Sprintf("if the publisher removed them on purpose: assayd update --accept-shrink %s", g.from),
		"%w: %d of %d would be removed", ErrShrunk, removed, g.held)
}

// Import implements Store.
func (g *Guarded) Import(ctx context.Context, im store.Import, records iter.Seq2[store.Record, error]) (store.Imported, error) {
	mayRemove := im.MayRemove
	removed := 0
	im.MayRemove = func(missing, held int) error {
		if err := g.check(g.removed + removed + missing); err != nil {
			return err
		}
		if mayRemove != nil {
			return mayRemove(missing, held)
		}
		return nil
	}
	got, err := g.Store.Import(ctx, im, func(yield func(store.Record, error) bool) {
		valid, rejected := 0, 0
		for r, err := range records {
			switch {
			case errors.Is(err, store.ErrRejected):
				rejected++
				if len(g.rejections) < maxRejections {
					g.rejections = append(g.rejections, err)
				}
			case err == nil && r.Removed:
				removed++
			case err == nil:
				valid++
			}
			if !yield(r, err) {
				return
			}
		}
		err := g.check(g.removed + removed)
		switch {
		case err != nil:
		case im.Whole && valid == 0:
			err = fmt.Errorf("there is no valid record, and %d are rejected", rejected)
		case im.Whole && rejected > valid:
			err = fmt.Errorf("%d of %d records are rejected: this is probably not the data of %q", rejected, rejected+valid, g.from)
		}
		if err != nil {
			yield(store.Record{}, err)
		}
	})
	if err == nil {
		g.removed += got.Removed
	}
	return got, err
}

// KeepList implements Store.
func (g *Guarded) KeepList(ctx context.Context, im store.Import, l store.List) (bool, error) {
	if err := g.check(g.held - l.Entries); err != nil {
		return false, fmt.Errorf("keep list %q from %q: %w", l.Kind, im.Origin, err)
	}
	return g.Store.KeepList(ctx, im, l)
}
