package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/urfave/cli/v2"

	"assay/service/api"
	"assay/service/feed"
	"assay/service/feed/osv"
	"assay/service/store"
)

func (d *daemon) updateCommand() *cli.Command {
	return &cli.Command{
		Name:  "update",
		Usage: "bring the advisories up to date from the public data of OSV, or a mirror of it",
		Flags: append(feedFlags(),
			dataFlag(),
			&cli.StringSliceFlag{Name: "drop", Usage: "take out what `ECOSYSTEM` has brought, and update nothing (repeatable)"},
		),
		Action: d.update,
	}
}

// feedFlags say what an update reads.
func feedFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "ecosystem", Usage: "update `ECOSYSTEM`, such as Debian, npm or \"Red Hat\" (repeatable; default all that the bucket has)"},
		&cli.StringFlag{Name: "mirror", Usage: "read `URL|FOLDER`, which has the form of the bucket", Value: osv.PublicBucket},
		&cli.DurationFlag{Name: "connect-timeout", Usage: "give up when the bucket has not answered within this `TIME`", Value: 30 * time.Second},
		&cli.DurationFlag{Name: "feed-timeout", Usage: "bound the update of one ecosystem by this `TIME`", Value: 30 * time.Minute},
	}
}

// An updater is one way to update, which can be gone several times.
type updater struct {
	store      store.Store
	bucket     osv.Bucket
	dir        string   // for downloads
	ecosystems []string // empty: all
	held       bool     // with no ecosystems: those that are wanted
	connect    time.Duration
	run        feed.Run
}

// updater makes one from the flags of a command. Progress may be nil.
func (d *daemon) updater(c *cli.Context, st store.Store, progress func(name string, done, total int64)) (*updater, error) {
	config := feed.DefaultConfig()
	config.ConnectTimeout = c.Duration("connect-timeout")
	config.UserAgent = "assayd/" + buildVersion()
	config.Progress = progress
	place, err := feed.Open(c.String("mirror"), config)
	if err != nil {
		return nil, hintf("name a folder or an address that has ecosystems.txt in it", "bad --mirror: %w", err)
	}
	dir := feedDir(c.String("data"))
	return &updater{
		store:      st,
		dir:        dir,
		bucket:     osv.Bucket{Place: place, Dir: dir},
		ecosystems: c.StringSlice("ecosystem"),
		connect:    config.ConnectTimeout,
		run:        feed.Run{Store: st, Now: d.now, Timeout: c.Duration("feed-timeout")},
	}, nil
}

// update updates once. What became of each source is told to done.
func (u *updater) update(ctx context.Context, done func(from store.Origin, o feed.Outcome, err error)) error {
	ecosystems, all := u.ecosystems, len(u.ecosystems) == 0
	if all && u.held {
		var err error
		if ecosystems, all, err = u.wanted(ctx); err != nil {
			return err
		}
		if len(ecosystems) == 0 && !all {
			return nil
		}
	}
	if err := os.MkdirAll(u.dir, 0o700); err != nil {
		return fmt.Errorf("make a folder for downloads: %w", err)
	}
	if all {
		if err := os.WriteFile(filepath.Join(u.dir, allFile), nil, 0o600); err != nil {
			return fmt.Errorf("note that all ecosystems are wanted: %w", err)
		}
	}
	names, err := u.names(ctx, ecosystems)
	if ctx.Err() == nil {
		err = errors.Join(err, u.noteFailure(err))
	}
	if err != nil {
		return err
	}
	var feeds []feed.Feed
	for _, name := range names {
		f, err := u.bucket.Ecosystem(name)
		if err != nil {
			return err
		}
		feeds = append(feeds, f)
	}
	run := u.run
	run.Done = done
	return run.Update(ctx, feeds)
}

// names asks the bucket for its ecosystems, which also tells soon whether it can
// be reached, and returns those to update: ecosystems, or all where there are none.
func (u *updater) names(ctx context.Context, ecosystems []string) ([]string, error) {
	within, cancel := context.WithTimeout(ctx, u.connect)
	defer cancel()
	all, err := u.bucket.Ecosystems(within)
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("%s did not answer within %s: %w", u.bucket.Place, u.connect, err)
	}
	if err != nil {
		err = hintf("--mirror reads a copy of the bucket, an address or a folder", "update: %w", err)
		return nil, errors.Join(err, u.unreachable(ctx, ecosystems, err))
	}
	if len(ecosystems) == 0 {
		if u.held {
			if all, err = u.undropped(ctx, all); err != nil {
				return nil, err
			}
		}
		return u.vanished(ctx, all)
	}
	if u.held && len(u.ecosystems) == 0 {
		return ecosystems, nil // one that the bucket has no longer fails by itself
	}
	for _, name := range ecosystems {
		if !slices.Contains(all, name) {
			return nil, hintf("it has "+strings.Join(all, ", "), "update: %s has no ecosystem %q", u.bucket.Place, name)
		}
	}
	return ecosystems, nil
}

