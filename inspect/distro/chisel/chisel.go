// Package chisel reads the manifest that Chisel leaves in images made of slices of
// Ubuntu packages. Such images have no dpkg database.
package chisel

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"assay/inspect/failures"
	"assay/inspect/ident"
	"assay/inspect/inventory"
	"github.com/klauspost/compress/zstd"
)

const (
	// Kind is the kind of the evidence.
	Kind = "chisel"
	// Limit is how many bytes of a manifest are read. It has one line per file, of
	// about 25 bytes when compressed.
	Limit = 16 << 20
	// maxText bounds the decompressed manifest, in bytes.
	maxText = 64 << 20
	// maxWindow bounds the decoder's memory. Chisel's manifests need 8 MiB.
	maxWindow = 8 << 20
	// maxLine bounds a line, in bytes.
	maxLine = 64 << 10
	// maxPackages bounds the packages of a manifest.
	maxPackages = 100_000
)

// ManifestFiles returns the path where a manifest may be.
func ManifestFiles() []string { return []string{"var/lib/chisel/manifest.wall"} }

// ReadManifest reads the manifest at path and returns its packages. A manifest does not
// name source packages, so Source and SourceVersion are empty.
//
// If lines are invalid, the error names the first one and counts the others, and the
// packages of the valid lines are returned with it. It is also an error if the number
// of lines is not the one in the first line.
func ReadManifest(r io.Reader, path string) ([]inventory.Package, error) {
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(maxText))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	defer d.Close()
	return readText(d, path)
}

// An entry is a line of a manifest: the first line, or a package. The other lines
// describe slices and files.
type entry struct {
	JSONWall string `json:"jsonwall"`
	Count    int    `json:"count"`
	Kind     string `json:"kind"`
	Name     string `json:"name"`
	Version  string `json:"version"`
	Arch     string `json:"arch"`
}

// valid reports whether the entry can be a package.
func (e entry) valid() bool {
	return e.Name != "" && e.Version != "" && ident.IsWord(e.Name) && ident.IsWord(e.Version) && ident.IsWord(e.Arch)
}

// readText reads a decompressed manifest.
func readText(r io.Reader, path string) ([]inventory.Package, error) {
	var packages []inventory.Package
	var broken failures.List
	lines, count := 0, 0
	text := &io.LimitedReader{R: r, N: maxText + 1}
	s := bufio.NewScanner(text)
	s.Buffer(nil, maxLine)
	for s.Scan() {
		lines++
		var e entry
		if err := json.Unmarshal(s.Bytes(), &e); err != nil {
			if lines == 1 {
				return nil, errors.New("line 1: not a manifest")
			}
			broken.Add(lines, errors.New("invalid JSON"))
			continue
		}
		if lines == 1 {
			if major, _, _ := strings.Cut(e.JSONWall, "."); major != "1" {
				return nil, fmt.Errorf("line 1: unsupported jsonwall version %q", e.JSONWall)
			}
			count = e.Count
			continue
		}
		if e.Kind != "package" {
			continue
		}
		switch {
		case !e.valid():
			broken.Add(lines, fmt.Errorf("invalid package %q %q %q", e.Name, e.Version, e.Arch))
			continue
		case len(packages) == maxPackages:
			return packages, fmt.Errorf("line %d: more than %d packages", lines, maxPackages)
		}
		packages = append(packages, inventory.Package{
			Type: "deb", Name: e.Name, Version: e.Version, Arch: e.Arch,
			Evidence: []inventory.Evidence{{Path: path, Kind: Kind}},
		})
	}
	switch {
	case s.Err() != nil:
		return packages, fmt.Errorf("line %d: %w", lines+1, s.Err())
	case text.N == 0:
		return packages, fmt.Errorf("larger than %d bytes after decompression", maxText)
	case broken.Len() > 0:
		return packages, broken.Err("invalid lines")
	case lines == 0:
		return nil, errors.New("empty manifest")
	case lines != count:
		return packages, fmt.Errorf("%d lines, but the first line says %d", lines, count)
	}
	return packages, nil
}
