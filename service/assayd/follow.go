package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"assay/service/api"
	"assay/service/snapshot"
	"assay/service/store"
	"assay/verdict"
	"assay/verdict/hint"
)

// openEvery is how often serve tries to open a store that is unavailable.
const openEvery = 2 * time.Second

// waitForStore runs open again while the store is unavailable: a database may start after
// assayd, or be read-only for a while. Requests are answered with 503 meanwhile. If ctx ends
// first, it returns the error of ctx.
func waitForStore[T any](ctx context.Context, log *slog.Logger, open func() (T, error)) (T, error) {
	for tries := 0; ; tries++ {
		got, err := open()
		switch {
		case err == nil:
			return got, nil
		case ctx.Err() != nil:
			return got, ctx.Err()
		case !errors.Is(err, store.ErrUnavailable):
			return got, err
		}
		if tries%30 == 0 {
			log.Error("wait for the store", "err", err, "hint", hintOf(err))
		}
		select {
		case <-ctx.Done():
			return got, ctx.Err()
		case <-time.After(openEvery):
		}
	}
}

// followEvery is how often serve checks the age of the data, and tries again to update a
// snapshot that it could not update.
const followEvery = time.Second

// follow updates the index when any process changes the store, and watches the age of
// the data.
func follow(ctx context.Context, log *slog.Logger, index *snapshot.DB, st store.Store, age *ageWatch, ages *sourceAges, behind *problemState, built *buildTime) {
	changed := st.Watch(ctx)
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	var err error
	for {
		if view, err := index.View(); err == nil {
			if err := ages.refresh(ctx, st, view.Data(), age.now()); err != nil && ctx.Err() == nil {
				log.Warn("read the ages of the sources", "err", err)
			}
			age.look(age.whole(view.Data()))
			view.Close()
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-tick.C:
			if err == nil {
				continue
			}
		}
		err = catchUp(ctx, log, index, st, built)
		if ctx.Err() != nil {
			return
		}
		if behind.set(err) {
			log.Error("update the snapshot; the previous data is still served", "err", err)
		}
	}
}

// openIndex opens the index that serve answers from, and updates it from the store. If
// that fails, for example because the disk is full, and the index has data, the error is
// logged and that data is served.
func openIndex(ctx context.Context, c *cli.Context, log *slog.Logger, src snapshot.Source, behind *problemState, built *buildTime) (*snapshot.DB, error) {
	index, err := snapshot.Open(filepath.Join(c.String("data"), indexName))
	if err != nil {
		return nil, hint.Errorf("is another assayd serving from this folder?", "open the snapshot: %w", err)
	}
	if err := index.Discarded(); err != nil {
		log.Warn("the snapshot is rebuilt from the store", "why", err)
	}
	if err := catchUp(ctx, log, index, src, built); err != nil {
		if ctx.Err() != nil || !holdsData(index) || errors.Is(err, store.ErrDamaged) {
			return nil, errors.Join(hintRepair(c, fmt.Errorf("build the snapshot: %w", err)), index.Close())
		}
		log.Error("update the snapshot; the previous data is still served", "err", err)
		behind.set(err)
	}
	if view, err := index.View(); err == nil {
		if n := view.Unreadable(); n > 0 { // catchUp names only those that are new
			log.Error("records or lists cannot be read and are left out", "left_out", n)
		}
		view.Close()
	}
	return index, nil
}

// holdsData reports whether an index can answer scans.
func holdsData(index *snapshot.DB) bool {
	view, err := index.View()
	if err != nil {
		return false
	}
	defer view.Close()
	return view.Data().Records > 0
}

// An ageWatch logs a warning before the data is too old to be trusted, once for each
// step of api.Stale.
type ageWatch struct {
	log    *slog.Logger
	maxAge time.Duration
	now    func() time.Time
	// whole returns data with the age of its oldest source.
	whole func(verdict.Data) verdict.Data
	step  int
}

func (w *ageWatch) look(d verdict.Data) {
	step, cause := api.Stale(d, w.maxAge, w.now())
	switch {
	case step > w.step && step == 3:
		w.log.Error("scans that need old data end with code 5: "+cause.Text, "hint", "assayd status says what failed; run assayd update or assayd import")
	case step > w.step:
		w.log.Warn("the data is getting old: "+cause.Text, "hint", "assayd status says what failed; scans end with code 5 when it is too old")
	case step == 0 && w.step > 0:
		w.log.Info("the data is fresh again", "updated", d.Updated)
	}
	w.step = step
}

// tidyEvery is how often serve tidies the store.
const tidyEvery = time.Minute

// tidy frees the disk space that an interrupted import has left behind.
func tidy(ctx context.Context, log *slog.Logger, st store.Maintenance) {
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		if err := st.Tidy(ctx); err != nil && ctx.Err() == nil {
			log.Warn("free disk space", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// catchUp updates the index from the store, and logs what changed.
func catchUp(ctx context.Context, log *slog.Logger, index *snapshot.DB, src snapshot.Source, built *buildTime) error {
	start := time.Now()
	got, err := index.CatchUp(ctx, src)
	if err != nil {
		return err
	}
	if got.Rebuilt != nil {
		log.Warn("the snapshot was rebuilt from the store", "why", got.Rebuilt)
	}
	for _, err := range got.Unreadable {
		log.Error("a record cannot be read and is left out", "err", err, "left_out", got.UnreadableCount)
	}
	if got.Applied > 0 {
		took := time.Since(start)
		built.Store(int64(took))
		log.Info("data", "snapshot", got.Data.Snapshot, "records", got.Data.Records, "read", got.Applied, "seq", got.Seq, "took_ms", took.Milliseconds())
	}
	return nil
}

// A problemState records whether a repeated operation failed the last time.
type problemState struct {
	rule, text string
	mu         sync.Mutex
	err        error
}

// set records the result of the operation, and reports whether it failed with another
// error than before.
func (s *problemState) set(err error) (other bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	other = err != nil && (s.err == nil || s.err.Error() != err.Error())
	s.err = err
	return other
}

// causes returns a cause if the operation failed the last time.
func (s *problemState) causes() []api.Cause {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		return nil
	}
	return []api.Cause{{Rule: s.rule, Text: s.text}}
}
