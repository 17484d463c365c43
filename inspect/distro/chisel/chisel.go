// Package chisel reads the manifest that Chisel leaves in images of Ubuntu's package
// slices. Such images have no database of dpkg.
package chisel

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"assay/inspect/ident"
	"assay/inspect/inventory"

	"github.com/klauspost/compress/zstd"
)

const (
	// Kind is the kind of the evidence.
	Kind = "chisel"
	// Limit is how many bytes of a manifest are read. It has a line for each file, which
	// takes some 25 bytes when it is compressed.
	Limit = 16 << 20
	// maxText is how many bytes it may have when it is decompressed.
	maxText = 64 << 20
	// maxWindow bounds the decoder's memory. Chisel's own manifests need 8 MiB.
	maxWindow = 8 << 20
	// maxLine bounds a line.
	maxLine = 64 << 10
	// maxPackages bounds the packages of a manifest.
	maxPackages = 100_000
)

// ManifestFiles are the paths where a manifest may be.
func ManifestFiles() []string { return []string{"var/lib/chisel/manifest.wall"} }

// ReadManifest reads a manifest at path and returns its packages. It does not say
// which source packages they were built from: Source and SourceVersion are empty.
//
// An error names the first line that is broken and how many more are; the packages of
// the others are returned with it. Broken is also a manifest that does not have as many
// lines as its first one says.
func ReadManifest(r io.Reader, path string) ([]inventory.Package, error) {
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(maxText))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	defer d.Close()
	return readText(d, path)
}

// An entry is a line of a manifest: the first one, or a package. Other lines are about
// slices and files.
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

// readText reads a manifest that is decompressed.
func readText(r io.Reader, path string) ([]inventory.Package, error) {
	var packages []inventory.Package
	var first error
	broken := 0
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
			if broken++; first == nil {
				first = fmt.Errorf("line %d: invalid JSON", lines)
			}
			continue
		}
		if lines == 1 {
			if major, _, _ := strings.Cut(e.JSONWall, "."); major != "1" {
				return nil, fmt.Errorf("line 1: unsupported version %q of jsonwall", e.JSONWall)
			}
			count = e.Count
			continue
		}
		if e.Kind != "package" {
			continue
		}
		switch {
		case !e.valid():
			if broken++; first == nil {
				first = fmt.Errorf("line %d: invalid package %q %q %q", lines, e.Name, e.Version, e.Arch)
			}
			continue
		case len(packages) == maxPackages:
			return packages, fmt.Errorf("line %d: more than %d packages", lines, maxPackages)
		}
		packages = append(packages, inventory.Package{
			Type: "deb", Name: e.Name, Version: e.Version, Arch: e.Arch,
			Evidence: []inventory.Evidence{{Path: path, Kind: Kind}},
		})
	}
	if broken > 1 {
		first = fmt.Errorf("%w, and %d more broken lines", first, broken-1)
	}
	switch {
	case s.Err() != nil:
		return packages, fmt.Errorf("line %d: %w", lines+1, s.Err())
	case text.N == 0:
		return packages, fmt.Errorf("decompressed larger than %d bytes", maxText)
	case first != nil:
		return packages, first
	case lines == 0:
		return nil, errors.New("empty")
	case lines != count:
		return packages, fmt.Errorf("%d lines, not %d", lines, count)
	}
	return packages, nil
}
