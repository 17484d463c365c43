package zipfile

import (
	"bufio"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"

	"assay/inspect/readat"
)

// headerBuffer is how many bytes of a directory are read at once.
const headerBuffer = 16 << 10

// readers are reused, because a system may have thousands of archives.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, headerBuffer) }}

// inflaters are reused as well.
var inflaters = sync.Pool{New: func() any { return flate.NewReader(nothing{}) }}

// nothing is the source of a pooled reader that is not in use.
type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, io.EOF }
func (nothing) ReadByte() (byte, error)  { return 0, io.EOF }

// release returns the decompressor to the pool.
func (a *Archive) release() {
	if a.inflate != nil && a.inflate.(flate.Resetter).Reset(nothing{}, nil) == nil {
		inflaters.Put(a.inflate)
	}
	a.inflate = nil
}

// Entries yields the entries in the order of the directory, including folders and
// repeated names. An error comes last, with an empty Entry.
func (a *Archive) Entries() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		r := readers.Get().(*bufio.Reader)
		r.Reset(io.NewSectionReader(a.directory, 0, a.directory.Size()))
		defer func() {
			r.Reset(nil)
			readers.Put(r)
			a.release()
		}()
		d := directory{
			r:      r,
			left:   a.directory.Size(),
			budget: a.budget,
		}
		var count uint64
		for {
			e, err := d.next()
			if errors.Is(err, errEnd) {
				break
			}
			if err != nil {
				yield(Entry{}, fmt.Errorf("directory after entry %d: %w", count, err))
				return
			}
			count++
			if !yield(e, nil) {
				return
			}
		}
		// Writers without 64-bit sizes count modulo 65,536.
		if uint16(count) != uint16(a.count) {
			yield(Entry{}, fmt.Errorf("directory has %d entries, but its end record says %d", count, a.count))
		}
	}
}

// errEnd means that no header follows.
var errEnd = errors.New("end of the directory")

// A directory reads a central directory, one header at a time.
type directory struct {
	r      *bufio.Reader
	left   int64 // bytes up to the end record
	budget *Budget
	buf    []byte
}

func (d *directory) next() (Entry, error) {
	if d.left < directoryLen {
		return Entry{}, errEnd
	}
	header, err := d.r.Peek(directoryLen)
	if err != nil {
		return Entry{}, readat.Unexpected(err)
	}
	if string(header[:4]) != directoryMark {
		return Entry{}, errEnd
	}
	rest := variable(header)
	if rest > d.left-directoryLen {
		return Entry{}, io.ErrUnexpectedEOF
	}
	if err := d.budget.entry(directoryLen + rest); err != nil {
		return Entry{}, err
	}
	d.left -= directoryLen + rest
	e := Entry{
		flags:      binary.LittleEndian.Uint16(header[8:]),
		method:     binary.LittleEndian.Uint16(header[10:]),
		crc:        binary.LittleEndian.Uint32(header[16:]),
		compressed: int64(binary.LittleEndian.Uint32(header[20:])),
		Size:       int64(binary.LittleEndian.Uint32(header[24:])),
		offset:     int64(binary.LittleEndian.Uint32(header[42:])),
	}
	name := int(binary.LittleEndian.Uint16(header[28:]))
	extra := int(binary.LittleEndian.Uint16(header[30:]))
	if _, err := d.r.Discard(directoryLen); err != nil {
		return Entry{}, readat.Unexpected(err)
	}
	if d.buf, err = read(d.r, d.buf, name+extra); err != nil {
		return Entry{}, err
	}
	e.Name = string(d.buf[:name])
	if _, err := d.r.Discard(int(rest) - name - extra); err != nil {
		return Entry{}, readat.Unexpected(err)
	}
	if err := widen(d.buf[name:], &e.Size, &e.compressed, &e.offset); err != nil {
		return Entry{}, fmt.Errorf("entry %q: %w", short(e.Name), err)
	}
	return e, nil
}

// read reads n bytes of r into buf, which it grows if necessary.
func read(r io.Reader, buf []byte, n int) ([]byte, error) {
	if cap(buf) < n {
		buf = make([]byte, max(n, 1<<10))
	}
	buf = buf[:n]
	if _, err := io.ReadFull(r, buf); err != nil {
		return buf, readat.Unexpected(err)
	}
	return buf, nil
}
