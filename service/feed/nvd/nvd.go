package nvd

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"assay/service/advisory/load"
	"assay/service/feed"
	"assay/service/feed/applicability"
	"assay/service/feed/wordpress"
	"assay/service/store"
)

const name = "nvd"

const (
	// NVD allows this many requests in any 30 seconds, without and with a key. The window
	// is longer, because a request may arrive later than another one began.
	requests, requestsWithKey = 5, 50
	window                    = 32 * time.Second

	// maxSpan bounds the time of changes that can be asked for at once. NVD's bound is 120
	// days.
	maxSpan = 119 * 24 * time.Hour
	// overlap is the time before the last update from which changes are asked for again:
	// some appear a little after their time.
	overlap = 2 * time.Hour
)

// Source describes NVD.
func Source() feed.Source {
	return feed.Source{
		Name:        name,
		Title:       "National Vulnerability Database",
		Address:     "https://services.nvd.nist.gov/rest/json",
		Format:      "JSON, pages of an API",
		Licence:     "public domain",
		Terms:       "https://nvd.nist.gov/developers/terms-of-use",
		MayPassOn:   true,
		Contributes: feed.Advisories,
		Ecosystems:  []string{applicability.Ecosystem, wordpress.Ecosystem},
		Key:         feed.OptionalKey,
		Authorize:   func(h http.Header, key string) { h.Set("apiKey", key) },
		First:       feed.Cost{Download: 1500 << 20, Disk: 4 << 30, Memory: 256 << 20, Time: 45 * time.Minute},
		Timeout:     4 * time.Hour,
		Feed: func(s feed.Setup, _ string) (feed.Feed, error) {
			if strings.Contains(s.Mirror.String(), "://") { // not a folder
				n := requests
				if s.HasKey {
					n = requestsWithKey
				}
				s.Mirror = feed.Paced(s.Mirror, n, window)
			}
			return database{s}, nil
		},
	}
}

// database is the feed.
type database struct{ feed.Setup }

// A state is what an update saves for the next one. All changes until Watermark were
// read.
type state struct {
	feed.State
	Watermark time.Time `json:"watermark"`
}

// Origin implements feed.Feed.
func (database) Origin() store.Origin { return store.Origin{Source: name} }

type update struct {
	database
	st    feed.Store
	now   time.Time
	state state
	out   feed.Outcome
}

// Update implements feed.Feed. The first update reads all pages, and imports them at once.
// Later ones read the pages of what was modified since.
func (d database) Update(ctx context.Context, st feed.Store, now time.Time) (feed.Outcome, error) {
	u := &update{database: d, st: st, now: now}
	var known bool
	var err error
	if u.state, known, err = feed.LoadState[state](ctx, st, d.Origin(), d.Mirror); err != nil {
		return u.out, err
	}
	u.state.Place = d.Mirror.String()
	if !known {
		if err := u.whole(ctx); err != nil {
			return u.out, err
		}
	}
	for u.state.Watermark.Before(now) {
		if err := u.changes(ctx); err != nil {
			return u.out, err
		}
	}
	return u.out, nil
}

// whole reads everything. While it does, which takes a while, records change: the next
// updates ask for what was modified since it began.
func (u *update) whole(ctx context.Context) error {
	p, err := u.pages(ctx, "", u.now)
	if err != nil {
		return err
	}
	u.state.Watermark = p.Begun
	u.out.Whole = true
	return u.put(ctx, p, true)
}

// changes reads what was modified since the watermark, but not more than one span.
func (u *update) changes(ctx context.Context) error {
	from := u.state.Watermark.Add(-overlap)
	to := from.Add(maxSpan)
	if to.After(u.now) {
		to = u.now
	}
	p, err := u.pages(ctx, "&lastModStartDate="+date(from)+"&lastModEndDate="+date(to), to)
	if err != nil {
		return err
	}
	u.state.Watermark = p.Begun
	return u.put(ctx, p, false)
}

// date returns a time in the form of a query.
func date(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000") + "%2B00:00" }

// put imports pages and removes them.
func (u *update) put(ctx context.Context, p *pages, whole bool) error {
	s, err := feed.EncodeState(u.state)
	if err != nil {
		return err
	}
	im, err := u.st.Import(ctx, store.Import{Origin: u.Origin(), At: u.now, Whole: whole, State: s}, records(p, whole))
	interrupted := ctx.Err() != nil || errors.Is(err, store.ErrUnavailable) || errors.Is(err, syscall.ENOSPC)
	if err == nil || !interrupted { // pages that are refused are not imported again
		err = errors.Join(err, p.remove())
	}
	if err != nil {
		return err
	}
	u.out.Add(im)
	return nil
}

// errMoved is about pages that do not have every record: a record that is removed while
// they are read moves the next ones to the page before.
var errMoved = errors.New("the list has changed while it was read; the next update reads it again")

// records yields the records of pages.
func records(p *pages, whole bool) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		seen, rejected := map[string]bool{}, 0
		for b, err := range p.results() {
			var r store.Record
			if err == nil {
				r, err = stored(b)
			}
			if err == nil {
				seen[r.ID] = true
			} else {
				rejected++
			}
			if !yield(r, err) {
				return
			}
		}
		if n := len(seen) + rejected; whole && n < p.Total {
			yield(store.Record{}, fmt.Errorf("%d of %d records: %w", n, p.Total, errMoved))
		}
	}
}

// stored converts a CVE. If it is not valid, the error wraps store.ErrRejected.
func stored(b []byte) (store.Record, error) {
	a, err := convert(b)
	var r store.Record
	if err == nil {
		r, err = load.Converted(a)
	}
	if err != nil {
		return store.Record{}, fmt.Errorf("%w: %w", store.ErrRejected, err)
	}
	return r, nil
}

func (u *update) dir() string { return filepath.Join(u.Dir, "pages") }
