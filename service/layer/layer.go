// Package layer lays the layers of a finished image over each other in a folder, as a
// container engine does, and makes the inventory of the resulting tree. An image is hostile
// input: what it writes, and how much, is bounded, and nothing leaves the folder.
package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"assay/inspect/inventory"
)

// A Blob is one layer: a tar archive, plain or compressed with gzip or zstd. Its content says
// how it is compressed.
type Blob struct {
	// Digest is the digest of what Open returns, such as "sha256:…". It is checked if it is
	// not empty.
	Digest string
	// DiffID is the digest of the archive without compression. It is checked if it is not
	// empty.
	DiffID string
	// MediaType is the media type of the layer in its manifest. If it is not empty, it must be
	// one of those that CheckMediaType accepts.
	MediaType string
	// CreatedBy is the command that made the layer, from the history of the image, or empty.
	CreatedBy string
	// Open opens the layer. It may be called several times.
	Open func(context.Context) (io.ReadCloser, error)
}

// An Image is a finished image for one platform.
type Image struct {
	Name     string // as the caller names it, for people: "registry.example.com/shop:1"
	Digest   string // of the manifest, or empty
	Platform string // "linux/amd64", or empty
	Layers   []Blob // the lowest first
}

// Limits bound what an image may use. Inspect fails for an image that exceeds them.
type Limits struct {
	Layers  int   // number of layers
	Blob    int64 // bytes of one layer, as sent
	Bytes   int64 // bytes of all files of all layers
	Entries int   // entries of all archives
}

// DefaultLimits returns limits for the largest usual images.
func DefaultLimits() Limits {
	return Limits{Layers: 512, Blob: 16 << 30, Bytes: 64 << 30, Entries: 4_000_000}
}

// A Layer describes a layer that was read.
type Layer struct {
	Digest    string // of the layer as sent
	DiffID    string // of the archive
	CreatedBy string
	Bytes     int64 // as sent
}

// A Result is what Inspect found. Layer of each package is the DiffID of the layer that
// brought it.
type Result struct {
	Inventory inventory.Inventory
	Layers    []Layer // as in the image
	// Modified is when the package databases of the system were last modified, according to
	// the layers, or zero if that is unknown; see inspect.Modified.
	Modified time.Time
}

// An Error is the error of an image that cannot be evaluated because of what it contains: a
// layer that is no archive, a digest that does not match, an exceeded limit.
type Error struct {
	Layer int // index of the layer, or -1
	Err   error
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// Inspect makes a folder in dir, lays the layers of the image over each other in it, makes
// the inventory, and removes the folder. The result is that of inspect.Inspect on the
// filesystem of a container of the image. An error that wraps *Error is the image's fault.
func Inspect(ctx context.Context, dir string, img Image, limits Limits) (Result, error) {
	return Result{}, errors.New("not implemented")
}

// CheckMediaType returns an error for the media type of a layer that Inspect cannot read: one
// that is encrypted, that is not stored in the registry, or that is unknown.
func CheckMediaType(mediaType string) error {
	name, parameter, _ := strings.Cut(mediaType, ";")
	switch strings.TrimSpace(name) {
	case "application/vnd.oci.image.layer.v1.tar",
		"application/vnd.oci.image.layer.v1.tar+gzip",
		"application/vnd.oci.image.layer.v1.tar+zstd",
		"application/vnd.docker.image.rootfs.diff.tar",
		"application/vnd.docker.image.rootfs.diff.tar.gzip",
		"application/vnd.docker.image.rootfs.diff.tar.zstd":
		if parameter == "" {
			return nil
		}
	}
	switch {
	case strings.Contains(mediaType, "encrypted"):
		return fmt.Errorf("layer of type %q is encrypted", mediaType)
	case strings.Contains(mediaType, "nondistributable"), strings.Contains(mediaType, "foreign"):
		return fmt.Errorf("layer of type %q is not stored in the registry", mediaType)
	}
	return fmt.Errorf("unsupported type of layer %q", mediaType)
}

// Clean removes the folders that killed processes have left in dir. Those that are in use are
// kept. A dir that does not exist is no error.
func Clean(dir string) error { return nil }
