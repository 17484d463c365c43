package osv

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"assay/service/advisory/load"
	"assay/service/feed"
	"assay/service/store"
)

// maxIncrement is how many records are fetched one by one. If more are new, all.zip is
// read.
const maxIncrement = 1000

// An update is one update of one ecosystem.
type update struct {
	*ecosystem
	st    feed.Store
	now   time.Time
	state state
	out   feed.Outcome
	// archived are the ids in all.zip; nil if this update has not read it.
	archived map[string]bool
}

// Update implements feed.Feed.
func (e *ecosystem) Update(ctx context.Context, st feed.Store, now time.Time) (feed.Outcome, error) {
	s, known, err := feed.LoadState[state](ctx, st, e.Origin(), e.Mirror)
	if err != nil {
		return feed.Outcome{}, err
	}
	s.Place = e.Mirror.String()
	u := &update{ecosystem: e, st: st, now: now, state: s}
	list, version, err := u.list(ctx)
	switch {
	case errors.Is(err, feed.ErrUnchanged):
		return u.out, u.commit(ctx, nil, nil)
	case err != nil:
		return u.out, err
	}
	if !known {
		if err := u.archive(ctx, list, feed.Version{}); err != nil {
			return u.out, err
		}
	}
	c, err := u.compare(ctx, list)
	if err != nil {
		return u.out, err
	}
	switch {
	case u.archived != nil:
	case len(c.gone) > 100 && len(c.gone) > c.held/2:
		// This many are removed only if all.zip lacks them too.
		c, err = u.again(ctx, list, feed.Version{})
	case len(c.wanted) > maxIncrement, c.empty() && !list.newest.After(u.state.Watermark):
		// In the second case the list has changed and lists nothing new: records have
		// changed without a new time.
		c, err = u.again(ctx, list, u.state.Archive)
	}
	if err != nil {
		return u.out, err
	}
	got, err := u.fetch(ctx, c.wanted)
	if errors.Is(err, feed.ErrNotFound) && u.archived == nil {
		if c, err = u.again(ctx, list, u.state.Archive); err != nil {
			return u.out, err
		}
		got, err = u.fetch(ctx, c.wanted)
	}
	if err != nil && !errors.Is(err, feed.ErrNotFound) {
		return u.out, err
	}
	if u.out.Behind = len(c.wanted) - len(got); u.out.Behind == 0 {
		u.state.Watermark = list.newest
		u.state.Listing = version
	} else {
		u.state.Listing = feed.Version{} // read it again the next time
	}
	if list.newest.IsZero() { // its times never show that something is new
		u.state.Listing = feed.Version{}
	}
	u.note(list, got)
	return u.out, u.commit(ctx, got, c.gone)
}

// list fetches modified_id.csv.
func (u *update) list(ctx context.Context) (listing, feed.Version, error) {
	name := u.file("modified_id.csv")
	b, version, err := u.Mirror.Get(ctx, name, maxListing, u.state.Listing)
	if err != nil {
		return listing{}, version, err
	}
	list, err := parseListing(b, u.name)
	if err != nil {
		return list, version, fmt.Errorf("%q: %w", name, err)
	}
	return list, version, nil
}

// A comparison is the difference between the store and a list.
type comparison struct {
	wanted []string
	gone   []string
	held   int // records that the source has in the store
}

func (c comparison) empty() bool { return len(c.wanted) == 0 && len(c.gone) == 0 }

// compare compares a list with the store. A record is wanted if the store does not have
// it, or if it is listed with a time after the watermark and after that in the store. A
// record that several ecosystems share belongs to the one that was imported last, and is
// wanted once.
func (u *update) compare(ctx context.Context, list listing) (comparison, error) {
	var c comparison
	own := map[string]bool{}
	newer := func(id string, held time.Time) bool {
		listed := list.modified[id]
		// The store keeps microseconds.
		return listed.After(u.state.Watermark) && listed.Truncate(time.Microsecond).After(held)
	}
	for r, err := range u.st.Held(ctx, u.Origin()) {
		if err != nil {
			return c, err
		}
		c.held++
		own[r.ID] = true
		if _, ok := list.modified[r.ID]; !ok {
			if !u.archived[r.ID] {
				c.gone = append(c.gone, r.ID)
			}
		} else if newer(r.ID, r.Modified) {
			c.wanted = append(c.wanted, r.ID)
		}
	}
	for id, listed := range list.modified {
		if at, ok := u.state.Unreadable[id]; own[id] || ok && at.Equal(listed) {
			continue
		}
		r, err := u.st.Record(ctx, Name, id, math.MaxInt64)
		switch {
		case errors.Is(err, store.ErrNotFound), err == nil && r.Removed:
			c.wanted = append(c.wanted, id)
		case err != nil:
			return c, err
		case newer(id, r.Modified):
			c.wanted = append(c.wanted, id)
		}
	}
	return c, nil
}

// again reads all.zip, unless it still has the version before, and compares again. If
// too many records are still wanted then, they are not fetched: the bucket does not
// deliver them.
func (u *update) again(ctx context.Context, list listing, before feed.Version) (comparison, error) {
	if err := u.archive(ctx, list, before); err != nil && !errors.Is(err, feed.ErrUnchanged) {
		return comparison{}, err
	}
	return u.compare(ctx, list)
}

// archive imports all.zip.
func (u *update) archive(ctx context.Context, list listing, before feed.Version) error {
	u.archived = map[string]bool{}
	path := u.archivePath()
	version, err := u.Mirror.Save(ctx, u.file("all.zip"), path, maxArchive, before)
	if err != nil {
		return err
	}
	defer remove(path)
	// Records that are listed as newer than those of all.zip are still wanted after it.
	u.state.Archive, u.state.Listing, u.state.Watermark = version, feed.Version{}, time.Time{}
	u.out.Whole = true
	return u.put(ctx, func(yield func(store.Record, error) bool) {
		for r, err := range load.Open(path).Records() {
			if err == nil {
				u.archived[r.ID] = true
			}
			if !yield(r, err) {
				return
			}
		}
		// An archive that is cut off between two entries is valid, and incomplete.
		if n := len(u.archived); n < len(list.modified)/2 {
			yield(store.Record{}, fmt.Errorf("%q has %d readable records of the %d that are listed", u.file("all.zip"), n, len(list.modified)))
		}
	})
}

// commit imports the fetched records, and removes those that are gone.
func (u *update) commit(ctx context.Context, got []fetched, gone []string) error {
	return u.put(ctx, func(yield func(store.Record, error) bool) {
		for _, f := range got {
			if !yield(f.record, f.err) {
				return
			}
		}
		for _, id := range gone {
			if !yield(store.Record{ID: id, Removed: true}, nil) {
				return
			}
		}
	})
}

// put does one import, with the current state.
func (u *update) put(ctx context.Context, records iter.Seq2[store.Record, error]) error {
	s, err := feed.EncodeState(u.state)
	if err != nil {
		return err
	}
	im, err := u.st.Import(ctx, store.Import{Origin: u.Origin(), At: u.now, State: s}, records)
	if err != nil {
		return err
	}
	u.out.Add(im)
	return nil
}
