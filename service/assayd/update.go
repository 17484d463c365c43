package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/urfave/cli/v2"

	"assay/cli/buildinfo"
	"assay/service/feed"
	"assay/service/feed/osv"
	"assay/service/store"
	"assay/verdict/hint"
)

func (d *daemon) updateCommand() *cli.Command {
	return &cli.Command{
		Name:  "update",
		Usage: "update the advisories from the public data of OSV, or from a mirror",
		Flags: append(feedFlags(), storeFlags(
			&cli.StringSliceFlag{Name: "drop", Usage: "remove the records of `ECOSYSTEM`, and update nothing (repeatable)"},
		)...),
		Action: d.update,
	}
}

// feedFlags are the flags about what an update reads.
func feedFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "ecosystem", Usage: "update `ECOSYSTEM`, such as Debian, npm or \"Red Hat\" (repeatable; default all in the bucket)"},
		&cli.StringFlag{Name: "mirror", Usage: "read from `URL|FOLDER`, a copy of the bucket", Value: osv.PublicBucket},
		&cli.DurationFlag{Name: "connect-timeout", Usage: "give up if the bucket does not answer within this `TIME`", Value: 30 * time.Second},
		&cli.DurationFlag{Name: "feed-timeout", Usage: "give up the update of one ecosystem after this `TIME`", Value: 30 * time.Minute},
	}
}

// newUpdater returns the updater that the flags of a command describe. progress may
// be nil.
func newUpdater(c *cli.Context, st store.Store, now func() time.Time, progress func(name string, done, total int64)) (*osv.Updater, error) {
	config := feed.DefaultConfig()
	config.ConnectTimeout = c.Duration("connect-timeout")
	config.UserAgent = "assayd/" + buildinfo.Version(version)
	config.Progress = progress
	mirror, err := feed.Open(c.String("mirror"), config)
	if err != nil {
		return nil, hint.Errorf("name a folder or an address that has ecosystems.txt in it", "invalid --mirror: %w", err)
	}
	return &osv.Updater{
		Bucket:         osv.Bucket{Mirror: mirror, Dir: osv.Dir(c.String("data"))},
		Ecosystems:     c.StringSlice("ecosystem"),
		ConnectTimeout: config.ConnectTimeout,
		Run:            feed.Run{Store: st, Now: now, Timeout: c.Duration("feed-timeout")},
	}, nil
}

func (d *daemon) update(c *cli.Context) error {
	if c.NArg() > 0 {
		return hint.Errorf("assayd update --ecosystem Debian --ecosystem npm", "unexpected argument %q", c.Args().First())
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
		return d.dropEcosystems(c, st, drop)
	}
	bar := progressOn(d.stderr)
	u, err := newUpdater(c, st, d.now, bar.progress)
	if err != nil {
		return err
	}
	err = u.Update(c.Context, func(from store.Origin, o feed.Outcome, err error) {
		bar.clear()
		for _, rejection := range o.Rejections {
			fmt.Fprintf(d.stderr, "assayd: rejected: %s\n", feed.OneLine(rejection))
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
		return hint.Errorf("wait for the other one to end", "%w", err)
	}
	return err
}

// behind returns a note about records that the bucket lists and does not have.
func behind(o feed.Outcome) string {
	if o.Behind == 0 {
		return ""
	}
	return fmt.Sprintf(", %d listed but not available", o.Behind)
}

// dropEcosystems removes all records of ecosystems.
func (d *daemon) dropEcosystems(c *cli.Context, st store.Store, ecosystems []string) error {
	for _, name := range ecosystems {
		removed, err := osv.Drop(c.Context, st, name, d.now())
		if errors.Is(err, store.ErrNotFound) {
			return hint.Errorf("assayd status names the sources", "drop: unknown source %q", osv.Origin(name))
		}
		if err != nil {
			return fmt.Errorf("drop: %w", err)
		}
		fmt.Fprintf(d.stdout, "%s: %d removed\n", osv.Origin(name), removed)
	}
	return nil
}

// A bar shows the progress of a download in a line of a terminal.
type bar struct {
	w     io.Writer // nil if there is no terminal
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
