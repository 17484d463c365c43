package source

import (
	"archive/tar"
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"

	"assay/service/layer"
)

// Bounds of an archive.
const (
	maxArchiveEntries = 200_000
	maxArchiveLinks   = 8
	maxNamed          = 20 // images that an error names
)

// An Archive names an image in a file or folder.
type Archive struct {
	// Path is a tar archive of docker save, podman save or in the OCI layout, plain or
	// compressed with gzip or zstd, or a folder in the OCI layout.
	Path string
	// Name is what errors call it, and the image if it has no name; empty is Path.
	Name string
	// Image is which one of several images is meant: its name and tag, or its digest. It is
	// needed only if there are several.
	Image string
	// Platform is as in Request.
	Platform string
	// Dir is a folder for a decompressed archive, which has at most MaxBytes. A compressed
	// archive is an error if Dir is empty.
	Dir      string
	MaxBytes int64
}

// Open returns the image. Close it once its layers were read. The error wraps *Error, unless
// the file cannot be opened.
func (a Archive) Open(ctx context.Context) (img layer.Image, close func() error, err error) {
	a.Name = cmp.Or(a.Name, a.Path)
	none := func(err error) (layer.Image, func() error, error) { return layer.Image{}, nil, err }
	want, err := parsePlatform(a.Platform)
	if err != nil {
		return none(err)
	}
	info, err := os.Stat(a.Path)
	if err != nil {
		return none(err)
	}
	var files archiveFiles
	switch {
	case info.IsDir():
		root, err := os.OpenRoot(a.Path)
		if err != nil {
			return none(err)
		}
		files = folder{root}
	case !info.Mode().IsRegular():
		return none(fail(Malformed, "name a file or a folder", "%q is not a regular file", a.Name))
	default:
		if files, err = a.tar(ctx); err != nil {
			return none(err)
		}
	}
	if img, err = a.image(files, want); err != nil {
		return none(errors.Join(err, files.Close()))
	}
	return img, files.Close, nil
}

func (a Archive) image(files archiveFiles, want v1.Platform) (layer.Image, error) {
	// Docker writes both since version 25. Its own file lists only what is in the archive.
	img, err := a.dockerImage(files, want)
	if errors.Is(err, fs.ErrNotExist) {
		img, err = a.layoutImage(files, want)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = fail(Invalid, "it needs manifest.json, as docker save writes it, or index.json of an OCI layout", "%q is not an archive of an image", a.Name)
	}
	return img, err
}

// archiveFiles are the files of an archive by their clean names. The errors for one that does
// not exist wrap fs.ErrNotExist.
type archiveFiles interface {
	open(name string) (io.ReadCloser, error)
	Close() error
}

// content reads a small file.
func content(files archiveFiles, name string, max int64) ([]byte, error) {
	f, err := files.open(name)
	if err != nil {
		return nil, err
	}
	return bounded(f, max, path.Base(name))
}

// missing is the error of a file that another one names.
func missing(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fail(Invalid, "save the image again", "the archive lacks %q", name)
	}
	return err
}

// dockerImage reads an archive of docker save.
func (a Archive) dockerImage(files archiveFiles, want v1.Platform) (layer.Image, error) {
	none := func(err error) (layer.Image, error) { return layer.Image{}, err }
	text, err := content(files, "manifest.json", maxManifest)
	if err != nil {
		return none(err)
	}
	var images []dockerManifest
	if err := decode(text, &images, "manifest.json"); err != nil {
		return none(err)
	}
	m, err := a.dockerChoice(images)
	if err != nil {
		return none(err)
	}
	config, err := content(files, path.Clean(m.Config), maxConfig)
	if err != nil {
		return none(missing(m.Config, err))
	}
	digest, err := digestOf(config)
	if err != nil {
		return none(err)
	}
	if named := digestIn(m.Config); named != "" && named != digest {
		return none(fail(Invalid, "", "the configuration %q has the digest %s", m.Config, digest))
	}
	img, err := configured(config, len(m.Layers), want, a.Platform != "")
	if err != nil {
		return none(err)
	}
	for i, name := range m.Layers {
		if strings.HasPrefix(name, "blobs/") { // of the OCI layout, whose names are digests
			img.Layers[i].Digest = digestIn(name)
		}
		img.Layers[i].Open = opener(files, path.Clean(name))
	}
	img.Name = filepath.Base(a.Name)
	if len(m.RepoTags) > 0 {
		img.Name = m.RepoTags[0]
	}
	img.Name = cmp.Or(a.Image, img.Name)
	return img, nil
}

