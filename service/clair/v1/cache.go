package v1

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	layers "assay/service/layer"
)

// A Cache keeps layers in a folder, under their digests. If there is no room for another one,
// it removes those that were not used for the longest time.
type Cache struct {
	dir    string
	size   int64 // bytes, at most
	limits layers.Limits

	mu   sync.Mutex
	used int64
	held map[string]int // uses by digest; such layers are not removed
	blob map[string]cached
}

type cached struct {
	size int64
	used time.Time
}

// incoming begins the names of files that are being written.
const incoming = "incoming-"

// OpenCache opens the cache in a folder, which it makes, with at most size bytes. Only one
// process may use the folder.
func OpenCache(dir string, size int64, limits layers.Limits) (*Cache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the cache of layers: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open the cache of layers: %w", err)
	}
	c := &Cache{dir: dir, size: size, limits: limits, held: map[string]int{}, blob: map[string]cached{}}
	for _, e := range entries {
		info, err := e.Info()
		switch {
		case err != nil:
			return nil, fmt.Errorf("open the cache of layers: %w", err)
		case strings.HasPrefix(e.Name(), incoming): // of a process that was killed
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return nil, fmt.Errorf("open the cache of layers: %w", err)
			}
		case info.Mode().IsRegular() && validDigest("sha256:"+e.Name()):
			c.blob["sha256:"+e.Name()] = cached{info.Size(), info.ModTime()}
			c.used += info.Size()
		}
	}
	return c, c.room(0)
}

// validDigest reports whether s is "sha256:" and 64 lower-case hexadecimal digits.
func validDigest(s string) bool {
	text, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(text) == 2*sha256.Size && strings.Trim(text, "0123456789abcdef") == ""
}

func (c *Cache) path(digest string) string {
	return filepath.Join(c.dir, strings.TrimPrefix(digest, "sha256:"))
}

