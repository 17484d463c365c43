package overrides

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"assay/service/advisory"
	"assay/service/advisory/load"
	"assay/service/feed"
	"assay/service/store"
)

const (
	name    = "nvd-overrides"
	archive = "main.tar.gz"
)

const maxArchive = 512 << 20 // bytes; it has 9 MiB

var limits = feed.Limits{Entries: 1 << 20, Entry: advisory.MaxSize, Total: 4 << 30}

// Source describes the overrides.
func Source() feed.Source {
	return feed.Source{
		Name:        name,
		Title:       "Anchore's overrides for NVD",
		Address:     "https://github.com/anchore/nvd-data-overrides/archive/refs/heads",
		Format:      "JSON, one tar archive",
		Licence:     "CC0-1.0",
		Terms:       "https://github.com/anchore/nvd-data-overrides/blob/main/LICENSE",
		MayPassOn:   true,
		Contributes: feed.Advisories,
		Ecosystems:  []string{"WordPress", "CPE"},
		Default:     true,
		First:       feed.Cost{Download: 10 << 20, Disk: 150 << 20, Memory: 64 << 20, Time: time.Minute},
		Feed:        func(s feed.Setup, _ string) (feed.Feed, error) { return overrides{s}, nil },
	}
}

// overrides is the feed. The repository has one file for each CVE, and GitHub makes an
// archive of it.
type overrides struct{ feed.Setup }

type state struct {
	feed.State
	Version feed.Version `json:"version"`
}

// Origin implements feed.Feed.
func (overrides) Origin() store.Origin { return store.Origin{Source: name} }

// Update implements feed.Feed.
func (f overrides) Update(ctx context.Context, st feed.Store, now time.Time) (feed.Outcome, error) {
	s, _, err := feed.LoadState[state](ctx, st, f.Origin(), f.Mirror)
	if err != nil {
		return feed.Outcome{}, err
	}
	s.Place = f.Mirror.String()
	file := filepath.Join(f.Dir, archive)
	version, err := f.Mirror.Save(ctx, archive, file, maxArchive, s.Version)
	unchanged := errors.Is(err, feed.ErrUnchanged)
	if err != nil && !unchanged {
		return feed.Outcome{}, err
	}
	if !unchanged {
		s.Version = version
	}
	encoded, err := feed.EncodeState(s)
	if err != nil || unchanged {
		return feed.Outcome{}, errors.Join(err, st.FeedState(ctx, f.Origin(), now, encoded))
	}
	im := store.Import{Origin: f.Origin(), At: now, Whole: true, State: encoded}
	got, err := st.Import(ctx, im, records(file))
	return feed.Outcome{Imported: got, Whole: true}, errors.Join(err, os.Remove(file))
}

// records yields the records of an archive.
func records(file string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for e, err := range feed.Archive(file, limits) {
			if err == nil && !isOverride(e.Name) {
				continue
			}
			var r store.Record
			if err == nil {
				r, err = read(e)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// isOverride reports whether a file of the repository has an override.
func isOverride(name string) bool {
	dir, file := path.Split(name)
	return strings.HasPrefix(file, "CVE-") && strings.HasSuffix(file, ".json") && path.Base(path.Dir(path.Clean(dir))) == "data"
}

// read reads one file. If it is not valid, the error wraps store.ErrRejected.
func read(e feed.Entry) (store.Record, error) {
	b, err := e.Bytes()
	if err != nil {
		return store.Record{}, err
	}
	a, err := convert(b)
	if err == nil && path.Base(e.Name) != a.ID+".json" {
		err = fmt.Errorf("the file has the record %q", a.ID)
	}
	var r store.Record
	if err == nil {
		r, err = load.Converted(a)
	}
	if err != nil {
		return store.Record{}, fmt.Errorf("%q: %w: %w", e.Name, store.ErrRejected, err)
	}
	return r, nil
}
