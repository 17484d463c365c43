// Package bundle writes the current data of a store to one signed file, and imports such a
// file into another store, for networks without access to the publishers.
//
// A bundle is
//
//	"assay bundle 1\n"
//	the payload, compressed with zstd
//	64 bytes: the Ed25519ph signature of everything before it
//
// and the payload is, with every text as its length (uvarint) and its bytes,
//
//	a Header as JSON
//	for each of its sources, in their order:
//	  for each record: its id, the time when it was modified (varint, microseconds), its body
//	  an empty id
//
// The body of a record is the OSV document. The one record of an exploit catalog has the
// entries in the canonical form of package exploit.
package bundle

import (
	"bufio"
	"crypto"
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"

	"assay/service/advisory"
)

const magic = "assay bundle 1\n"

// Bounds of a bundle.
const (
	maxFile    = 16 << 30 // bytes
	maxPayload = 64 << 30 // bytes
	maxRatio   = 200      // bytes of the payload for each byte of the file, beyond freeBytes
	freeBytes  = 16 << 20
	maxHeader  = 4 << 20
	maxSources = 2000
	maxID      = 1 << 10
	maxCatalog = 64 << 20
	maxWindow  = 32 << 20
)

// A Header describes the content of a bundle.
type Header struct {
	Created time.Time `json:"created"`
	Sources []Source  `json:"sources"`
	LeftOut []LeftOut `json:"left_out,omitempty"`
}

// A Source is one source, or one part of a source, in a bundle.
type Source struct {
	Name    string    `json:"name"`
	Part    string    `json:"part,omitempty"`
	Updated time.Time `json:"updated"` // the last successful update
	Licence string    `json:"licence,omitempty"`
	Terms   string    `json:"terms,omitempty"`
	Records int       `json:"records"`
	// Catalog is the exploit catalog that the source is, or nil.
	Catalog *Catalog `json:"catalog,omitempty"`
}

// A Catalog describes an exploit catalog.
type Catalog struct {
	Kind      string    `json:"kind"`
	Published time.Time `json:"published,omitzero"`
	Entries   int       `json:"entries"`
}

// A LeftOut is a source that is not in the bundle.
type LeftOut struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// A record is one record of a source.
type record struct {
	id       string
	modified time.Time
	body     []byte
}

var signature = &ed25519.Options{Hash: crypto.SHA512, Context: "assay bundle 1"}

// A writer writes a bundle.
type writer struct {
	out  io.Writer
	hash interface {
		io.Writer
		Sum([]byte) []byte
	}
	zip *zstd.Encoder
	buf []byte
}

func newWriter(w io.Writer, h Header) (*writer, error) {
	hash := sha512.New()
	out := io.MultiWriter(w, hash)
	if _, err := io.WriteString(out, magic); err != nil {
		return nil, err
	}
	zip, err := zstd.NewWriter(out, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(8<<20))
	if err != nil {
		return nil, err
	}
	header, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	bw := &writer{out: w, hash: hash, zip: zip}
	_, err = zip.Write(append(binary.AppendUvarint(nil, uint64(len(header))), header...))
	return bw, err
}

func (w *writer) record(r record) error {
	w.buf = binary.AppendUvarint(w.buf[:0], uint64(len(r.id)))
	w.buf = append(w.buf, r.id...)
	w.buf = binary.AppendVarint(w.buf, r.modified.UnixMicro())
	w.buf = binary.AppendUvarint(w.buf, uint64(len(r.body)))
	w.buf = append(w.buf, r.body...)
	_, err := w.zip.Write(w.buf)
	return err
}

// end ends the records of a source.
func (w *writer) end() error {
	_, err := w.zip.Write([]byte{0})
	return err
}

// close ends the payload, and signs.
func (w *writer) close(key ed25519.PrivateKey) error {
	if err := w.zip.Close(); err != nil {
		return err
	}
	signed, err := key.Sign(nil, w.hash.Sum(nil), signature)
	if err != nil {
		return err
	}
	_, err = w.out.Write(signed)
	return err
}

// ErrSignature is returned, wrapped, for a file that the key has not signed.
var ErrSignature = errors.New("the signature is not that of the trusted key, or the file was changed or cut off")

