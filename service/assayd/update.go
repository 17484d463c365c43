package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/urfave/cli/v2"

	"assay/cli/buildinfo"
	"assay/service/feed"
	"assay/service/feed/osv"
	"assay/service/feed/sources"
	"assay/service/store"
	"assay/verdict/hint"
)

func (d *daemon) updateCommand() *cli.Command {
	return &cli.Command{
		Name:  "update",
		Usage: "update the data from its publishers, or from mirrors",
		Flags: append(feedFlags(), storeFlags(
			&cli.StringSliceFlag{Name: "drop", Usage: "remove the records of `SOURCE`, such as cve, osv:Debian or only Debian, and update nothing (repeatable)"},
		)...),
		Action: d.update,
	}
}

// feedFlags are the flags about what an update reads.
func feedFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "source", Usage: "update only the source `NAME` (repeatable; default: those that were fetched before, and " + strings.Join(defaultSources(), ", ") + ")"},
		&cli.StringSliceFlag{Name: "ecosystem", Usage: "update only `ECOSYSTEM` of osv, such as Debian, npm or \"Red Hat\" (repeatable; default: all)"},
		&cli.StringSliceFlag{Name: "mirror", Usage: "read a source from a copy: `NAME=URL|FOLDER` (repeatable); without NAME=, a copy of the bucket of osv"},
		&cli.StringSliceFlag{Name: "key", Usage: "read the key of a source from a file: `NAME=FILE` (repeatable)"},
		&cli.StringSliceFlag{Name: "names", Usage: "read from a file the packages that a source is asked for, one on each line: `NAME=FILE` (repeatable)"},
		&cli.StringSliceFlag{Name: "accept-shrink", Usage: "accept that the source `NAME` loses more than half of its records (repeatable)"},
		&cli.DurationFlag{Name: "connect-timeout", Usage: "give up if a server does not answer within this `TIME`", Value: 30 * time.Second},
		&cli.DurationFlag{Name: "feed-timeout", Usage: "give up the update of one source or ecosystem after this `TIME`", Value: 30 * time.Minute},
	}
}

func defaultSources() []string {
	var names []string
	for _, s := range sources.All() {
		if s.Default {
			names = append(names, s.Name)
		}
	}
	return names
}

// perSource parses flags of the form NAME=VALUE. Values without the name of a source are
// those of the source unnamed; if that is empty, they are an error.
func perSource(flag string, values []string, unnamed string) (map[string]string, error) {
	of := map[string]string{}
	for _, v := range values {
		name, value, ok := strings.Cut(v, "=")
		if !ok || !known(name) {
			if unnamed == "" {
				return nil, hint.Errorf("give NAME=VALUE with one of "+sourceNamesText(), "invalid --%s %q", flag, name)
			}
			name, value = unnamed, v
		}
		if value == "" {
			return nil, hint.Errorf("give NAME=VALUE", "--%s of source %q is empty", flag, name)
		}
		of[name] = value
	}
	return of, nil
}

func known(name string) bool {
	return slices.ContainsFunc(sources.All(), func(s feed.Source) bool { return s.Name == name })
}

func sourceNamesText() string {
	var names []string
	for _, s := range sources.All() {
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}

// updateFlags are the values of feedFlags.
type updateFlags struct {
	named, ecosystems, acceptShrink []string
	mirrors, keys, names            map[string]string
	// onlyOSV: no source is named, and a flag is about osv alone. No other source is
	// fetched for the first time.
	onlyOSV bool
}

func readUpdateFlags(c *cli.Context) (f updateFlags, err error) {
	f.named, f.ecosystems, f.acceptShrink = c.StringSlice("source"), c.StringSlice("ecosystem"), c.StringSlice("accept-shrink")
	for _, name := range f.named {
		if !known(name) {
			return f, hint.Errorf("the sources are "+sourceNamesText(), "unknown --source %q", name)
		}
	}
	for _, name := range f.acceptShrink {
		if source, _, _ := strings.Cut(name, ":"); !known(source) {
			return f, hint.Errorf("the sources are "+sourceNamesText(), "unknown --accept-shrink %q", name)
		}
	}
	if f.mirrors, err = perSource("mirror", c.StringSlice("mirror"), osv.Name); err != nil {
		return f, err
	}
	if f.keys, err = perSource("key", c.StringSlice("key"), ""); err != nil {
		return f, err
	}
	if f.names, err = perSource("names", c.StringSlice("names"), ""); err != nil {
		return f, err
	}
	if len(f.ecosystems) > 0 && len(f.named) > 0 && !slices.Contains(f.named, osv.Name) {
		return f, hint.Errorf("add --source osv", "--ecosystem applies only to the source osv, which --source does not include")
	}
	plain := slices.ContainsFunc(c.StringSlice("mirror"), func(v string) bool {
		name, _, ok := strings.Cut(v, "=")
		return !ok || !known(name)
	})
	f.onlyOSV = len(f.named) == 0 && (plain || len(f.ecosystems) > 0)
	return f, nil
}

// maxKey bounds the file of a key.
const maxKey = 4 << 10

// readKey reads a key from a file. No error has the key in it.
func readKey(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKey+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	key := strings.TrimSpace(string(b))
	if key == "" || len(b) > maxKey || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("%q is not a file with one key in one line of at most %d bytes", path, maxKey)
	}
	return key, nil
}