// vanished adds to the names of the bucket those that it once had and whose
// records are still held: they fail, and so are seen to grow old.
func (u *updater) vanished(ctx context.Context, names []string) ([]string, error) {
	sources, err := u.store.Sources(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range sources {
		if s.Origin.Source == osv.Source && s.Feed && s.Records > 0 && !slices.Contains(names, s.Origin.Part) {
			names = append(names, s.Origin.Part)
		}
	}
	return names, nil
}

// unreachable notes for every source that is to be updated that the bucket was
// not reached.
func (u *updater) unreachable(ctx context.Context, ecosystems []string, cause error) error {
	if ctx.Err() != nil {
		return nil
	}
	sources, err := u.store.Sources(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range sources {
		if s.Origin.Source == osv.Source && s.Feed && (len(ecosystems) == 0 || slices.Contains(ecosystems, s.Origin.Part)) {
			errs = append(errs, u.store.FeedFailed(ctx, s.Origin, u.run.Now(), feed.OneLine(cause)))
		}
	}
	return errors.Join(errs...)
}

func (d *daemon) update(c *cli.Context) error {
	if c.NArg() > 0 {
		return hintf("assayd update --ecosystem Debian --ecosystem npm", "unexpected argument %q", c.Args().First())
	}
	drop := c.StringSlice("drop")
	if len(drop) > 0 {
		if err := requireData(c); err != nil {
			return err
		}
	}
	st, err := openStore(c)
	if err != nil {
		return err
	}
	defer st.Close()
	if len(drop) > 0 {
		return d.drop(c, st, drop)
	}
	bar := progressOn(d.stderr)
	u, err := d.updater(c, st, bar.progress)
	if err != nil {
		return err
	}
	err = u.update(c.Context, func(from store.Origin, o feed.Outcome, err error) {
		bar.clear()
		for _, kept := range o.KeptOut {
			fmt.Fprintf(d.stderr, "assayd: rejected: %s\n", feed.OneLine(kept))
		}
		if err != nil {
			fmt.Fprintf(d.stderr, "assayd: %s: failed: %s\n", from, feed.OneLine(err))
			return
		}
		fmt.Fprintf(d.stdout, "%s: %d new, %d changed, %d removed, %d rejected%s\n",
			from, o.Added, o.Changed, o.Removed, o.Rejected, behind(o))
	})
	bar.clear()
	if errors.Is(err, store.ErrLocked) {
		return hintf("wait for the other one to end", "%w", err)
	}
	return err
}

func behind(o feed.Outcome) string {
	if o.Behind == 0 {
		return ""
	}
	return fmt.Sprintf(", %d listed and not given", o.Behind)
}

// drop takes out everything that sources have brought.
func (d *daemon) drop(c *cli.Context, st store.Store, ecosystems []string) error {
	sources, err := st.Sources(c.Context)
	if err != nil {
		return fmt.Errorf("drop: %w", err)
	}
	for _, name := range ecosystems {
		from := osv.Origin(name)
		if !slices.ContainsFunc(sources, func(s store.Source) bool { return s.Origin == from }) {
			return hintf("assayd status names the sources", "drop: unknown source %q", from)
		}
		none := func(func(store.Record, error) bool) {}
		got, err := st.Import(c.Context, store.Import{Origin: from, At: d.now(), Whole: true, State: dropped}, none)
		if err != nil {
			return fmt.Errorf("drop: %w", err)
		}
		fmt.Fprintf(d.stdout, "%s: %d removed\n", from, got.Removed)
	}
	return nil
}

// retryFirst is the pause after the first update that fails.
const retryFirst = time.Minute

// retries are the pauses after updates that fail. Each is twice the one before, up to
// the pause between two updates that work.
type retries struct{ last, most time.Duration }

func (r *retries) failed() time.Duration {
	r.last = min(max(retryFirst, 2*r.last), r.most)
	return r.last
}

func (r *retries) worked() { r.last = 0 }

// updateEvery updates again and again, beginning at once, until ctx ends. How the last
// one went is told to state.
func updateEvery(ctx context.Context, log *slog.Logger, u *updater, every time.Duration, state *problemState) {
	after := retries{most: every}
	for {
		err := u.update(ctx, func(from store.Origin, o feed.Outcome, err error) {
			if err != nil {
				log.Error("update", "source", from.String(), "err", feed.OneLine(err))
				return
			}
			log.Info("update", "source", from.String(), "new", o.Added, "changed", o.Changed, "gone", o.Removed,
				"kept_out", o.Rejected, "not_given", o.Behind)
		})
		pause := every
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, store.ErrLocked):
			log.Info("no update: another process is updating")
		case err != nil:
			log.Error("update; the old data goes on serving", "err", feed.OneLine(err))
			state.set(err)
			pause = after.failed()
		default:
			state.set(nil)
			after.worked()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// A problemState is whether something that is done again and again failed the last time.
type problemState struct {
	rule, text string
	mu         sync.Mutex
	err        error
}

// set notes how it went, and reports whether it failed in another way than before.
func (s *problemState) set(err error) (other bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	other = err != nil && (s.err == nil || s.err.Error() != err.Error())
	s.err = err
	return other
}

// causes says that it failed, if it did.
func (s *problemState) causes() []api.Cause {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		return nil
	}
	return []api.Cause{{Rule: s.rule, Text: s.text}}
}

// A bar is the line of a terminal that shows how a download goes on.
type bar struct {
	w     io.Writer // nil where there is no terminal
	shown string
}

func progressOn(w io.Writer) *bar {
	if f, ok := w.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		return &bar{w: w}
	}
	return &bar{}
}

func (b *bar) progress(name string, done, total int64) {
	if b.w == nil {
		return
	}
	s := fmt.Sprintf("%s %d MiB", name, done>>20)
	if total > 0 {
		s = fmt.Sprintf("%s %d %% of %d MiB", name, 100*done/total, total>>20)
	}
	if s != b.shown {
		b.shown = s
		fmt.Fprintf(b.w, "\r\x1b[K%s", s)
	}
}

func (b *bar) clear() {
	if b.w != nil && b.shown != "" {
		fmt.Fprint(b.w, "\r\x1b[K")
		b.shown = ""
	}
}
