// Package layer lays the layers of a finished image over each other in a folder, as a
// container engine does, and makes the inventory of the resulting tree. An image is hostile
// input: what it writes, and how much, is bounded, and nothing leaves the folder.
//
// Layers are read as the OCI image specification describes them
// (https://github.com/opencontainers/image-spec/blob/main/layer.md). Where it leaves
// something open, the result is that of an engine with overlay filesystems, which is what
// Docker and containerd use:
//
//   - Whiteouts and opaque whiteouts hide what lower layers have and nothing of their own
//     layer, wherever in the archive they are. If a layer has both a whiteout for a folder and
//     entries in that folder, the folders are merged, so the whiteout has no effect.
//   - If the folder of an entry is a link or a file of a lower layer, a new folder replaces
//     it. A link of the same layer is followed inside the root.
//   - "..", and links to above the root, lead to the root.
//   - Entries of AUFS (".wh..wh.") other than opaque whiteouts are ignored.
//   - A device with the number 0:0 is a whiteout of overlay filesystems. Other devices and
//     FIFOs replace what is there; none of them is opened.
//   - Of two entries of one name the second counts. A layer that replaces a folder by something
//     else and then by a folder is an error: overlay filesystems show again what was in the
//     first one, and others do not.
//   - A hard link to a file of a lower layer makes a copy of it.
//
// Owners, permissions and extended attributes are ignored, except for whether a file can be
// executed. Everything works without privileges.
package layer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"assay/inspect"
	"assay/inspect/inventory"
	"assay/verdict/hint"

	"golang.org/x/sys/unix"
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
	Bytes   int64 // bytes of all layers without compression, and of all files in them
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
// If the process is killed, the folder stays in dir.
//
// It holds a few MiB in memory, and what inspect.Inspect does, whatever the size of the
// image. A layer that is compressed with zstd needs up to 64 MiB more, the largest window. The
// layers are read once, and the next one is decompressed while the files of one are written.
func Inspect(ctx context.Context, dir string, img Image, limits Limits) (res Result, err error) {
	if err := check(img, limits); err != nil {
		return Result{}, err
	}
	folder, root, err := newFolder(dir)
	if err != nil {
		return Result{}, fmt.Errorf("make a folder for an image: %w", err)
	}
	defer func() {
		if failed := os.RemoveAll(folder); failed != nil && err == nil {
			res, err = Result{}, fmt.Errorf("remove the files of an image: %w", failed)
		}
	}()
	t, err := openTree(root)
	if err != nil {
		return Result{}, err
	}
	defer t.close()
	brought, err := newOrigins(root)
	if err != nil {
		return Result{}, err
	}
	defer brought.close()

	res.Layers, err = t.add(ctx, img, limits, func(i int) {
		if len(img.Layers) > 1 {
			brought.add(ctx, i)
		}
	})
	if err != nil {
		return Result{}, err
	}
	// Nothing is mounted into the folder.
	res.Inventory, err = inspect.Inspect(ctx, root, inspect.Options{Mounts: strings.NewReader("")})
	if err != nil {
		return Result{}, err
	}
	brought.name(res.Inventory.Packages, res.Layers)
	res.Modified = inspect.Modified(root, res.Inventory).Truncate(time.Second)
	return res, nil
}

// add adds the layers of an image to a tree. It calls added after each one.
func (t *tree) add(ctx context.Context, img Image, limits Limits, added func(i int)) (layers []Layer, err error) {
	ctx, cancel := context.WithCancel(ctx)
	s := newStream(ctx, img.Layers, limits)
	defer s.wait()
	defer cancel()
	for i, l := range img.Layers {
		err := s.next(i)
		if err == nil {
			err = t.apply(ctx, i, s, limits)
		}
		var read Layer
		if err == nil {
			read, err = s.finish()
		}
		if err != nil {
			return nil, failure(ctx, t.scratch, img, i, err)
		}
		read.CreatedBy = l.CreatedBy
		layers = append(layers, read)
		added(i)
	}
	return layers, nil
}

// check returns an error if an image is not worth reading.
func check(img Image, limits Limits) error {
	if len(img.Layers) == 0 {
		return &Error{-1, errors.New("the image has no layers")}
	}
	if len(img.Layers) > limits.Layers {
		return &Error{-1, fmt.Errorf("the image has %d layers, more than the limit of %d", len(img.Layers), limits.Layers)}
	}
	for i, l := range img.Layers {
		for _, digest := range []string{l.Digest, l.DiffID} {
			if _, err := newHash(digest); err != nil {
				return &Error{i, inLayer(img, i, err)}
			}
		}
	}
	return nil
}

// failure says in which layer an error occurred, and whose fault it is.
func failure(ctx context.Context, dir string, img Image, i int, err error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("read the layers of the image: %w", context.Cause(ctx))
	}
	_, bad := errors.AsType[badImage](err)
	err = inLayer(img, i, err)
	if bad {
		return &Error{i, err}
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return hint.Errorf(fmt.Sprintf("free space or inodes in %s, or set lower limits for images", dir), "%w", err)
	}
	return err
}

func inLayer(img Image, i int, err error) error {
	name := cmp.Or(img.Layers[i].Digest, img.Layers[i].DiffID)
	if name != "" {
		name = fmt.Sprintf(" (%.19s)", name) // 12 digits of a SHA-256
	}
	return fmt.Errorf("layer %d of %d%s: %w", i+1, len(img.Layers), name, err)
}

// A badImage is an error that is the image's fault.
type badImage struct{ error }

func (b badImage) Unwrap() error { return b.error }

// bad returns an error that is the image's fault.
func bad(format string, args ...any) error { return badImage{fmt.Errorf(format, args...)} }