// A dockerManifest is an image in the manifest.json of docker save.
type dockerManifest struct {
	Config   string
	RepoTags []string
	Layers   []string
}

func (a Archive) dockerChoice(images []dockerManifest) (dockerManifest, error) {
	var names []string
	for _, m := range images {
		id := digestIn(m.Config)
		if a.Image != "" && (slices.ContainsFunc(m.RepoTags, func(tag string) bool { return sameName(tag, a.Image) }) ||
			id != "" && (id == a.Image || id == "sha256:"+a.Image)) {
			return m, nil
		}
		names = append(names, strings.Join(m.RepoTags, ", "))
		if len(m.RepoTags) == 0 {
			names[len(names)-1] = cmp.Or(id, m.Config)
		}
	}
	if a.Image == "" && len(images) == 1 {
		return images[0], nil
	}
	return dockerManifest{}, a.ambiguous(names)
}

// sameName reports whether two names mean the same tag. Docker leaves out the host and the
// folder of its own registry, and podman writes them.
func sameName(a, b string) bool {
	short := func(s string) string {
		s = strings.TrimPrefix(strings.TrimPrefix(s, "docker.io/"), "library/")
		if s != "" && !strings.Contains(path.Base(s), ":") {
			s += ":latest"
		}
		return s
	}
	return short(a) == short(b)
}

const chooseHint = "name one of them: assayd scan has --image, and the API the parameter image"

// ambiguous is the error of an archive in which no image or several could be meant.
func (a Archive) ambiguous(names []string) error {
	if len(names) == 0 {
		return fail(Invalid, "", "%q holds no image", a.Name)
	}
	there := strings.Join(names[:min(len(names), maxNamed)], ", ")
	if len(names) > maxNamed {
		there += fmt.Sprintf(" and %d more", len(names)-maxNamed)
	}
	if a.Image != "" {
		return fail(NotFound, chooseHint, "%q has no image %q, but %s", a.Name, a.Image, there)
	}
	return fail(Ambiguous, chooseHint, "%q holds several images: %s", a.Name, there)
}

// digestIn returns the digest that a file is named by, as "blobs/sha256/HEX" or "HEX.json", or
// an empty string.
func digestIn(name string) string {
	hex := strings.TrimSuffix(path.Base(name), ".json")
	if len(hex) != 64 || strings.Trim(hex, "0123456789abcdef") != "" {
		return ""
	}
	return "sha256:" + hex
}

// layoutImage reads the OCI layout.
func (a Archive) layoutImage(files archiveFiles, want v1.Platform) (layer.Image, error) {
	none := func(err error) (layer.Image, error) { return layer.Image{}, err }
	text, err := content(files, "index.json", maxManifest)
	if err != nil {
		return none(err)
	}
	name, d, err := a.layoutChoice(text, want)
	if err != nil {
		return none(err)
	}
	manifest, digest, err := layoutManifest(files, d, want)
	if err != nil {
		return none(err)
	}
	var m v1.Manifest
	if err := decode(manifest, &m, "manifest"); err != nil {
		return none(err)
	}
	config, err := blob(files, m.Config, maxConfig, "configuration of the image")
	if err != nil {
		return none(err)
	}
	img, layers, err := imageOf(manifest, config, want, a.Platform != "")
	if err != nil {
		return none(err)
	}
	for i, l := range layers {
		img.Layers[i].Open = opener(files, blobName(l.Digest))
	}
	img.Name, img.Digest = cmp.Or(a.Image, name, filepath.Base(a.Name)), digest
	return img, nil
}

