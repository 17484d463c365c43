package feed

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"time"

	"assay/service/store"
	"assay/verdict/hint"
)

// A Plan says how one source is updated.
type Plan struct {
	Source Source
	Setup  Setup
	// Err is why the source cannot be updated, such as a missing key.
	Err error
	// Named: the user named the source. Otherwise it is updated if it is a default source
	// or was fetched before.
	Named bool
	// Parts are the parts to update. If it is empty, all that the mirror has are updated.
	Parts []string
	// AcceptShrink lists the names of origins that may lose more than half of their
	// records, such as "osv" and "osv:Debian".
	AcceptShrink []string
	// Interval is the time between two updates by Every.
	Interval time.Duration
}

// whole is the origin of the source as a whole. For a source with parts it has no records.
// Its state says what an update without Parts updates; it was updated when such an update
// last succeeded, and it fails when the list of parts cannot be read. All assayd on one
// database see it.
func (p Plan) whole() store.Origin { return store.Origin{Source: p.Source.Name} }

func (p Plan) acceptsShrink(from store.Origin) bool {
	return slices.Contains(p.AcceptShrink, from.Source) || slices.Contains(p.AcceptShrink, from.String())
}

// States of a source with parts as a whole. With allState all parts were asked for: an
// interrupted first update continues with all of them, and a part that is new is fetched
// too.
const (
	allState  = `{"all":true}`
	someState = `{"all":false}`
)

// droppedState is the state of an origin whose records Drop has removed.
const droppedState = "{}"

// Dropped reports whether the records of an origin were removed by Drop and it was not
// updated since.
func Dropped(s store.Source) bool { return s.Feed && s.Records == 0 && s.State == droppedState }

// Drop removes all records of a source without parts or of one part, or the entries of an
// exploit catalog. Later updates leave
// it out unless it is named. The error wraps store.ErrNotFound if it was never fetched.
func Drop(ctx context.Context, st Store, from store.Origin, now time.Time) (removed int, err error) {
	sources, err := st.Sources(ctx)
	if err != nil {
		return 0, err
	}
	i := slices.IndexFunc(sources, func(s store.Source) bool { return s.Origin == from && s.Feed })
	if i < 0 || sources[i].State == allState || sources[i].State == someState {
		return 0, fmt.Errorf("source %q: %w", from, store.ErrNotFound)
	}
	var none iter.Seq2[store.Record, error] = func(func(store.Record, error) bool) {}
	im := store.Import{Origin: from, At: now, Whole: true, State: droppedState}
	got, err := st.Import(ctx, im, none)
	if held := sources[i].Records; err == nil && got.Removed == 0 && held > 0 { // an exploit catalog
		_, err = st.KeepList(ctx, im, store.List{Kind: from.Source})
		return held, err
	}
	return got.Removed, err
}

// Visible returns the sources of a store that have data or a failure, without the
// sources with parts as a whole.
func Visible(sources []store.Source) []store.Source {
	var visible []store.Source
	for _, s := range sources {
		parts := s.State == allState || s.State == someState
		if Dropped(s) || s.Records == 0 && s.Failed.IsZero() && (!s.Feed || parts || s.Updated.IsZero()) {
			continue
		}
		visible = append(visible, s)
	}
	return visible
}

// An Updater updates sources. It can be used again and again.
type Updater struct {
	Plans []Plan
	Store Store
	Now   func() time.Time
	// Fetched limits the update to what was fetched before, and to what Named and Parts
	// name. It is all default sources if the store is empty, and those that are new if it
	// has a feed. In a store that was filled by imports it is nothing.
	Fetched        bool
	Timeout        time.Duration // for each feed; zero: none
	ConnectTimeout time.Duration // for the list of parts
}

// Events are called during an update. Each may be nil.
type Events struct {
	// Begin is called before the update of a source. first: nothing of it was fetched
	// before.
	Begin func(s Source, first bool)
	// Done is called with the result of each feed.
	Done func(from store.Origin, o Outcome, err error)
}

// Update updates once, as the only process that does; the error wraps store.ErrLocked
// where another one is updating. What fails is noted in the store, and the others go on.
// It ends early only with ctx, and then with its cause.
func (u *Updater) Update(ctx context.Context, events Events) error {
	return u.lead(ctx, events, func(Plan) bool { return true }, func(Plan, error) {})
}

// lead updates the wanted plans for which due returns true. It calls result with why an
// update of one has failed, or nil.
func (u *Updater) lead(ctx context.Context, events Events, due func(Plan) bool, result func(Plan, error)) error {
	return Exclusive(ctx, u.Store, func(ctx context.Context, st Store) error {
		r := &running{Updater: *u, events: events, result: result}
		r.Store = st
		return r.update(ctx, due)
	})
}

