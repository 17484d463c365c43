// Package redhat reads what Red Hat's build system records in its images: the content
// sets, which are the repositories that the packages came from, and the CPE of the product
// that the image is of. They decide for which products advisories about a package apply.
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

// ManifestFiles returns the paths of the manifest and of the labels in images built by
// Konflux, the newer build system.
func ManifestFiles() []string {
	return []string{"usr/share/buildinfo/content-sets.json", "usr/share/buildinfo/labels.json", "root/buildinfo/labels.json"}
}

// IsManifest reports whether a file in such a folder is a manifest.
func IsManifest(name string) bool { return strings.HasSuffix(name, ".json") }

// ReadContentSets returns the content sets in a manifest and the CPE in the labels of an
// image, sorted. Each may be missing. Some images have the CPE in quotes of its own.
func ReadContentSets(r io.Reader) ([]string, error) {
	var manifest struct {
		ContentSets []string `json:"content_sets"`
		CPE         string   `json:"cpe"`
	}
	d := json.NewDecoder(r)
	if err := d.Decode(&manifest); err != nil {
		return nil, fmt.Errorf("content manifest: %w", readat.Unexpected(err))
	}
	if len(manifest.ContentSets) > maxSets {
		return nil, fmt.Errorf("content manifest: %d content sets", len(manifest.ContentSets))
	}
	sets := manifest.ContentSets
	if cpe := strings.Trim(manifest.CPE, `"`); cpe != "" {
		sets = append(sets, cpe)
	}
	for i, set := range sets {
		if set == "" || len(set) > maxName {
			return nil, fmt.Errorf("content manifest: content set of %d bytes", len(set))
		}
		sets[i] = inventory.Text(set)
	}
	slices.Sort(sets)
	return slices.Compact(sets), nil
}
