// Package drupal is the feed of Drupal's security advisories, which its security team
// publishes as OSV records in a repository
// (https://github.com/DrupalSecurityTeam/drupal-advisory-database).
package drupal

import (
	"iter"
	"path"
	"strings"
	"time"

	"assay/service/advisory/load"
	"assay/service/feed"
	"assay/service/feed/whole"
	"assay/service/store"
)

// Name is the name of the source.
const Name = "drupal"

// Bounds of what is read. The repository has about 600 advisories, in 1 MiB.
const maxArchive = 64 << 20

var limits = feed.Limits{Entries: 100_000, Entry: 4 << 20, Total: 1 << 30}

// Source describes the source. The records are of the ecosystem Packagist for Drupal
// itself, and of "Packagist:https://packages.drupal.org/8" for its modules and themes.
// Composer names both "drupal/…".
func Source() feed.Source {
	return feed.Source{
		Name:        Name,
		Title:       "Drupal security advisories",
		Address:     "https://github.com/DrupalSecurityTeam/drupal-advisory-database/archive",
		Format:      "archive of OSV records",
		Licence:     "MIT",
		Terms:       "https://github.com/DrupalSecurityTeam/drupal-advisory-database/blob/HEAD/LICENSE",
		MayPassOn:   true,
		Contributes: feed.Advisories,
		Ecosystems:  []string{"Packagist:https://packages.drupal.org/8"}, // other packages of Packagist do not need it
		Default:     true,
		First:       feed.Cost{Download: 1 << 20, Disk: 4 << 20, Memory: 16 << 20, Time: 10 * time.Second},
		Feed: func(s feed.Setup, _ string) (feed.Feed, error) {
			return whole.Feed{
				Setup:   s,
				Source:  Name,
				Files:   []whole.File{{Name: "HEAD.tar.gz", Limit: maxArchive}},
				Records: func(paths []string) iter.Seq2[store.Record, error] { return records(paths[0]) },
			}, nil
		},
	}
}

// records yields the advisories of an archive of the repository. Other files are ignored.
func records(archive string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for e, err := range feed.Archive(archive, limits) {
			if err != nil {
				yield(store.Record{}, err)
				return
			}
			name := path.Base(e.Name)
			if !strings.HasPrefix(name, "DRUPAL-") || path.Ext(name) != ".json" {
				continue
			}
			b, err := e.Bytes()
			if err != nil {
				yield(store.Record{}, err)
				return
			}
			r, err := load.Record(b)
			if err != nil {
				r, err = store.Record{}, whole.Rejected(name, err)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}