// Exclusive calls do as the only process that updates sources; the error wraps
// store.ErrLocked if another one does.
func Exclusive(ctx context.Context, st Store, do func(ctx context.Context, st Store) error) (err error) {
	lead, err := st.LeadFeeds(ctx)
	if err != nil {
		return fmt.Errorf("update: %w", err)
	}
	defer func() { err = errors.Join(err, lead.Release()) }()
	return do(lead.Context(), led{st, lead})
}

// A running update.
type running struct {
	Updater
	events        Events
	result        func(Plan, error)
	failed, total int
}

func (r *running) update(ctx context.Context, due func(Plan) bool) error {
	sources, err := r.Store.Sources(ctx)
	if err != nil {
		return err
	}
	plans := slices.DeleteFunc(r.wanted(sources), func(p Plan) bool { return !due(p) })
	for _, p := range plans {
		failed, total := r.failed, r.total
		err, ended := r.source(ctx, p, sources)
		switch {
		case ended != nil:
			return ended
		case err != nil && len(plans) == 1:
			r.result(p, err)
			return err
		case err != nil:
			r.done(p.whole(), Outcome{}, err)
			r.result(p, err)
		case r.failed > failed:
			r.result(p, failures(r.failed-failed, r.total-total))
		default:
			r.result(p, nil)
		}
	}
	if r.failed > 0 {
		return failures(r.failed, r.total)
	}
	return nil
}

func failures(failed, total int) error {
	return fmt.Errorf("update: %d of %d sources failed; their earlier data is still served", failed, total)
}

func (r *running) done(from store.Origin, o Outcome, err error) {
	r.total++
	if err != nil {
		r.failed++
	}
	if r.events.Done != nil {
		r.events.Done(from, o, err)
	}
}

// wanted returns the plans to follow.
func (u *Updater) wanted(sources []store.Source) []Plan {
	var wanted []Plan
	fed, imported := false, false
	for _, s := range sources {
		bundled := s.State == BundleState
		fed = fed || s.Feed && !bundled
		imported = imported || (!s.Feed || bundled) && !s.Updated.IsZero()
	}
	for _, p := range u.Plans {
		known := slices.ContainsFunc(sources, func(s store.Source) bool {
			return s.Origin.Source == p.Source.Name && s.Feed && !Dropped(s) && s.State != BundleState
		})
		dropped := p.Source.Parts == nil && slices.ContainsFunc(sources, func(s store.Source) bool { return s.Origin == p.whole() && Dropped(s) })
		switch {
		case p.Named, known, len(p.Parts) > 0:
		case !p.Source.Default, dropped, u.Fetched && imported && !fed:
			continue
		}
		wanted = append(wanted, p)
	}
	return wanted
}

// source updates one source. The error is why none of it could be updated; ended is the
// cause if ctx ended.
func (r *running) source(ctx context.Context, p Plan, sources []store.Source) (err, ended error) {
	first := !slices.ContainsFunc(sources, func(s store.Source) bool {
		return s.Origin.Source == p.Source.Name && s.Feed && !s.Updated.IsZero() && !Dropped(s)
	})
	if p.Err == nil && r.events.Begin != nil {
		r.events.Begin(p.Source, first)
	}
	feeds, finish, err := r.feeds(ctx, p, sources)
	if err != nil {
		if ctx.Err() != nil {
			return err, fmt.Errorf("update %q: %w", p.whole(), context.Cause(ctx))
		}
		return errors.Join(err, r.Store.FeedFailed(ctx, p.whole(), r.Now(), OneLine(err))), nil
	}
	failed := r.failed
	for _, f := range feeds {
		o, err, ended := r.one(ctx, f, r.timeout(p), p.acceptsShrink(f.Origin()))
		if ended != nil {
			return nil, ended
		}
		r.done(f.Origin(), o, err)
	}
	if r.failed > failed {
		return nil, nil
	}
	return finish(), nil
}

func (r *running) timeout(p Plan) time.Duration {
	if r.Timeout == 0 {
		return 0
	}
	return max(r.Timeout, p.Source.Timeout)
}

