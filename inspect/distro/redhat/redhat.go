// Package redhat reads the content sets that Red Hat's build system records in its
// images. They are the repositories that the packages came from, and decide for which
// products advisories about a package apply.
package redhat

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"assay/inspect/inventory"
	"assay/inspect/readat"
)

const (
	// Limit is how many bytes of a manifest are read. A manifest that also lists the
	// sources of an image has a megabyte.
	Limit = 4 << 20
	// maxSets bounds the content sets of a manifest, and maxName the bytes of each.
	// Images have about a dozen.
	maxSets = 1000
	maxName = 256
)

// ManifestDirs returns the path of the folder in which each layer built by Red Hat has
// its manifest.
func ManifestDirs() []string { return []string{"root/buildinfo/content_manifests"} }

// ManifestFiles returns the path of the manifest in images built by Konflux, the newer
// build system.
func ManifestFiles() []string { return []string{"usr/share/buildinfo/content-sets.json"} }

// IsManifest reports whether a file in such a folder is a manifest.
func IsManifest(name string) bool { return strings.HasSuffix(name, ".json") }

// ReadContentSets returns the content sets in a manifest, sorted. A manifest may have
// none.
func ReadContentSets(r io.Reader) ([]string, error) {
	var manifest struct {
		ContentSets []string `json:"content_sets"`
	}
	d := json.NewDecoder(r)
	if err := d.Decode(&manifest); err != nil {
		return nil, fmt.Errorf("content manifest: %w", readat.Unexpected(err))
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
