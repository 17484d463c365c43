package feed

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"assay/service/store"
)

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

// lastUpdate returns when the last update of a source that succeeded was, of whichever
// process, and the zero time if there was none or it has failed since.
func (p Plan) lastUpdate(sources []store.Source) (at time.Time) {
	wanted := []store.Origin{p.whole()}
	if len(p.Parts) > 0 {
		wanted = nil
		for _, part := range p.Parts {
			wanted = append(wanted, store.Origin{Source: p.Source.Name, Part: part})
		}
	}
	for _, from := range wanted {
		i := slices.IndexFunc(sources, func(s store.Source) bool { return s.Origin == from && s.Feed })
		if i < 0 || sources[i].Updated.IsZero() || !sources[i].Failed.IsZero() {
			return time.Time{}
		}
		if at.IsZero() || sources[i].Updated.Before(at) {
			at = sources[i].Updated
		}
	}
	return at
}

// A schedule says when one source is updated next.
type schedule struct {
	left    time.Duration // until it is looked at again
	waited  time.Time     // the update after which it has waited
	retries retries
	failure error // of the last update; nil: it succeeded
}

// due reports whether the source is to be updated. If not, left says when it is.
func (s *schedule) due(p Plan, sources []store.Source, now time.Time) bool {
	if s.left > 0 {
		return false
	}
	last := p.lastUpdate(sources)
	age := now.Sub(last)
	if last.IsZero() || last.Equal(s.waited) || age < 0 || age >= p.Interval {
		return true
	}
	s.waited, s.left, s.failure = last, p.Interval-age, nil
	return false
}

// Every updates again and again, until ctx ends: each source when its last update that
// succeeded, of whichever process, is older than its interval. It calls finished with the
// failures of all sources after each round, but for one that another process is doing.
func (u *Updater) Every(ctx context.Context, log *slog.Logger, finished func(error)) {
	schedules := map[string]*schedule{}
	shortest := u.Plans[0].Interval
	for _, p := range u.Plans {
		schedules[p.Source.Name] = &schedule{retries: retries{most: p.Interval}}
		shortest = min(shortest, p.Interval)
	}
	for {
		err := u.round(ctx, log, schedules)
		if ctx.Err() != nil {
			return
		}
		pause := shortest
		switch {
		case errors.Is(err, store.ErrLocked):
			log.Info("no update: another process is updating")
			pause = min(pause, retryFirst)
		case err != nil: // the store cannot be read
			log.Error("update; the old data is still served", "err", OneLine(err))
			finished(err)
			pause = min(pause, retryFirst)
		default:
			var failures []error
			for _, p := range u.Plans {
				s := schedules[p.Source.Name]
				failures = append(failures, s.failure)
				if s.left > 0 {
					pause = min(pause, s.left)
				}
			}
			finished(errors.Join(failures...))
		}
		for _, s := range schedules {
			s.left = max(0, s.left-pause)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// round updates the sources that are due.
func (u *Updater) round(ctx context.Context, log *slog.Logger, schedules map[string]*schedule) error {
	sources, err := u.Store.Sources(ctx)
	if err != nil {
		return err
	}
	due := map[string]bool{}
	for _, p := range u.wanted(sources) {
		if schedules[p.Source.Name].due(p, sources, u.Now()) {
			due[p.Source.Name] = true
		}
	}
	if len(due) == 0 {
		return nil
	}
	err = u.lead(ctx, Events{
		Begin: func(s Source, first bool) {
			if first {
				log.Info("first fetch of a source", "source", s.Name, "takes_about", s.First.String())
			}
		},
		Done: func(from store.Origin, o Outcome, err error) {
			if err != nil {
				log.Error("update", "source", from.String(), "err", OneLine(err))
				return
			}
			log.Info("update", "source", from.String(), "new", o.Added, "changed", o.Changed, "removed", o.Removed,
				"rejected", o.Rejected, "not_available", o.Behind)
		},
	}, func(p Plan) bool { return due[p.Source.Name] }, func(p Plan, err error) {
		s := schedules[p.Source.Name]
		delete(due, p.Source.Name)
		if s.failure = err; err != nil {
			log.Error("update; the old data is still served", "source", p.Source.Name, "err", OneLine(err))
			s.left = s.retries.failed()
			return
		}
		s.retries.succeeded()
		s.left = p.Interval
		// The update that just succeeded is not waited for a second time.
		if now, err := u.Store.Sources(ctx); err == nil {
			s.waited = p.lastUpdate(now)
		}
	})
	if ctx.Err() == nil && len(due) == 0 {
		return nil // each failure is in its schedule
	}
	return err
}
