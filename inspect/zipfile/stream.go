package zipfile

import (
	"bufio"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"iter"
	"strings"

	"assay/inspect/readat"
)

// A Stream is an archive that is read from beginning to end, by the local header in
// front of each entry. Other programs use the central directory, which comes last. The
// directory must therefore have the same entries and end where r ends; otherwise there
// is an error after the entries. Writers that write sequentially, such as Java's, never
// make archives that differ. Only one goroutine may use a Stream, and only one entry is
// open at a time.
type Stream struct {
	in     counter
	r      *bufio.Reader // of in
	budget *Budget

	entry   Entry
	begin   int64 // where the content of entry begins
	body    *counter
	raw     *io.LimitedReader // of r, the bytes of entry; nil if their end is unknown
	inflate io.ReadCloser     // reused for the next entry
	buf     []byte

	offset int64       // of the local header of entry
	met    fingerprint // of the entries read so far
}

// NewStream returns the archive that begins at the first byte of r. The cost of reading
// it is taken from budget.
func NewStream(r io.Reader, budget *Budget) *Stream {
	s := &Stream{in: counter{r: r}, budget: budget, buf: make([]byte, headerBuffer), met: fingerprint{seed: maphash.MakeSeed()}}
	s.r = bufio.NewReaderSize(&s.in, headerBuffer)
	return s
}

// Entries yields the entries in the order of the archive. It can be called once. An
// error comes last, with an empty Entry; it is ErrNotZip if the data does not begin as
// an archive.
func (s *Stream) Entries() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for count := 0; ; count++ {
			err := s.next()
			switch {
			case errors.Is(err, errEnd):
				if err := s.directory(); err != nil {
					yield(Entry{}, fmt.Errorf("directory: %w", err))
				}
				return
			case err != nil && count > 0:
				err = fmt.Errorf("archive after entry %d: %w", count, err)
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
			if !yield(s.entry, nil) {
				return
			}
			if err := s.finish(); err != nil {
				yield(Entry{}, fmt.Errorf("entry %q: %w", short(s.entry.Name), err))
				return
			}
		}
	}
}

// at returns the offset of the next byte.
func (s *Stream) at() int64 { return s.in.n - int64(s.r.Buffered()) }

// next reads a local header.
func (s *Stream) next() error {
	header, err := s.r.Peek(localLen)
	if len(header) < len(localMark) {
		if s.at() == 0 && errors.Is(err, io.EOF) {
			return ErrNotZip
		}
		return readat.Unexpected(err)
	}
	switch string(header[:4]) {
	case directoryMark, endMark, end64Mark:
		return errEnd
	case localMark:
		if err != nil {
			return readat.Unexpected(err)
		}
	default:
		if s.at() == 0 {
			return ErrNotZip
		}
		return fmt.Errorf("no header at %d", s.at())
	}
	e := Entry{
		flags:      binary.LittleEndian.Uint16(header[6:]),
		method:     binary.LittleEndian.Uint16(header[8:]),
		crc:        binary.LittleEndian.Uint32(header[14:]),
		compressed: int64(binary.LittleEndian.Uint32(header[18:])),
		Size:       int64(binary.LittleEndian.Uint32(header[22:])),
	}
	name := int(binary.LittleEndian.Uint16(header[26:]))
	extra := int(binary.LittleEndian.Uint16(header[28:]))
	if err := s.budget.entry(int64(localLen + name + extra)); err != nil {
		return err
	}
	if _, err := s.r.Discard(localLen); err != nil {
		return readat.Unexpected(err)
	}
	if s.buf, err = read(s.r, s.buf, name+extra); err != nil {
		return err
	}
	e.Name = string(s.buf[:name])
	// Unlike in the directory, there must be both sizes or neither.
	if err := widen(s.buf[name:], &e.Size, &e.compressed); err != nil {
		return fmt.Errorf("entry %q: %w", short(e.Name), err)
	}
	if e.flags&flagDescriptor != 0 && e.method != methodStored {
		e.Size, e.compressed = -1, -1
	}
	s.entry, s.begin, s.body, s.raw = e, s.at(), nil, nil
	s.offset = s.begin - int64(localLen+name+extra)
	if e.compressed >= 0 {
		s.raw = &io.LimitedReader{R: s.r, N: e.compressed}
	}
	return nil
}