// layoutChoice returns the name, which may be empty, and the manifest of the image that is
// meant.
func (a Archive) layoutChoice(text []byte, want v1.Platform) (string, v1.Descriptor, error) {
	var index v1.IndexManifest
	if err := decode(text, &index, "index.json"); err != nil {
		return "", v1.Descriptor{}, err
	}
	var names []string
	var meant []v1.Descriptor
	for _, d := range index.Manifests {
		if attestation(d) {
			continue
		}
		name := layoutName(d)
		names = append(names, cmp.Or(name, d.Digest.String()))
		if a.Image == "" || a.Image == d.Digest.String() || name != "" && (sameName(name, a.Image) || d.Annotations[refName] == a.Image) {
			meant = append(meant, d)
		}
	}
	if len(meant) == 0 {
		return "", v1.Descriptor{}, a.ambiguous(names)
	}
	if len(meant) > 1 {
		// Those of several platforms under one name are one image.
		name := layoutName(meant[0])
		platforms := map[string]bool{}
		for _, d := range meant {
			if d.Platform == nil || layoutName(d) != name || platforms[d.Platform.String()] {
				return "", v1.Descriptor{}, a.ambiguous(names)
			}
			platforms[d.Platform.String()] = true
		}
		d, err := chooseOf(meant, want)
		return name, d, err
	}
	return layoutName(meant[0]), meant[0], nil
}

// refName is the annotation with the tag, or the whole name, of a manifest in an OCI layout.
const refName = "org.opencontainers.image.ref.name"

func layoutName(d v1.Descriptor) string {
	return cmp.Or(d.Annotations["io.containerd.image.name"], d.Annotations[refName])
}

func layoutManifest(files archiveFiles, d v1.Descriptor, want v1.Platform) (text []byte, digest string, err error) {
	for range maxNested {
		if text, err = blob(files, d, maxManifest, "manifest"); err != nil {
			return nil, "", err
		}
		index, err := kindOf(text, d.MediaType)
		if err != nil || !index {
			return text, d.Digest.String(), err
		}
		if d, err = choose(text, want); err != nil {
			return nil, "", err
		}
	}
	return nil, "", fail(Invalid, "", "indexes are nested more than %d deep", maxNested)
}

func blobName(h v1.Hash) string { return path.Join("blobs", h.Algorithm, h.Hex) }

// blob reads a small blob of an OCI layout and checks its digest.
func blob(files archiveFiles, d v1.Descriptor, max int64, what string) ([]byte, error) {
	if d.Digest == (v1.Hash{}) {
		return nil, fail(Invalid, "", "the %s has no digest", what)
	}
	name := blobName(d.Digest)
	text, err := content(files, name, max)
	if err != nil {
		return nil, missing(name, err)
	}
	return text, sum(text, d.Digest, what)
}

func opener(files archiveFiles, name string) func(context.Context) (io.ReadCloser, error) {
	return func(context.Context) (io.ReadCloser, error) {
		f, err := files.open(name)
		if err != nil {
			return nil, missing(name, err)
		}
		return f, nil
	}
}

// A folder is an OCI layout that is not in an archive. Nothing outside of it is opened.
type folder struct{ root *os.Root }

func (f folder) open(name string) (io.ReadCloser, error) {
	name = filepath.FromSlash(name)
	// A FIFO would block, and a link may lead to one.
	info, err := f.root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fail(Invalid, "", "%q is not a regular file", name)
	}
	return f.root.Open(name)
}

func (f folder) Close() error { return f.root.Close() }

// A tarFile is a tar archive with the positions of its files.
type tarFile struct {
	file    *os.File
	entries map[string]tarEntry
	remove  bool
}

type tarEntry struct {
	at, size int64
	link     string // the clean name of another entry, or empty
}

func (t *tarFile) open(name string) (io.ReadCloser, error) {
	for range maxArchiveLinks {
		e, ok := t.entries[name]
		if !ok {
			return nil, fmt.Errorf("%q: %w", name, fs.ErrNotExist)
		}
		if e.link == "" {
			return io.NopCloser(io.NewSectionReader(t.file, e.at, e.size)), nil
		}
		name = e.link
	}
	return nil, fail(Invalid, "", "too many links from %q", name)
}

func (t *tarFile) Close() error {
	err := t.file.Close()
	if t.remove {
		err = errors.Join(err, os.Remove(t.file.Name()))
	}
	return err
}

