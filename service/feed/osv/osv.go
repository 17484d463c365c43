// Package osv is the feed of the public bucket of OSV (https://osv.dev,
// https://google.github.io/osv.dev/data/), or of a mirror in its form:
//
//	ecosystems.txt                the ecosystems, one on each line
//	<Ecosystem>/all.zip           all records, each as <ID>.json
//	<Ecosystem>/modified_id.csv   modification time and id of each record; newest first
//	<Ecosystem>/<ID>.json         one record
//
// The first update of an ecosystem reads all.zip. Later ones read modified_id.csv and
// then the records that are newer than the last time, or all.zip again if there are many
// of these. Records that are no longer listed are removed.
package osv

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"assay/service/feed"
	"assay/service/store"
)

// PublicBucket is the address at which the OSV project publishes the data.
const PublicBucket = "https://osv-vulnerabilities.storage.googleapis.com"

// Bounds of what is read. The largest ecosystems have half a million records.
const (
	maxNames      = 1 << 20   // bytes of ecosystems.txt
	maxEcosystems = 1000      //
	maxListing    = 512 << 20 // bytes of modified_id.csv
	maxRecords    = 2 << 20   // its lines
	maxArchive    = 8 << 30   // bytes of all.zip
)

// Source describes OSV. The ecosystems are its parts, and share records.
func Source() feed.Source {
	return feed.Source{
		Name:        Name,
		Title:       "OSV",
		Address:     PublicBucket,
		Format:      "archives and single records of OSV, for each ecosystem",
		Licence:     "CC-BY-4.0 and others",
		Terms:       "https://google.github.io/osv.dev/data/",
		MayPassOn:   true,
		Contributes: feed.Advisories,
		Default:     true,
		First:       feed.Cost{Download: 1500 << 20, Disk: 6 << 30, Memory: 256 << 20, Time: 30 * time.Minute},
		Parts:       ecosystems,
		PartHint:    "--mirror reads a copy of the bucket, an address or a folder",
		Feed: func(s feed.Setup, part string) (feed.Feed, error) {
			if err := checkEcosystem(part); err != nil {
				return nil, err
			}
			return &ecosystem{s, part}, nil
		},
	}
}

// ecosystems returns the names of the ecosystems in the bucket, in its order. It leaves
// out names in brackets: "[EMPTY]" has the records that name no ecosystem.
func ecosystems(ctx context.Context, s feed.Setup) ([]string, error) {
	text, _, err := s.Mirror.Get(ctx, "ecosystems.txt", maxNames, feed.Version{})
	if err != nil {
		return nil, fmt.Errorf("ecosystems of %s: %w", s.Mirror, err)
	}
	names, err := parseEcosystems(string(text))
	if err != nil {
		return nil, fmt.Errorf("ecosystems of %s: %w", s.Mirror, err)
	}
	return names, nil
}

func parseEcosystems(text string) ([]string, error) {
	var names []string
	for line := range strings.Lines(text) {
		name := strings.TrimRight(line, "\r\n")
		if name == "" || strings.HasPrefix(name, "[") {
			continue
		}
		if err := checkEcosystem(name); err != nil {
			return nil, err
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		if len(names) > maxEcosystems {
			return nil, fmt.Errorf("more than %d", maxEcosystems)
		}
	}
	if len(names) == 0 {
		return nil, errors.New("the list is empty")
	}
	return names, nil
}

// checkEcosystem checks that a name can be the name of a folder and of a source.
func checkEcosystem(name string) error {
	bad := func(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune(`/\<>"'%?#*|&;`, r) }
	if name == "" || len(name) > 100 || strings.ContainsFunc(name, bad) || strings.HasPrefix(name, ".") || strings.TrimSpace(name) != name {
		return fmt.Errorf("invalid ecosystem name %.100q", name)
	}
	return nil
}

// Name is the name of the source.
const Name = "osv"

type ecosystem struct {
	feed.Setup
	name string
}

// Origin implements feed.Feed.
func (e *ecosystem) Origin() store.Origin { return store.Origin{Source: Name, Part: e.name} }

// file returns the name of a file of the ecosystem in the bucket.
func (e *ecosystem) file(name string) string { return e.name + "/" + name }

// archivePath returns the path at which all.zip is stored until it is read.
func (e *ecosystem) archivePath() string { return filepath.Join(e.Dir, e.name+".zip") }
