package osv

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"assay/service/feed"
	"assay/service/store"
	"assay/verdict/hint"
)

// Dir returns the folder for downloads in a data folder.
func Dir(data string) string { return filepath.Join(data, "feed") }

// allFile is a file in the folder for downloads. It was what allState is now.
const allFile = "all"

// bucketOrigin is the origin of the bucket as a whole. It has no records. Its state says
// what an update without Ecosystems updates; it was updated when such an update last
// succeeded, and it fails when the bucket cannot be reached. All assayd on one database
// see it.
func bucketOrigin() store.Origin { return store.Origin{Source: Source} }

// States of the bucket. With allState all ecosystems were asked for: an interrupted first
// update continues with all of them, and an ecosystem that is new is fetched too.
const (
	allState  = `{"all":true}`
	someState = `{"all":false}`
)

// droppedState is the state of an ecosystem whose records Drop has removed.
const droppedState = "{}"

// Dropped reports whether the records of a source were removed by Drop and it was not
// updated since.
func Dropped(s store.Source) bool {
	return s.Origin.Source == Source && s.Feed && s.Records == 0 && s.State == droppedState
}

// Drop removes all records of an ecosystem, which later updates then leave out unless
// it is named. The error wraps store.ErrNotFound if the ecosystem was never fetched.
func Drop(ctx context.Context, st feed.Store, ecosystem string, now time.Time) (removed int, err error) {
	sources, err := st.Sources(ctx)
	if err != nil {
		return 0, err
	}
	from := Origin(ecosystem)
	if !slices.ContainsFunc(sources, func(s store.Source) bool { return s.Origin == from }) {
		return 0, fmt.Errorf("source %q: %w", from, store.ErrNotFound)
	}
	var none iter.Seq2[store.Record, error] = func(func(store.Record, error) bool) {}
	got, err := st.Import(ctx, store.Import{Origin: from, At: now, Whole: true, State: droppedState}, none)
	return got.Removed, err
}

// An Updater updates ecosystems of a bucket. It can be used again and again.
type Updater struct {
	Bucket     Bucket
	Ecosystems []string // empty: all that the bucket has
	// Fetched limits an update without Ecosystems to those that were fetched before.
	// It is all of them if all were asked for before, or if the store is empty. A
	// store that was filled by imports has none.
	Fetched        bool
	ConnectTimeout time.Duration // for the list of ecosystems
	Run            feed.Run      // its Done is not used
}

// Update updates once, as the only process that does; the error wraps store.ErrLocked
// where another one is updating. It calls done with the result of each source.
func (u *Updater) Update(ctx context.Context, done func(from store.Origin, o feed.Outcome, err error)) (err error) {
	lead, err := u.Run.Store.LeadFeeds(ctx)
	if err != nil {
		return fmt.Errorf("update: %w", err)
	}
	defer func() { err = errors.Join(err, lead.Release()) }()
	led := *u
	led.Run.Store = feed.Led(u.Run.Store, lead)
	return led.update(lead.Context(), done)
}

func (u *Updater) update(ctx context.Context, done func(from store.Origin, o feed.Outcome, err error)) (err error) {
	ecosystems, all := u.Ecosystems, len(u.Ecosystems) == 0
	if all && u.Fetched {
		if ecosystems, all, err = u.fetched(ctx); err != nil {
			return err
		}
		if len(ecosystems) == 0 && !all {
			return nil
		}
	}
	if err := os.MkdirAll(u.Bucket.Dir, 0o700); err != nil {
		return fmt.Errorf("make a folder for downloads: %w", err)
	}
	state := someState
	if all {
		state = allState
		if err := u.Run.Store.FeedState(ctx, bucketOrigin(), time.Time{}, state); err != nil {
			return err
		}
	} else if state, err = u.bucketState(ctx); err != nil {
		return err
	}
	names, err := u.names(ctx, ecosystems)
	if err != nil {
		if ctx.Err() == nil {
			err = errors.Join(err, u.Run.Store.FeedFailed(ctx, bucketOrigin(), u.Run.Now(), feed.OneLine(err)))
		}
		return err
	}
	if err := u.Run.Store.FeedState(ctx, bucketOrigin(), time.Time{}, state); err != nil {
		return err
	}
	var feeds []feed.Feed
	for _, name := range names {
		f, err := u.Bucket.Ecosystem(name)
		if err != nil {
			return err
		}
		feeds = append(feeds, f)
	}
	run := u.Run
	run.Done = done
	if err := run.Update(ctx, feeds); err != nil || len(u.Ecosystems) > 0 {
		return err
	}
	return u.Run.Store.FeedState(ctx, bucketOrigin(), u.Run.Now(), state)
}

