package layer

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	// blockSize and blocks are the size and number of the buffers for archives that were
	// decompressed and not yet written.
	blockSize = 256 << 10
	blocks    = 8
	// maxWindow is the largest window of zstd, in bytes, which a decoder holds in memory. The
	// encoders of container tools use at most 32 MiB.
	maxWindow = 64 << 20
)

// A stream decompresses layers, one after another, ahead of their reader. Its methods are for
// one goroutine, which calls next, Read and finish for each layer.
type stream struct {
	ctx    context.Context
	layers []Blob
	limits Limits
	full   chan block
	free   chan []byte
	done   sync.WaitGroup

	// Of the current layer:
	index int
	rest  []byte // of buf
	buf   []byte
	last  *block // the block that ended the layer
	// failed is why the layer cannot be read.
	failed error
	diff   hash.Hash
	total  int64 // bytes of all archives
}

// A block is a part of an archive, or what follows the last part.
type block struct {
	data []byte
	err  error // io.EOF at the end of a layer
	read Layer // at the end of a layer
}

func newStream(ctx context.Context, layers []Blob, limits Limits) *stream {
	s := &stream{ctx: ctx, layers: layers, limits: limits, full: make(chan block, blocks), free: make(chan []byte, blocks)}
	for range blocks {
		s.free <- make([]byte, blockSize)
	}
	s.done.Go(s.produce)
	return s
}

// wait waits until the layers are closed. Unless all of them were read, the context must have
// ended.
func (s *stream) wait() { s.done.Wait() }

// produce decompresses the layers until one fails.
func (s *stream) produce() {
	for i := range s.layers {
		read, err := s.layer(s.layers[i])
		if err == nil {
			err = io.EOF
		}
		if !s.send(block{err: err, read: read}) || err != io.EOF {
			return
		}
	}
}

func (s *stream) send(b block) bool {
	select {
	case s.full <- b:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// layer decompresses a layer, and checks its digest.
func (s *stream) layer(b Blob) (Layer, error) {
	body, err := b.Open(s.ctx)
	if err != nil {
		return Layer{}, fmt.Errorf("open: %w", err)
	}
	// A reader that waits for a network ends with its context.
	stop := context.AfterFunc(s.ctx, func() { body.Close() })
	defer func() {
		if stop() {
			body.Close()
		}
	}()
	sum, err := newHash(b.Digest)
	if err != nil {
		return Layer{}, err
	}
	raw := &blob{r: body, sum: sum, limit: s.limits.Blob}
	err = s.decompress(raw)
	if raw.err != nil && raw.err != io.EOF {
		return Layer{}, raw.err
	}
	if stopped := s.ctx.Err(); stopped != nil {
		return Layer{}, stopped
	}
	// What follows the archive counts for the digest. If the layer cannot be decompressed,
	// a wrong digest says why.
	if _, failed := io.Copy(io.Discard, raw); failed != nil {
		return Layer{}, failed
	}
	if got := digestOf(b.Digest, raw.sum); b.Digest != "" && got != b.Digest {
		return Layer{}, bad("digest mismatch: the content has %s, the image names %s", got, b.Digest)
	}
	if err != nil {
		return Layer{}, badImage{err}
	}
	if raw.n == 0 && b.Digest == "" && b.DiffID == "" {
		return Layer{}, bad("the layer is empty")
	}
	return Layer{Digest: digestOf(b.Digest, raw.sum), Bytes: raw.n}, nil
}

// decompress sends the archive in a layer. It returns an error if it cannot be decompressed.
func (s *stream) decompress(raw io.Reader) error {
	r, err := Decompress(raw)
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		var buf []byte
		select {
		case buf = <-s.free:
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
		n, err := fill(r, buf[:blockSize])
		if n == 0 {
			s.free <- buf
		} else if !s.send(block{data: buf[:n]}) {
			return s.ctx.Err()
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("decompress: %w", err)
		}
	}
}

// fill reads until buf is full. Unlike io.ReadFull it returns the reader's own error.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var k int
		k, err = r.Read(buf[n:])
		n += k
	}
	return n, err
}