// verify copies a bundle, and returns the size of its payload after checking the
// signature. Nothing of the copy may be used after an error.
func verify(to io.Writer, from io.Reader, size int64, key ed25519.PublicKey) (payload int64, err error) {
	payload = size - int64(len(magic)) - ed25519.SignatureSize
	if payload < 0 {
		return 0, fmt.Errorf("%w: the file has only %d bytes", ErrSignature, size)
	}
	if size > maxFile {
		return 0, fmt.Errorf("the file has more than %d bytes", int64(maxFile))
	}
	hash := sha512.New()
	in := bufio.NewReaderSize(from, 64<<10)
	if first, err := in.Peek(len(magic)); err != nil || string(first) != magic {
		return 0, errors.New("the file is not a bundle")
	}
	if _, err := io.CopyN(io.MultiWriter(to, hash), in, int64(len(magic))+payload); err != nil {
		return 0, err
	}
	var signed [ed25519.SignatureSize]byte
	if _, err := io.ReadFull(in, signed[:]); err != nil {
		return 0, err
	}
	if ed25519.VerifyWithOptions(key, hash.Sum(nil), signed[:], signature) != nil {
		return 0, ErrSignature
	}
	return payload, nil
}

// A reader reads the payload of a bundle.
type reader struct {
	in   *bufio.Reader
	zip  *zstd.Decoder
	left int64 // bytes of the payload
}

// newReader reads the header. size is that of the compressed payload.
func newReader(r io.Reader, size int64) (*reader, Header, error) {
	zip, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, Header{}, err
	}
	b := &reader{zip: zip, left: min(maxPayload, freeBytes+maxRatio*size)}
	b.in = bufio.NewReaderSize(b, 64<<10)
	h, err := b.header()
	if err != nil {
		zip.Close()
		return nil, Header{}, fmt.Errorf("read the header: %w", err)
	}
	return b, h, nil
}

func (r *reader) close() { r.zip.Close() }

// Read bounds the payload.
func (r *reader) Read(p []byte) (int, error) {
	n, err := r.zip.Read(p)
	if r.left -= int64(n); r.left < 0 {
		return 0, errors.New("the payload is too large for the file")
	}
	return n, err
}

func (r *reader) header() (h Header, err error) {
	b, err := r.bytes(maxHeader)
	if err != nil {
		return h, err
	}
	if err := json.Unmarshal(b, &h); err != nil {
		return h, err
	}
	if len(h.Sources) == 0 || len(h.Sources) > maxSources {
		return h, fmt.Errorf("the bundle has %d sources", len(h.Sources))
	}
	seen := make(map[[2]string]bool)
	for _, s := range h.Sources {
		if seen[[2]string{s.Name, s.Part}] {
			return h, fmt.Errorf("the bundle has the source %q twice", s.Name)
		}
		seen[[2]string{s.Name, s.Part}] = true
		if s.Updated.IsZero() {
			return h, fmt.Errorf("the source %q has no time", s.Name)
		}
	}
	return h, nil
}

// bytes reads a text of at most limit bytes.
func (r *reader) bytes(limit int) ([]byte, error) {
	n, err := binary.ReadUvarint(r.in)
	if err != nil {
		return nil, noEOF(err)
	}
	if n > uint64(limit) {
		return nil, fmt.Errorf("a text has %d bytes, more than %d", n, limit)
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r.in, b)
	return b, noEOF(err)
}

// record reads the next record of a source. more is false at the end of the source.
func (r *reader) record(catalog bool) (rec record, more bool, err error) {
	id, err := r.bytes(maxID)
	if err != nil || len(id) == 0 {
		return record{}, false, err
	}
	modified, err := binary.ReadVarint(r.in)
	if err != nil {
		return record{}, false, noEOF(err)
	}
	limit := advisory.MaxSize
	if catalog {
		limit = maxCatalog
	}
	body, err := r.bytes(limit)
	return record{string(id), time.UnixMicro(modified).UTC(), body}, err == nil, err
}

// end checks that nothing follows.
func (r *reader) end() error {
	if _, err := r.in.ReadByte(); err != io.EOF {
		return errors.Join(errors.New("data follows the last source"), err)
	}
	return nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