// bucketState returns the state of the bucket.
func (u *Updater) bucketState(ctx context.Context) (string, error) {
	sources, err := u.Run.Store.Sources(ctx)
	for _, s := range sources {
		if s.Origin == bucketOrigin() && s.Feed {
			return s.State, err
		}
	}
	return someState, err
}

// fetched returns the ecosystems that an update limited by Fetched updates, or that it
// updates all.
func (u *Updater) fetched(ctx context.Context) (names []string, all bool, err error) {
	sources, err := u.Run.Store.Sources(ctx)
	if err != nil {
		return nil, false, err
	}
	imported := false
	for _, s := range sources {
		switch {
		case s.Origin == bucketOrigin():
			all = all || s.State == allState
		case s.Origin.Source == Source && s.Feed && !Dropped(s):
			names = append(names, s.Origin.Part)
		case !s.Updated.IsZero():
			imported = true
		}
	}
	if all {
		return nil, true, nil
	}
	if _, err := os.Stat(filepath.Join(u.Bucket.Dir, allFile)); err == nil {
		return nil, true, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, false, err
	}
	return names, len(names) == 0 && !imported, nil
}

// names returns the ecosystems to update: ecosystems, or all of the bucket if that is
// empty. It asks the bucket for its list, which also shows whether it can be reached.
func (u *Updater) names(ctx context.Context, ecosystems []string) ([]string, error) {
	within, cancel := context.WithTimeout(ctx, u.ConnectTimeout)
	defer cancel()
	all, err := u.Bucket.Ecosystems(within)
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("%s did not answer within %s: %w", u.Bucket.Mirror, u.ConnectTimeout, err)
	}
	if err != nil {
		err = hint.Errorf("--mirror reads a copy of the bucket, an address or a folder", "update: %w", err)
		return nil, errors.Join(err, u.unreachable(ctx, ecosystems, err))
	}
	if len(ecosystems) == 0 {
		return u.listed(ctx, all)
	}
	if u.Fetched && len(u.Ecosystems) == 0 {
		return ecosystems, nil // if the bucket no longer has one, its own update fails
	}
	for _, name := range ecosystems {
		if !slices.Contains(all, name) {
			return nil, hint.Errorf("it has "+strings.Join(all, ", "), "update: %s has no ecosystem %q", u.Bucket.Mirror, name)
		}
	}
	return ecosystems, nil
}