// tar opens the archive, which it decompresses to a file first if necessary.
func (a Archive) tar(ctx context.Context) (*tarFile, error) {
	f, err := os.Open(a.Path)
	if err != nil {
		return nil, err
	}
	t := &tarFile{file: f, entries: map[string]tarEntry{}}
	if err := a.decompress(ctx, t); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	if err := t.index(ctx); err != nil {
		if _, ok := errors.AsType[*Error](err); !ok && ctx.Err() == nil {
			err = fail(Invalid, "name an archive of docker save, or in the OCI layout", "%q is not a tar archive: %w", a.Name, err)
		}
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// decompress replaces the file of t by a decompressed copy if it is compressed.
func (a Archive) decompress(ctx context.Context, t *tarFile) error {
	r, err := decompressor(t.file, a.Name)
	if err != nil || r == nil {
		return err
	}
	defer r.Close()
	if a.Dir == "" {
		return fail(Unsupported, "decompress it", "%q is compressed", a.Name)
	}
	out, err := os.CreateTemp(a.Dir, "archive-*.tar")
	if err != nil {
		return err
	}
	n, err := io.Copy(out, io.LimitReader(&interrupted{ctx, r}, a.MaxBytes+1))
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case err != nil && !errors.Is(err, fs.ErrInvalid) && !writeFailed(err):
		err = fail(Invalid, "copy or save it again", "decompress %q: %w", a.Name, err)
	case err == nil && n > a.MaxBytes:
		err = fail(TooLarge, "", "%q has more than %d MiB without compression", a.Name, a.MaxBytes>>20)
	}
	if err != nil {
		return errors.Join(err, out.Close(), os.Remove(out.Name()))
	}
	err = t.file.Close()
	t.file, t.remove = out, true
	return err
}

// writeFailed reports whether an error is that of a file and not of what was decompressed.
func writeFailed(err error) bool {
	_, ok := errors.AsType[*fs.PathError](err)
	return ok
}

// maxWindow is the largest window of zstd, in bytes, which a decoder holds in memory.
const maxWindow = 64 << 20

// decompressor returns a reader that decompresses the file of a name, or nil if it is not
// compressed. The file is at its beginning then.
func decompressor(f *os.File, name string) (io.ReadCloser, error) {
	var magic [4]byte
	n, err := f.ReadAt(magic[:], 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch b := magic[:n]; {
	case bytes.HasPrefix(b, []byte{0x1f, 0x8b}):
		r, err := gzip.NewReader(bufio.NewReaderSize(f, 256<<10))
		if err != nil {
			return nil, fail(Invalid, "copy or save it again", "decompress %q: %w", name, err)
		}
		return r, nil
	case bytes.HasPrefix(b, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		r, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, fail(Invalid, "copy or save it again", "decompress %q: %w", name, err)
		}
		return r.IOReadCloser(), nil
	}
	return nil, nil
}

// An interrupted reader ends with its context.
type interrupted struct {
	ctx context.Context
	r   io.Reader
}

func (i *interrupted) Read(b []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(b)
}

// index finds the entries. The reader of the archive skips their content.
func (t *tarFile) index(ctx context.Context) error {
	size, err := t.file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := t.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	r := tar.NewReader(t.file)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if len(t.entries) >= maxArchiveEntries {
			return fail(TooLarge, "", "the archive has more than %d entries", maxArchiveEntries)
		}
		e := tarEntry{size: h.Size}
		name := path.Clean(strings.TrimLeft(h.Name, "/"))
		switch h.Typeflag {
		case tar.TypeReg:
			if sparse(h) {
				return fail(Unsupported, "", "the archive has the sparse file %q", name)
			}
			if e.at, err = t.file.Seek(0, io.SeekCurrent); err != nil {
				return err
			}
			if e.at+e.size > size {
				return fail(Invalid, "copy or save it again", "the archive is truncated in %q", name)
			}
		case tar.TypeSymlink:
			e.link = path.Join(path.Dir(name), h.Linkname)
		case tar.TypeLink:
			e.link = path.Clean(strings.TrimLeft(h.Linkname, "/"))
		case tar.TypeGNUSparse:
			return fail(Unsupported, "", "the archive has the sparse file %q", name)
		default:
			continue
		}
		t.entries[name] = e
	}
}

// sparse reports whether the content of a file is not stored as it is.
func sparse(h *tar.Header) bool {
	for name := range h.PAXRecords {
		if strings.HasPrefix(name, "GNU.sparse.") {
			return true
		}
	}
	return false
}