// maxNamesFile bounds a file of names.
const maxNamesFile = 4 << 20

// readNames reads the lines of a file, without empty ones and comments.
func readNames(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxNamesFile+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if len(b) > maxNamesFile {
		return nil, fmt.Errorf("%q has more than %d bytes", path, maxNamesFile)
	}
	var names []string
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			names = append(names, line)
		}
	}
	return names, nil
}

// newUpdater returns the updater that the flags of a command describe. progress may
// be nil.
func newUpdater(c *cli.Context, st store.Store, now func() time.Time, progress func(name string, done, total int64)) (*feed.Updater, error) {
	flags, err := readUpdateFlags(c)
	if err != nil {
		return nil, err
	}
	config := feed.DefaultConfig()
	config.ConnectTimeout = c.Duration("connect-timeout")
	config.UserAgent = "assayd/" + buildinfo.Version(version)
	config.Progress = progress
	u := &feed.Updater{Store: st, Now: now, Timeout: c.Duration("feed-timeout"), ConnectTimeout: config.ConnectTimeout}
	for _, s := range sources.All() {
		if len(flags.named) > 0 && !slices.Contains(flags.named, s.Name) {
			continue
		}
		p, err := flags.plan(s, config, c.String("data"))
		if err != nil {
			return nil, err
		}
		u.Plans = append(u.Plans, p)
	}
	return u, nil
}

// updateEvery is the default interval of updates by serve.
const updateEvery = 6 * time.Hour

// updateIntervals parses --update-every: TIME, or NAME=TIME for one source.
func updateIntervals(values []string) (all time.Duration, of map[string]time.Duration, err error) {
	all, of = updateEvery, map[string]time.Duration{}
	for _, v := range values {
		name, text, ok := strings.Cut(v, "=")
		if !ok {
			name, text = "", v
		} else if !known(name) {
			return 0, nil, hint.Errorf("the sources are "+sourceNamesText(), "unknown source %q in --update-every", name)
		}
		d, err := time.ParseDuration(text)
		if err == nil && d < 0 {
			err = errors.New("the time is negative")
		}
		if text == "0" {
			d, err = 0, nil
		}
		if err != nil {
			return 0, nil, hint.Errorf("it looks like 6h, 30m or 0", "invalid --update-every %q: %w", v, err)
		}
		if name == "" {
			all = d
		} else {
			of[name] = d
		}
	}
	return all, of, nil
}

// scheduledUpdater returns the updater of serve. It has no plans if nothing is updated.
func scheduledUpdater(c *cli.Context, st store.Store, now func() time.Time) (*feed.Updater, error) {
	all, of, err := updateIntervals(c.StringSlice("update-every"))
	if err != nil {
		return nil, err
	}
	u, err := newUpdater(c, st, now, nil)
	if err != nil {
		return nil, err
	}
	u.Fetched = true
	u.Plans = slices.DeleteFunc(u.Plans, func(p feed.Plan) bool {
		interval, ok := of[p.Source.Name]
		return ok && interval == 0 || !ok && all == 0
	})
	for i, p := range u.Plans {
		u.Plans[i].Interval = all
		if interval, ok := of[p.Source.Name]; ok {
			u.Plans[i].Interval = interval
		}
	}
	return u, nil
}