// Add reads a layer to its end, and keeps it if it is a whole tar archive, plain or compressed
// with gzip or zstd. It returns its digest. If want is not empty, another digest is an error. An
// error that wraps *layers.Error is the fault of the layer.
func (c *Cache) Add(ctx context.Context, from io.Reader, want string) (digest string, err error) {
	file, err := os.CreateTemp(c.dir, incoming)
	if err != nil {
		return "", fmt.Errorf("keep a layer: %w", err)
	}
	into := &growing{cache: c, file: file}
	defer func() {
		if err != nil {
			into.drop()
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	defer file.Close()
	sum := sha256.New()
	from = &sized{ctx: ctx, from: from, left: min(c.limits.Blob, c.size)}
	if err := c.check(io.TeeReader(from, io.MultiWriter(into, sum)), want != ""); err != nil {
		return "", err
	}
	digest = "sha256:" + hex.EncodeToString(sum.Sum(nil))
	if want != "" && digest != want {
		return "", fault("could not extract the archive: its digest is %s, and its address says %s", digest, want)
	}
	if err := file.Close(); err != nil {
		return "", fmt.Errorf("keep a layer: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := os.Rename(file.Name(), c.path(digest)); err != nil {
		return "", fmt.Errorf("keep a layer: %w", err)
	}
	c.used -= into.reserved - into.written + c.blob[digest].size
	c.blob[digest] = cached{into.written, time.Now()}
	return digest, nil
}

// A growing writes a new layer, and reserves room for it.
type growing struct {
	cache             *Cache
	file              *os.File
	reserved, written int64
}

const reserve = 4 << 20

func (g *growing) Write(p []byte) (int, error) {
	if more := g.written + int64(len(p)) - g.reserved; more > 0 {
		more = max(more, reserve)
		if err := g.cache.room(more); err != nil {
			return 0, &sourceError{err}
		}
		g.reserved += more
	}
	n, err := g.file.Write(p)
	g.written += int64(n)
	if err != nil {
		err = &sourceError{fmt.Errorf("keep a layer: %w", err)}
	}
	return n, err
}

// drop returns the reserved room.
func (g *growing) drop() {
	g.cache.mu.Lock()
	defer g.cache.mu.Unlock()
	g.cache.used -= g.reserved
}

// fault is an error that is the fault of a layer.
func fault(format string, args ...any) error {
	return &layers.Error{Layer: -1, Err: fmt.Errorf("tarutil: "+format, args...)}
}

// check reads an archive and what follows it to the end. An archive that is not readable from
// beginning to end is an error. One without its end may be truncated, unless its digest is
// known.
func (c *Cache) check(from io.Reader, known bool) error {
	plain, err := layers.Decompress(from)
	if err == nil {
		defer plain.Close()
		err = c.entries(plain, known)
	}
	if err == nil {
		_, err = io.Copy(io.Discard, from) // what follows the compressed data is part of the digest
	}
	if _, ours := errors.AsType[*sourceError](err); ours {
		return err
	}
	if _, bad := errors.AsType[*layers.Error](err); bad || err == nil {
		return err
	}
	return fault("could not extract the archive: %w", err)
}

// entries reads the entries of an archive.
func (c *Cache) entries(plain io.Reader, known bool) error {
	bounded := &sized{from: plain, left: c.limits.Bytes}
	archive := tar.NewReader(bounded)
	for n := 0; ; n++ {
		_, err := archive.Next()
		switch {
		case err == io.EOF && n == 0 && bounded.read == 0:
			return errors.New("it is empty")
		case err == io.EOF && bounded.ended && !known:
			return errors.New("it is truncated: its end is missing")
		case err == io.EOF:
			_, err := io.Copy(io.Discard, bounded)
			return err
		case err != nil:
			return err
		case n >= c.limits.Entries:
			return fault("could not extract the archive: it has more than %d entries", c.limits.Entries)
		}
	}
}

// A sourceError is an error of where a layer comes from, and not of the layer.
type sourceError struct{ error }

func (e *sourceError) Unwrap() error { return e.error }

// sized reads at most left bytes.
type sized struct {
	ctx  context.Context // of a source, or nil
	from io.Reader
	left int64
	read int64
	// ended: a reader was told that nothing follows.
	ended bool
}

func (s *sized) Read(p []byte) (int, error) {
	if s.ctx != nil && s.ctx.Err() != nil {
		return 0, &sourceError{s.ctx.Err()}
	}
	if s.left <= 0 {
		var one [1]byte
		n, err := s.from.Read(one[:])
		if n > 0 {
			return 0, fault("could not extract one or more files from the archive: file too big")
		}
		return 0, s.failed(err)
	}
	n, err := s.from.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	s.read += int64(n)
	s.ended = s.ended || n == 0 && err == io.EOF
	return n, s.failed(err)
}

func (s *sized) failed(err error) error {
	if err == nil || err == io.EOF || s.ctx == nil {
		return err
	}
	return &sourceError{err}
}

// room reserves more bytes, and removes layers until there is room for them.
func (c *Cache) room(more int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used += more
	if c.used <= c.size {
		return nil
	}
	var old []string
	for digest := range c.blob {
		if c.held[digest] == 0 {
			old = append(old, digest)
		}
	}
	slices.SortFunc(old, func(a, b string) int { return c.blob[a].used.Compare(c.blob[b].used) })
	for _, digest := range old {
		if c.used <= c.size {
			return nil
		}
		if err := os.Remove(c.path(digest)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.used -= more
			return fmt.Errorf("make room for a layer: %w", err)
		}
		c.used -= c.blob[digest].size
		delete(c.blob, digest)
	}
	if c.used > c.size {
		c.used -= more
		return fmt.Errorf("make room for a layer: %w", errFull)
	}
	return nil
}

// errFull means that all layers of the cache are in use.
var errFull = errors.New("the layers that are being evaluated fill the cache")

// Hold keeps the layer with a digest until release is called, and reports whether the cache has
// it.
func (c *Cache) Hold(digest string) (release func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, ok := c.blob[digest]
	if !ok {
		return nil, false
	}
	b.used = time.Now()
	c.blob[digest] = b
	_ = os.Chtimes(c.path(digest), b.used, b.used) // for the next process; the order may be wrong then
	c.held[digest]++
	return sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.held[digest]--; c.held[digest] == 0 {
			delete(c.held, digest)
		}
	}), true
}

// Has reports whether the cache has the layer with a digest.
func (c *Cache) Has(digest string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.blob[digest]
	return ok
}

// Open opens a layer that is held.
func (c *Cache) Open(digest string) (io.ReadCloser, error) {
	file, err := os.Open(c.path(digest))
	if err != nil {
		return nil, fmt.Errorf("read a layer: %w", err)
	}
	return file, nil
}
