// Package debian is the feed of Debian's security tracker
// (https://security-tracker.debian.org/tracker/data/json).
package debian

import (
	"errors"
	"fmt"
	"iter"
	"time"

	"assay/service/feed"
	"assay/service/feed/whole"
	"assay/service/store"
)

// Name is the name of the source.
const Name = "debian"

const file = "data/json"

// Bounds of what is read. The file has about 70 MB, with 60,000 pairs of a package and a
// vulnerability. The largest package is the kernel.
const (
	maxFile    = 512 << 20
	maxPackage = 64 << 20
	maxPairs   = 500_000
)

// Source describes the source.
func Source() feed.Source {
	return feed.Source{
		Name:        Name,
		Title:       "Debian security tracker",
		Address:     "https://security-tracker.debian.org/tracker",
		Format:      "JSON, one file",
		Licence:     "not stated",
		Terms:       "https://security-tracker.debian.org/tracker/",
		Contributes: feed.Advisories,
		Ecosystems:  []string{"Debian"},
		Default:     true,
		First:       feed.Cost{Download: 70 << 20, Disk: 250 << 20, Memory: 200 << 20, Time: time.Minute},
		Feed: func(s feed.Setup, _ string) (feed.Feed, error) {
			return whole.Feed{
				Setup:   s,
				Source:  Name,
				Files:   []whole.File{{Name: file, Limit: maxFile}},
				Records: func(paths []string) iter.Seq2[store.Record, error] { return records(paths[0]) },
			}, nil
		},
	}
}

// records yields a record for each vulnerability. The file has them by package, so all of
// it is read before the first record.
func records(path string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		t := tracker{issues: make(map[string]*issue), read: make(map[string]bool)}
		for v, err := range whole.ValuesIn(path, maxPackage) {
			if err != nil {
				yield(store.Record{}, err)
				return
			}
			err := t.add(v)
			if errors.Is(err, errTooMany) {
				yield(store.Record{}, err)
				return
			}
			if err != nil && !yield(store.Record{}, whole.Rejected(v.Name, err)) {
				return
			}
		}
		for id, i := range t.sorted() {
			if i.err == nil && len(i.entries) == 0 {
				continue // no release has a package with it
			}
			if !yield(whole.Converted(id, i.advisory(id), i.err)) {
				return
			}
		}
	}
}

var errTooMany = fmt.Errorf("more than %d pairs of a package and a vulnerability", maxPairs)
