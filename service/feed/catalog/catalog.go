// Package catalog is the feed of the two exploit catalogs: CISA's KEV, one JSON file, and
// FIRST's EPSS, one table that is published daily.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"assay/service/exploit"
	"assay/service/feed"
	"assay/service/store"
)

// maxFile bounds the download. Package exploit bounds what it decompresses to.
const maxFile = 64 << 20

// KEV describes the catalog of CISA.
func KEV() feed.Source {
	return feed.Source{
		Name:        string(exploit.KEV),
		Title:       "CISA Known Exploited Vulnerabilities",
		Address:     "https://www.cisa.gov/sites/default/files/feeds",
		Format:      "JSON, one file",
		Licence:     "CC0-1.0",
		Terms:       "https://www.cisa.gov/sites/default/files/licenses/kev/license.txt",
		MayPassOn:   true,
		Contributes: feed.Enrichment,
		Default:     true,
		First:       feed.Cost{Download: 2 << 20, Disk: 2 << 20, Memory: 16 << 20, Time: 10 * time.Second},
		Feed: func(s feed.Setup, _ string) (feed.Feed, error) {
			return catalog{s, exploit.KEV, "known_exploited_vulnerabilities.json"}, nil
		},
	}
}

// EPSS describes the scores of FIRST.
func EPSS() feed.Source {
	return feed.Source{
		Name:        string(exploit.EPSS),
		Title:       "FIRST Exploit Prediction Scoring System",
		Address:     "https://epss.empiricalsecurity.com",
		Format:      "CSV with gzip, one file",
		Licence:     "free use with attribution",
		Terms:       "https://www.first.org/epss/",
		MayPassOn:   true,
		Contributes: feed.Enrichment,
		Default:     true,
		First:       feed.Cost{Download: 3 << 20, Disk: 4 << 20, Memory: 64 << 20, Time: 10 * time.Second},
		Feed: func(s feed.Setup, _ string) (feed.Feed, error) {
			return catalog{s, exploit.EPSS, "epss_scores-current.csv.gz"}, nil
		},
	}
}

// A catalog is the feed of one catalog, which is one file.
type catalog struct {
	feed.Setup
	kind exploit.Kind
	file string
}

// A state is what an update saves for the next one.
type state struct {
	feed.State
	Version feed.Version `json:"version"`
}

// Origin implements feed.Feed. It is also the origin of a catalog that is imported from
// a file.
func (c catalog) Origin() store.Origin { return store.Origin{Source: string(c.kind)} }

// Update implements feed.Feed.
func (c catalog) Update(ctx context.Context, st feed.Store, now time.Time) (feed.Outcome, error) {
	s, _, err := feed.LoadState[state](ctx, st, c.Origin(), c.Mirror)
	if err != nil {
		return feed.Outcome{}, err
	}
	s.Place = c.Mirror.String()
	path := filepath.Join(c.Dir, c.file)
	version, err := c.Mirror.Save(ctx, c.file, path, maxFile, s.Version)
	if errors.Is(err, feed.ErrUnchanged) {
		encoded, err := feed.EncodeState(s)
		if err != nil {
			return feed.Outcome{}, err
		}
		return feed.Outcome{}, st.FeedState(ctx, c.Origin(), now, encoded)
	}
	if err != nil {
		return feed.Outcome{}, err
	}
	l, err := parse(path, c.kind)
	if err = errors.Join(err, os.Remove(path)); err != nil {
		return feed.Outcome{}, err
	}
	s.Version = version
	encoded, err := feed.EncodeState(s)
	if err != nil {
		return feed.Outcome{}, err
	}
	im := store.Import{Origin: c.Origin(), At: now, State: encoded}
	changed, err := st.KeepList(ctx, im, store.List{Kind: string(l.Kind), Published: l.Published, Entries: len(l.Entries), Body: l.Encode()})
	o := feed.Outcome{Whole: true}
	if changed {
		o.Changed = 1
	}
	return o, err
}

func parse(path string, kind exploit.Kind) (exploit.List, error) {
	f, err := os.Open(path)
	if err != nil {
		return exploit.List{}, err
	}
	l, err := exploit.Parse(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return exploit.List{}, err
	}
	if l.Kind != kind {
		return exploit.List{}, fmt.Errorf("the file is the catalog %q", l.Kind)
	}
	return l, nil
}