// Decompress returns the archive in a layer, whose first bytes say how it is compressed: with
// gzip, zstd or not at all. Another compression is an error. Of zstd, the window is bounded.
func Decompress(raw io.Reader) (io.ReadCloser, error) {
	r := bufio.NewReaderSize(raw, 64<<10)
	head, err := r.Peek(6)
	if err != nil && err != io.EOF {
		return nil, err
	}
	begins := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case begins("\x1f\x8b"):
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("decompress: %w", err)
		}
		return z, nil
	case begins("\x28\xb5\x2f\xfd"), len(head) >= 4 && head[0]&0xf0 == 0x50 && begins(string(head[:1])+"\x2a\x4d\x18"): // a frame, or a skippable one
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, fmt.Errorf("decompress: %w", err)
		}
		return z.IOReadCloser(), nil
	case begins("BZh"):
		return nil, errors.New("compression with bzip2 is unsupported")
	case begins("\xfd7zXZ\x00"):
		return nil, errors.New("compression with xz is unsupported")
	}
	return io.NopCloser(r), nil
}

// A blob is a layer as it was sent. It computes the digest, and fails beyond the limit.
type blob struct {
	r     io.Reader
	sum   hash.Hash
	n     int64
	limit int64
	err   error // the last one
}

func (b *blob) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	b.sum.Write(p[:n])
	if b.n > b.limit {
		err = bad("the layer is larger than the limit of %d bytes", b.limit)
	}
	b.err = err
	return n, err
}

// next begins with layer i.
func (s *stream) next(i int) error {
	s.index, s.rest, s.last = i, nil, nil
	sum, err := newHash(s.layers[i].DiffID)
	s.diff = sum
	return err
}

// Read reads the archive of the layer.
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.read(p)
	if err != nil && err != io.EOF {
		s.failed = err
	}
	return n, err
}

func (s *stream) read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		if s.last != nil {
			return 0, s.last.err
		}
		if s.buf != nil {
			s.free <- s.buf
			s.buf = nil
		}
		select {
		case b := <-s.full:
			if b.err != nil {
				s.last = &b
				continue
			}
			s.diff.Write(b.data)
			if s.total += int64(len(b.data)); s.total > s.limits.Bytes {
				return 0, bad("the layers have more than %d bytes without compression", s.limits.Bytes)
			}
			s.rest, s.buf = b.data, b.data
		case <-s.ctx.Done():
			return 0, s.ctx.Err()
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// ended reports whether the layer has been read to its end.
func (s *stream) ended() bool { return s.last != nil }

// verified reports whether a digest says what the layer must have.
func (s *stream) verified() bool {
	return s.layers[s.index].Digest != "" || s.layers[s.index].DiffID != ""
}

// finish reads what follows the archive, and checks the DiffID.
func (s *stream) finish() (Layer, error) {
	if _, err := io.Copy(io.Discard, s); err != nil {
		return Layer{}, err
	}
	want := s.layers[s.index].DiffID
	read := s.last.read
	read.DiffID = digestOf(want, s.diff)
	if want != "" && read.DiffID != want {
		return Layer{}, bad("digest mismatch without compression: the archive has %s, the image names %s", read.DiffID, want)
	}
	return read, nil
}

// newHash returns the hash of a digest such as "sha256:…", or SHA-256 for an empty one.
func newHash(digest string) (hash.Hash, error) {
	algorithm, sum, _ := strings.Cut(digest, ":")
	var h hash.Hash
	switch algorithm {
	case "sha256", "":
		h = sha256.New()
	case "sha512":
		h = sha512.New()
	default:
		return nil, fmt.Errorf("digest %q has an unknown algorithm", digest)
	}
	b, err := hex.DecodeString(sum)
	if digest != "" && (err != nil || len(b) != h.Size() || sum != strings.ToLower(sum)) {
		return nil, fmt.Errorf("invalid digest %q", digest)
	}
	return h, nil
}

// digestOf returns a sum with the algorithm of another digest.
func digestOf(like string, sum hash.Hash) string {
	algorithm, _, _ := strings.Cut(like, ":")
	if algorithm == "" {
		algorithm = "sha256"
	}
	return algorithm + ":" + hex.EncodeToString(sum.Sum(nil))
}