// listed returns the ecosystems of the list of the bucket. With Fetched it leaves out
// dropped ones. It adds those that the bucket no longer has and that have records in
// the store: their update fails, so that their age is seen.
func (u *Updater) listed(ctx context.Context, names []string) ([]string, error) {
	sources, err := u.Run.Store.Sources(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range sources {
		switch {
		case s.Origin.Source != Source || s.Origin == bucketOrigin() || !s.Feed:
		case u.Fetched && Dropped(s):
			names = slices.DeleteFunc(names, func(name string) bool { return name == s.Origin.Part })
		case s.Records > 0 && !slices.Contains(names, s.Origin.Part):
			names = append(names, s.Origin.Part)
		}
	}
	return names, nil
}

// unreachable saves for each source that was to be updated that the bucket could not
// be reached.
func (u *Updater) unreachable(ctx context.Context, ecosystems []string, cause error) error {
	if ctx.Err() != nil {
		return nil
	}
	sources, err := u.Run.Store.Sources(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range sources {
		if s.Origin.Source != Source || s.Origin == bucketOrigin() || !s.Feed || Dropped(s) {
			continue
		}
		if len(ecosystems) == 0 || slices.Contains(ecosystems, s.Origin.Part) {
			errs = append(errs, u.Run.Store.FeedFailed(ctx, s.Origin, u.Run.Now(), feed.OneLine(cause)))
		}
	}
	return errors.Join(errs...)
}

// A Failure is an update that could not reach the bucket.
type Failure struct {
	At  time.Time
	Err string
}

// WithoutBucket returns the sources of a store without the bucket as a whole, and the
// failure of the last update, if it could not reach the bucket.
func WithoutBucket(sources []store.Source) (others []store.Source, failure *Failure) {
	for _, s := range sources {
		switch {
		case s.Origin != bucketOrigin():
			others = append(others, s)
		case !s.Failed.IsZero():
			failure = &Failure{s.Failed, s.Err}
		}
	}
	return others, failure
}

// retryFirst is the pause after the first update that fails.
const retryFirst = time.Minute

// retries are the pauses after updates that fail. Each is twice the one before, up to
// the pause between two updates that succeed.
type retries struct{ last, most time.Duration }

func (r *retries) failed() time.Duration {
	r.last = min(max(retryFirst, 2*r.last), r.most)
	return r.last
}

func (r *retries) succeeded() { r.last = 0 }

// lastUpdate returns when the last update that succeeded was, of whichever process, and
// the zero time if there was none or it has failed since.
func (u *Updater) lastUpdate(ctx context.Context) (at time.Time, err error) {
	sources, err := u.Run.Store.Sources(ctx)
	if err != nil {
		return time.Time{}, err
	}
	wanted := []store.Origin{bucketOrigin()}
	if len(u.Ecosystems) > 0 {
		wanted = nil
		for _, name := range u.Ecosystems {
			wanted = append(wanted, Origin(name))
		}
	}
	for _, from := range wanted {
		i := slices.IndexFunc(sources, func(s store.Source) bool { return s.Origin == from })
		if i < 0 || sources[i].Updated.IsZero() || !sources[i].Failed.IsZero() {
			return time.Time{}, nil
		}
		if at.IsZero() || sources[i].Updated.Before(at) {
			at = sources[i].Updated
		}
	}
	return at, nil
}

// Every updates again and again, until ctx ends: when the last update that succeeded, of
// whichever process, is older than interval. It calls finished with the result of each
// update, but for one that another process is doing.
func (u *Updater) Every(ctx context.Context, interval time.Duration, log *slog.Logger, finished func(error)) {
	pauses := retries{most: interval}
	var waited time.Time // the update after which it has waited
	for {
		pause := interval
		last, err := u.lastUpdate(ctx)
		age := u.Run.Now().Sub(last)
		switch {
		case err != nil:
		case !last.IsZero() && !last.Equal(waited) && age >= 0 && age < interval:
			waited, pause = last, interval-age
		default:
			err = u.Update(ctx, func(from store.Origin, o feed.Outcome, err error) {
				if err != nil {
					log.Error("update", "source", from.String(), "err", feed.OneLine(err))
					return
				}
				log.Info("update", "source", from.String(), "new", o.Added, "changed", o.Changed, "removed", o.Removed,
					"rejected", o.Rejected, "not_available", o.Behind)
			})
			if err == nil {
				waited, err = u.lastUpdate(ctx)
			}
		}
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, store.ErrLocked):
			log.Info("no update: another process is updating")
			pause = min(interval, retryFirst)
		case err != nil:
			log.Error("update; the old data is still served", "err", feed.OneLine(err))
			finished(err)
			pause = pauses.failed()
		default:
			finished(nil)
			pauses.succeeded()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}