// Open returns the content of e, which must be the last entry that Entries yielded.
// Reading more than limit bytes returns ErrTooLarge. If the header has the size and the
// checksum and they do not match, the error comes at the end of the content. An entry
// can be opened once; the reader is valid until the next entry.
func (s *Stream) Open(e Entry, limit int64) (io.Reader, error) {
	if e != s.entry || s.body != nil {
		return nil, fmt.Errorf("entry %q: already passed", short(e.Name))
	}
	if err := e.readable(); err != nil {
		return nil, err
	}
	if err := s.decompress(); err != nil {
		return nil, fmt.Errorf("entry %q: %w", short(e.Name), err)
	}
	return &content{entry: e, limit: limit, budget: s.budget, r: s.body}, nil
}

// decompress starts decompressing the content of the entry.
func (s *Stream) decompress() error {
	var raw io.Reader = s.r // flate reads no byte beyond the end of the content
	if s.raw != nil {
		raw = s.raw
	}
	if s.entry.method == methodStored {
		s.body = &counter{r: raw}
		return nil
	}
	if s.inflate == nil {
		s.inflate = flate.NewReader(raw)
	} else if err := s.inflate.(flate.Resetter).Reset(raw, nil); err != nil {
		return err
	}
	s.body = &counter{r: s.inflate}
	return nil
}

// finish moves to the end of the entry, however much of it was read.
func (s *Stream) finish() error {
	if s.raw == nil {
		if err := s.drain(); err != nil {
			return err
		}
	} else if _, err := io.CopyN(io.Discard, s.r, s.raw.N); err != nil {
		return readat.Unexpected(err)
	}
	e := s.entry
	e.offset = s.offset
	if s.raw == nil {
		e.compressed, e.Size = s.at()-s.begin, s.body.n
	}
	s.met.add(e)
	if e.flags&flagDescriptor == 0 {
		return nil
	}
	return s.descriptor()
}

// drain reads the rest of an entry if only its content shows where it ends.
func (s *Stream) drain() error {
	if err := s.entry.readable(); err != nil {
		return err
	}
	if s.body == nil {
		if err := s.decompress(); err != nil {
			return err
		}
	}
	s.buf = s.buf[:cap(s.buf)]
	for {
		n, err := s.body.Read(s.buf)
		if short := s.budget.content(n); short != nil {
			return short
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

const (
	descriptorMark = "PK\x07\x08"
	// longest of what can be a descriptor, and the two bytes that all records
	// begin with.
	longestDescriptor = 4 + 4 + 8 + 8 + 2
)

// descriptor skips the checksum and the sizes after the content. No field says whether
// a signature precedes them or how long the sizes are. The form is the one in which the
// sizes are right and another record follows. If the sizes came before the content, the
// descriptor may be missing.
func (s *Stream) descriptor() error {
	compressed, size := s.entry.compressed, s.entry.Size
	if s.raw == nil {
		compressed, size = s.at()-s.begin, s.body.n
	}
	next, err := s.r.Peek(longestDescriptor)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for _, mark := range []int{len(descriptorMark), 0} {
		if mark > 0 && (len(next) < mark || string(next[:mark]) != descriptorMark) {
			continue
		}
		for _, width := range []int{4, 8} {
			end := mark + 4 + 2*width
			if len(next) < end+2 || string(next[end:end+2]) != "PK" {
				continue
			}
			if little(next[mark+4:], width) == uint64(compressed) && little(next[mark+4+width:], width) == uint64(size) {
				_, err := s.r.Discard(end)
				return err
			}
		}
	}
	if compressed > 0 && s.raw != nil || strings.HasSuffix(s.entry.Name, "/") {
		return nil
	}
	return fmt.Errorf("no valid descriptor of %d bytes after its content", size)
}

// little returns the little-endian unsigned integer of width bytes at the beginning of
// p.
func little(p []byte, width int) uint64 {
	if width == 4 {
		return uint64(binary.LittleEndian.Uint32(p))
	}
	return binary.LittleEndian.Uint64(p)
}

// A counter counts the bytes read from r.
type counter struct {
	r io.Reader
	n int64
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
