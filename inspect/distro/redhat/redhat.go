// Package redhat reads what Red Hat's build system leaves in its images: the
// content sets, which are the repositories that the packages came from. They
// decide for which products the advisories about a package count.
package redhat

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"assay/inspect/inventory"
)

const (
	// Limit is how many bytes of a manifest are read. One that also lists the
	// sources of an image has a megabyte.
	Limit = 4 << 20
	// maxSets bounds the content sets of a manifest, and maxName the bytes of
	// each; images have a dozen.
	maxSets = 1000
	maxName = 256
)

// ManifestDirs are the paths of the folder where each layer that Red Hat built
// has left its manifest.
func ManifestDirs() []string { return []string{"root/buildinfo/content_manifests"} }

// ManifestFiles are the paths where images of Konflux, the later build system,
// have theirs.
func ManifestFiles() []string { return []string{"usr/share/buildinfo/content-sets.json"} }

// IsManifest reports whether a file of such a folder is a manifest.
func IsManifest(name string) bool { return strings.HasSuffix(name, ".json") }

// ReadContentSets returns the content sets that a manifest names, sorted. There
// are manifests without any.
func ReadContentSets(r io.Reader) ([]string, error) {
	var manifest struct {
		ContentSets []string `json:"content_sets"`
	}
	d := json.NewDecoder(r)
	if err := d.Decode(&manifest); err != nil {
		return nil, fmt.Errorf("content manifest: %w", unexpected(err))
	}
	if len(manifest.ContentSets) > maxSets {
		return nil, fmt.Errorf("content manifest: %d content sets", len(manifest.ContentSets))
	}
	sets := manifest.ContentSets
	for i, set := range sets {
		if set == "" || len(set) > maxName {
			return nil, fmt.Errorf("content manifest: content set of %d bytes", len(set))
		}
		sets[i] = inventory.Text(set)
	}
	slices.Sort(sets)
	return slices.Compact(sets), nil
}

// unexpected tells of an empty file as of one that ends too early.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
