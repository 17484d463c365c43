package bundle

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"assay/service/advisory/load"
	"assay/service/exploit"
	"assay/service/feed"
	"assay/service/store"
	"assay/verdict/hint"
)

// An Import says how a bundle is imported.
type Import struct {
	Store feed.Store
	Trust ed25519.PublicKey
	// Dir is a folder to which nobody else may write. The bundle is copied to it while its
	// signature is checked, so that it cannot change afterwards.
	Dir string
	// Now is the current time. A source that is newer is refused: it would look up to date
	// for too long, and later bundles would be older.
	Now time.Time
	// Older accepts sources that are older than those of the store.
	Older bool
	// AcceptShrink accepts sources with less than half of the records in the store.
	AcceptShrink bool
	// Done is called with the result of each source.
	Done func(s Source, o feed.Outcome)
}

// Read imports the bundle in a file. Nothing is imported before the signature and the age of
// all sources are checked. Each source is imported in one transaction; after an error the
// sources before it are imported, and the others are as they were.
func (im Import) Read(ctx context.Context, path string) (h Header, err error) {
	if err := os.MkdirAll(im.Dir, 0o700); err != nil {
		return h, err
	}
	f, payload, err := im.copy(path)
	if err != nil {
		return h, err
	}
	defer f.Close()
	r, h, err := newReader(io.LimitReader(f, payload), payload)
	if err != nil {
		return h, err
	}
	defer r.close()
	return h, feed.Exclusive(ctx, im.Store, func(ctx context.Context, st feed.Store) error {
		if err := im.check(ctx, st, h); err != nil {
			return err
		}
		for _, s := range h.Sources {
			o, err := im.source(ctx, st, r, s)
			if err != nil {
				return fmt.Errorf("import %q: %w", s.origin(), err)
			}
			im.Done(s, o)
		}
		return r.end()
	})
}

// copy copies the bundle, and checks its signature. The copy has no name, so that another
// import cannot replace it and none is left behind. It is read from the payload.
func (im Import) copy(path string) (own *os.File, payload int64, err error) {
	from, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%q is not a regular file", path)
	}
	if own, err = os.CreateTemp(im.Dir, "bundle"); err != nil {
		return nil, 0, err
	}
	if err = os.Remove(own.Name()); err == nil {
		payload, err = verify(own, from, info.Size(), im.Trust)
	}
	if err == nil {
		_, err = own.Seek(int64(len(magic)), io.SeekStart)
	}
	if err != nil {
		return nil, 0, errors.Join(err, own.Close())
	}
	return own, payload, nil
}

// maxAhead is how far the clock of the other network may be ahead.
const maxAhead = time.Hour

// check returns an error if a source is invalid, from the future, or older than that of the
// store.
func (im Import) check(ctx context.Context, st feed.Store, h Header) error {
	all, err := st.Sources(ctx)
	if err != nil {
		return err
	}
	var older []string
	for _, s := range h.Sources {
		if err := s.origin().Check(); err != nil {
			return err
		}
		if s.Updated.Sub(im.Now) > maxAhead {
			return hint.Errorf("check the clocks of both machines", "the bundle says that %q was updated on %s, which is in the future", s.origin(), s.Updated.Format("2006-01-02 15:04 UTC"))
		}
		for _, held := range all {
			if held.Origin == s.origin() && held.Updated.Truncate(time.Microsecond).After(s.Updated) {
				older = append(older, s.origin().String())
			}
		}
	}
	if len(older) > 0 && !im.Older {
		return hint.Errorf("--older imports it nevertheless", "the store has newer data of %s than the bundle", strings.Join(older, ", "))
	}
	return nil
}

// source imports one source in one transaction. Its age is that of the source.
func (im Import) source(ctx context.Context, st feed.Store, r *reader, s Source) (feed.Outcome, error) {
	how := store.Import{Origin: s.origin(), At: s.Updated, Whole: true, State: feed.BundleState}
	guarded, err := feed.Guard(ctx, st, s.origin(), im.AcceptShrink)
	if err != nil {
		return feed.Outcome{}, err
	}
	if im.Older {
		// An import does not make a source older. Until it is done the source looks older
		// than it is.
		if err := im.setBack(ctx, st, s); err != nil {
			return feed.Outcome{}, err
		}
	}
	var o feed.Outcome
	if s.Catalog != nil {
		o, err = catalog(ctx, guarded, r, s, how)
	} else {
		var got store.Imported
		got, err = guarded.Import(ctx, how, func(yield func(store.Record, error) bool) {
			for {
				rec, more, err := r.record(false)
				if err != nil {
					yield(store.Record{}, err)
					return
				}
				if !more || !yield(parse(rec)) {
					return
				}
			}
		})
		o.Add(got)
	}
	if err != nil {
		return feed.Outcome{}, err
	}
	o.Rejections = guarded.Rejections()
	return o, nil
}

// setBack sets the age of a source that is newer in the store.
func (im Import) setBack(ctx context.Context, st feed.Store, s Source) error {
	all, err := st.Sources(ctx)
	if err != nil {
		return err
	}
	for _, held := range all {
		if held.Origin == s.origin() && held.Updated.After(s.Updated) {
			return st.FeedState(ctx, s.origin(), s.Updated, feed.BundleState)
		}
	}
	return nil
}

// parse returns the record of a body. Its error wraps store.ErrRejected.
func parse(rec record) (store.Record, error) {
	r, err := load.Record(rec.body)
	if err == nil && r.ID != rec.id {
		err = fmt.Errorf("the body has the id %q", r.ID)
	}
	if err != nil {
		return store.Record{}, fmt.Errorf("%q: %w: %w", rec.id, store.ErrRejected, err)
	}
	return r, nil
}

// catalog imports an exploit catalog.
func catalog(ctx context.Context, st feed.Store, r *reader, s Source, how store.Import) (feed.Outcome, error) {
	rec, more, err := r.record(true)
	if err == nil && (!more || rec.id != s.Catalog.Kind || rec.id != s.Name) {
		err = fmt.Errorf("the bundle does not have the catalog %q", s.Catalog.Kind)
	}
	if err != nil {
		return feed.Outcome{}, err
	}
	entries, err := exploit.Decode(exploit.Kind(rec.id), rec.body)
	if err != nil {
		return feed.Outcome{}, err
	}
	if _, more, err := r.record(true); err != nil || more {
		return feed.Outcome{}, errors.Join(errors.New("data follows the catalog"), err)
	}
	o := feed.Outcome{Whole: true}
	changed, err := st.KeepList(ctx, how, store.List{Kind: rec.id, Published: s.Catalog.Published, Entries: len(entries), Body: rec.body})
	if changed {
		o.Changed = 1
	}
	return o, err
}