// feeds returns the feeds to update, and a function to call when all of them succeeded.
func (r *running) feeds(ctx context.Context, p Plan, sources []store.Source) (feeds []Feed, finish func() error, err error) {
	if p.Err != nil {
		return nil, nil, p.Err
	}
	if err := os.MkdirAll(p.Setup.Dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("make a folder for downloads: %w", err)
	}
	if p.Source.Parts == nil {
		f, err := p.Source.Feed(p.Setup, "")
		return []Feed{f}, func() error { return nil }, err
	}
	parts, all := p.Parts, len(p.Parts) == 0
	if all && r.Fetched {
		if parts, all = p.fetched(sources); len(parts) == 0 && !all {
			return nil, func() error { return nil }, nil
		}
	}
	state := allState
	if !all {
		state = p.state(sources)
	} else if err := r.Store.FeedState(ctx, p.whole(), time.Time{}, state); err != nil {
		return nil, nil, err
	}
	names, err := r.parts(ctx, p, parts, sources)
	if err != nil {
		return nil, nil, err
	}
	if err := r.Store.FeedState(ctx, p.whole(), time.Time{}, state); err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		f, err := p.Source.Feed(p.Setup, name)
		if err != nil {
			return nil, nil, err
		}
		feeds = append(feeds, f)
	}
	return feeds, func() error {
		if len(p.Parts) > 0 {
			return nil
		}
		return r.Store.FeedState(ctx, p.whole(), r.Now(), state)
	}, nil
}

// state returns the state of the source as a whole.
func (p Plan) state(sources []store.Source) string {
	for _, s := range sources {
		if s.Origin == p.whole() && s.Feed {
			return s.State
		}
	}
	return someState
}

// fetched returns the parts that an update limited by Fetched updates, or that it updates
// all.
func (p Plan) fetched(sources []store.Source) (parts []string, all bool) {
	known := false
	for _, s := range sources {
		switch {
		case s.Origin.Source != p.Source.Name || !s.Feed:
		case s.Origin == p.whole():
			all = all || s.State == allState
		case !Dropped(s) && s.State != "" && s.State != BundleState: // see forget
			parts = append(parts, s.Origin.Part)
			known = true
		default:
			known = true
		}
	}
	if all || !known {
		return nil, true
	}
	return parts, false
}

// parts returns the parts to update: parts, or all that the mirror has if that is empty.
// It asks the mirror for its list, which also shows whether it can be reached.
func (r *running) parts(ctx context.Context, p Plan, parts []string, sources []store.Source) ([]string, error) {
	within := ctx
	if r.ConnectTimeout > 0 {
		var cancel context.CancelFunc
		within, cancel = context.WithTimeout(ctx, r.ConnectTimeout)
		defer cancel()
	}
	all, err := p.Source.Parts(within, p.Setup)
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("%s did not answer within %s: %w", p.Setup.Mirror, r.ConnectTimeout, err)
	}
	if err != nil {
		err = hint.Errorf(p.Source.PartHint, "update: %w", err)
		return nil, errors.Join(err, r.unreachable(ctx, p, parts, sources, err))
	}
	if len(parts) == 0 {
		names := r.listed(p, all, sources)
		return names, r.forget(ctx, p, names, sources)
	}
	if r.Fetched && len(p.Parts) == 0 {
		return parts, nil // if the mirror no longer has one, its own update fails
	}
	for _, name := range parts {
		if !slices.Contains(all, name) {
			return nil, hint.Errorf("the mirror has "+strings.Join(all, ", "), "update: %s has no ecosystem %q", p.Setup.Mirror, name)
		}
	}
	return parts, nil
}

// listed returns the parts of the list of the mirror. With Fetched it leaves out dropped
// ones. It adds those that the mirror no longer has and that have records in the store:
// their update fails, so that their age is seen.
func (r *running) listed(p Plan, names []string, sources []store.Source) []string {
	for _, s := range sources {
		switch {
		case s.Origin.Source != p.Source.Name || s.Origin == p.whole() || !s.Feed:
		case r.Fetched && Dropped(s):
			names = slices.DeleteFunc(names, func(name string) bool { return name == s.Origin.Part })
		case s.Records > 0 && !slices.Contains(names, s.Origin.Part):
			names = append(names, s.Origin.Part)
		}
	}
	return names
}

// forget clears the failures of parts that were never fetched and that the mirror does
// not have. A list that was cut off may have had a part of a name.
func (r *running) forget(ctx context.Context, p Plan, names []string, sources []store.Source) error {
	for _, s := range sources {
		if s.Origin.Source == p.Source.Name && s.Origin != p.whole() && s.Updated.IsZero() && !s.Failed.IsZero() && !slices.Contains(names, s.Origin.Part) {
			if err := r.Store.FeedState(ctx, s.Origin, time.Time{}, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// unreachable saves for each part that was to be updated that the mirror could not be
// reached.
func (r *running) unreachable(ctx context.Context, p Plan, parts []string, sources []store.Source, cause error) error {
	if ctx.Err() != nil {
		return nil
	}
	var errs []error
	for _, s := range sources {
		if s.Origin.Source != p.Source.Name || s.Origin == p.whole() || !s.Feed || Dropped(s) {
			continue
		}
		if len(parts) == 0 || slices.Contains(parts, s.Origin.Part) {
			errs = append(errs, r.Store.FeedFailed(ctx, s.Origin, r.Now(), OneLine(cause)))
		}
	}
	return errors.Join(errs...)
}