// plan returns how a source is updated.
func (f updateFlags) plan(s feed.Source, config feed.Config, data string) (feed.Plan, error) {
	switch {
	case s.Name == osv.Name:
	case f.mirrors[s.Name] != "": // a user who names a copy of a source wants the source
		s.Default = true
	case f.onlyOSV:
		s.Default = false
	}
	p := feed.Plan{Source: s, AcceptShrink: f.acceptShrink, Named: slices.Contains(f.named, s.Name)}
	p.Setup.Dir = filepath.Join(data, "feed", s.Name)
	if s.Name == osv.Name {
		p.Parts = f.ecosystems
	}
	if path, ok := f.names[s.Name]; ok {
		if !s.Names {
			return p, hint.Errorf("leave it out", "--names: source %q needs no names", s.Name)
		}
		var err error
		if p.Setup.Names, err = readNames(path); err != nil {
			return p, hint.Errorf("the file has one name on each line", "read the names of source %q: %w", s.Name, err)
		}
	}
	path, ok := f.keys[s.Name]
	switch {
	case ok && s.Key == feed.NoKey:
		return p, hint.Errorf("omit --key for this source", "--key: source %q has no key", s.Name)
	case ok:
		key, err := readKey(path)
		if err != nil {
			return p, hint.Errorf("the file must contain only the key, in one line", "read the key of source %q: %w", s.Name, err)
		}
		config.Authorize = func(h http.Header) { s.Authorize(h, key) }
		p.Setup.HasKey = true
	case s.Key == feed.RequiredKey && f.mirrors[s.Name] == "":
		p.Err = hint.Errorf("write the key to a file and give --key "+s.Name+"=FILE; "+s.Terms+" says how to get one", "source %q needs a key", s.Name)
		return p, nil
	}
	where, ok := f.mirrors[s.Name]
	if !ok {
		where = s.Address
	}
	if where == "" {
		p.Err = hint.Errorf("give --mirror "+s.Name+"=URL|FOLDER", "source %q has no public address", s.Name)
		return p, nil
	}
	m, err := feed.Open(where, config)
	if err != nil {
		return p, hint.Errorf("name a folder or an address that has the files of the source", "invalid --mirror of source %q: %w", s.Name, err)
	}
	p.Setup.Mirror = m
	return p, nil
}

func (d *daemon) update(c *cli.Context) error {
	if c.NArg() > 0 {
		return hint.Errorf("name a source or an ecosystem with a flag: assayd update --source epss, assayd update --ecosystem Debian", "unexpected argument %q", c.Args().First())
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
		return d.dropSources(c, st, drop)
	}
	bar := progressOn(d.stderr)
	u, err := newUpdater(c, st, d.now, bar.progress)
	if err != nil {
		return err
	}
	err = u.Update(c.Context, feed.Events{
		Begin: func(s feed.Source, first bool) {
			bar.clear()
			if first && s.First != (feed.Cost{}) && len(c.StringSlice("ecosystem")) == 0 {
				fmt.Fprintf(d.stderr, "assayd: %s is new: the first fetch takes about %s\n", s.Name, s.First)
			}
		},
		Done: func(from store.Origin, o feed.Outcome, err error) {
			bar.clear()
			for _, rejection := range o.Rejections {
				fmt.Fprintf(d.stderr, "assayd: rejected: %s\n", feed.OneLine(rejection))
			}
			if err != nil {
				fmt.Fprintf(d.stderr, "assayd: %s: failed: %s\n", from, feed.OneLine(err))
				if next := nextStep(err); next != "" {
					fmt.Fprintf(d.stderr, "hint: %s\n", next)
				}
				return
			}
			fmt.Fprintf(d.stdout, "%s: %d new, %d changed, %d removed, %d rejected%s\n",
				from, o.Added, o.Changed, o.Removed, o.Rejected, behind(o))
		},
	})
	bar.clear()
	if errors.Is(err, store.ErrLocked) {
		return hint.Errorf("wait until the other update ends", "%w", err)
	}
	return err
}

// nextStep returns what to do about the failed update of a source, or "".
func nextStep(err error) string {
	switch next := hint.Of(err); {
	case next != "":
		return next
	case errors.Is(err, feed.ErrNotFound):
		return "docs/feeds.md lists the files of a mirror"
	case errors.Is(err, feed.ErrPage):
		return "check the address of the mirror, and whether a proxy asks to sign in"
	}
	return ""
}

// behind returns a note about records that a source lists and does not have.
func behind(o feed.Outcome) string {
	if o.Behind == 0 {
		return ""
	}
	return fmt.Sprintf(", %d listed but not available", o.Behind)
}

// dropSources removes all records of sources or of their parts. A name that is not that
// of a source is an ecosystem of osv.
func (d *daemon) dropSources(c *cli.Context, st store.Store, names []string) error {
	for _, name := range names {
		source, part, _ := strings.Cut(name, ":")
		if !known(source) {
			source, part = osv.Name, name
		}
		from := store.Origin{Source: source, Part: part}
		removed, err := feed.Drop(c.Context, st, from, d.now())
		if errors.Is(err, store.ErrNotFound) {
			return hint.Errorf("assayd status names the sources", "drop: unknown source %q", from)
		}
		if err != nil {
			return fmt.Errorf("drop: %w", err)
		}
		fmt.Fprintf(d.stdout, "%s: %d removed\n", from, removed)
		if err := st.AddEvent(c.Context, d.event(store.ActionDrop, from.String(), fmt.Sprintf("%d removed", removed))); err != nil {
			return err
		}
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
