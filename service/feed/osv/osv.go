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

// A Bucket is the data in one mirror.
type Bucket struct {
	Mirror feed.Mirror
	// Dir is a folder for downloads, to which nobody else may write.
	Dir string
}

// Ecosystems returns the names of the ecosystems in the bucket, in its order. It leaves
// out names in brackets: "[EMPTY]" has the records that name no ecosystem.
func (b Bucket) Ecosystems(ctx context.Context) ([]string, error) {
	text, _, err := b.Mirror.Get(ctx, "ecosystems.txt", maxNames, feed.Version{})
	if err != nil {
		return nil, fmt.Errorf("ecosystems of %s: %w", b.Mirror, err)
	}
	names, err := parseEcosystems(string(text))
	if err != nil {
		return nil, fmt.Errorf("ecosystems of %s: %w", b.Mirror, err)
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

// Source is the source of all records. The ecosystems are its parts, and share records.
const Source = "osv"

// Origin returns the origin of the records of one ecosystem.
func Origin(ecosystem string) store.Origin {
	return store.Origin{Source: Source, Part: ecosystem}
}

// Ecosystem returns the feed of one ecosystem, "Debian" or "crates.io".
func (b Bucket) Ecosystem(name string) (feed.Feed, error) {
	if err := checkEcosystem(name); err != nil {
		return nil, err
	}
	return &ecosystem{b, name}, nil
}

type ecosystem struct {
	bucket Bucket
	name   string
}

// Origin implements feed.Feed.
func (e *ecosystem) Origin() store.Origin { return Origin(e.name) }

// file returns the name of a file of the ecosystem in the bucket.
func (e *ecosystem) file(name string) string { return e.name + "/" + name }

// archivePath returns the path at which all.zip is stored until it is read.
func (e *ecosystem) archivePath() string { return filepath.Join(e.bucket.Dir, e.name+".zip") }
