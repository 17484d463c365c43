// Package zipfile reads ZIP archives that may be hostile: jars, wheels, eggs.
//
// An Archive is read by its central directory, which is streamed and never held.
// A Stream goes through an archive that cannot be read at any place, such as one
// that lies compressed in another, by its local headers. Memory does not grow
// with the archive, and what reading costs is bounded by a Budget. Both follow
// the APPNOTE of PKWARE (6.3.10), with 64-bit sizes (zip64); neither splits,
// encryption nor methods other than stored and deflated are supported.
package zipfile

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// ErrNotZip says that there is no archive.
var ErrNotZip = errors.New("not a zip archive")

// Records of the format: what they begin with, and their fixed size.
const (
	endMark       = "PK\x05\x06"
	endLen        = 22
	maxComment    = 0xffff
	locatorMark   = "PK\x06\x07"
	locatorLen    = 20
	end64Mark     = "PK\x06\x06"
	end64Len      = 56
	directoryMark = "PK\x01\x02"
	directoryLen  = 46
	localMark     = "PK\x03\x04"
	localLen      = 30
)

// maxTail is how far before the end of an archive the record may begin that ends its
// directory.
const maxTail = maxComment + endLen

// tails are kept for the next files: every executable script is looked at.
var tails = sync.Pool{New: func() any { return new([maxTail]byte) }}

// An Archive is an archive that can be read at any place. It is used by one
// goroutine, and one entry is open at a time.
type Archive struct {
	r      io.ReaderAt
	budget *Budget
	// base is where the archive begins, after a program or script that stands
	// before it.
	base int64
	// directory is the central directory from its first header to the record that
	// ends it, and count how many entries it should have, modulo 65,536 unless
	// the archive has 64-bit sizes.
	directory *io.SectionReader
	count     uint64
	inflate   io.ReadCloser // kept from one entry to the next
}

// Open opens the archive of size bytes that r holds. What is read of it, now and
// later, is taken from budget. An error is ErrNotZip where r holds none.
func Open(r io.ReaderAt, size int64, budget *Budget) (*Archive, error) {
	a := &Archive{r: r, budget: budget}
	buf := tails.Get().(*[maxTail]byte)
	defer tails.Put(buf)
	for _, n := range []int64{1 << 10, maxTail} {
		tail := buf[:min(n, max(size, 0))]
		start := size - int64(len(tail))
		if err := readAt(r, tail, start); err != nil {
			return nil, fmt.Errorf("end of the directory: %w", err)
		}
		// The last mark is the archive's unless that is part of its comment. A script
		// has none, which a search from the beginning finds out much faster.
		i := 0
		if bytes.Contains(tail, []byte(endMark)) {
			i = len(tail)
		}
		for i > 0 {
			i = bytes.LastIndex(tail[:i], []byte(endMark))
			if i < 0 {
				break
			}
			ok, err := a.locate(tail[i:], start+int64(i))
			if err != nil {
				return nil, err
			}
			if ok {
				return a, nil
			}
		}
		if int64(len(tail)) == size {
			break
		}
	}
	return nil, ErrNotZip
}

// locate finds the directory by the record that ends it, which is at offset at.
// It is false where this cannot be that record.
func (a *Archive) locate(end []byte, at int64) (bool, error) {
	if len(end) < endLen || int(binary.LittleEndian.Uint16(end[20:])) > len(end)-endLen {
		return false, nil
	}
	count := uint64(binary.LittleEndian.Uint16(end[10:]))
	size := uint64(binary.LittleEndian.Uint32(end[12:]))
	offset := uint64(binary.LittleEndian.Uint32(end[16:]))
	if count == 0xffff || size == zip64Mark || offset == zip64Mark {
		end64, pos, err := a.end64(at)
		if err != nil {
			return false, err
		}
		if end64 != nil {
			at = pos
			count = binary.LittleEndian.Uint64(end64[32:])
			size = binary.LittleEndian.Uint64(end64[40:])
			offset = binary.LittleEndian.Uint64(end64[48:])
		}
	}
	if size > uint64(at) || offset > uint64(at)-size {
		return false, nil
	}
	a.base = at - int64(size) - int64(offset)
	start := at - int64(size)
	// Some writers have the size wrong. Their offset is right, then.
	if a.base > 0 {
		header, err := a.isHeader(int64(offset), at)
		if err != nil {
			return false, err
		}
		if header {
			a.base, start = 0, int64(offset)
		}
	}
	if count > 0 {
		if header, err := a.isHeader(start, at); !header {
			return false, err
		}
	}
	a.count = count
	a.directory = io.NewSectionReader(a.r, start, at-start)
	return true, nil
}

// end64 returns the record with 64-bit values and where it is; nil where there is
// none. at is the offset of the record with 32-bit values, before which the
// locator stands. What the locator says does not count a program before the
// archive, so the record is also looked for where it would stand without more
// than its fixed part.
func (a *Archive) end64(at int64) ([]byte, int64, error) {
	if at < locatorLen+end64Len {
		return nil, 0, nil
	}
	locator := make([]byte, locatorLen)
	if err := readAt(a.r, locator, at-locatorLen); err != nil {
		return nil, 0, fmt.Errorf("locator of the directory: %w", err)
	}
	if string(locator[:4]) != locatorMark {
		return nil, 0, nil
	}
	last := at - locatorLen - end64Len
	end64 := make([]byte, end64Len)
	for _, pos := range []int64{int64(min(binary.LittleEndian.Uint64(locator[8:]), uint64(last))), last} {
		if err := readAt(a.r, end64, pos); err != nil {
			return nil, 0, fmt.Errorf("end of the directory: %w", err)
		}
		if string(end64[:4]) == end64Mark {
			return end64, pos, nil
		}
	}
	return nil, 0, nil
}

// isHeader reports whether a whole header of the directory is at offset at, and
// before end.
func (a *Archive) isHeader(at, end int64) (bool, error) {
	if end-at < directoryLen {
		return false, nil
	}
	var header [directoryLen]byte
	if err := readAt(a.r, header[:], at); err != nil {
		return false, fmt.Errorf("directory: %w", err)
	}
	return string(header[:4]) == directoryMark && variable(header[:]) <= end-at-directoryLen, nil
}

// variable returns how many bytes of name, extra fields and comment follow a
// header of the directory.
func variable(header []byte) int64 {
	return int64(binary.LittleEndian.Uint16(header[28:])) +
		int64(binary.LittleEndian.Uint16(header[30:])) +
		int64(binary.LittleEndian.Uint16(header[32:]))
}

// Section returns where the content of an entry stands that is Stored, for
// reading at any place. Its checksum is not verified.
func (a *Archive) Section(e Entry) (*io.SectionReader, error) {
	if err := e.readable(); err != nil {
		return nil, err
	}
	if !e.Stored() || e.compressed != e.Size {
		return nil, fmt.Errorf("entry %q: not stored as it is", short(e.Name))
	}
	return a.raw(e)
}

// raw returns the bytes of an entry in the archive.
func (a *Archive) raw(e Entry) (*io.SectionReader, error) {
	var header [localLen]byte
	at := a.base + e.offset
	if err := readAt(a.r, header[:], at); err != nil {
		return nil, fmt.Errorf("entry %q: local header: %w", short(e.Name), err)
	}
	if string(header[:4]) != localMark {
		return nil, fmt.Errorf("entry %q: no local header at %d", short(e.Name), at)
	}
	at += localLen + int64(binary.LittleEndian.Uint16(header[26:])) + int64(binary.LittleEndian.Uint16(header[28:]))
	return io.NewSectionReader(a.r, at, e.compressed), nil
}

// Open returns the content of an entry, of which at most limit bytes can be read:
// beyond that the error is ErrTooLarge. One that has not the size or the checksum
// that the directory says gives an error at its end. The reader can be used until
// the next entry of the archive is opened, or a loop over Entries ends.
func (a *Archive) Open(e Entry, limit int64) (io.Reader, error) {
	if err := e.readable(); err != nil {
		return nil, err
	}
	raw, err := a.raw(e)
	if err != nil {
		return nil, err
	}
	c := &content{entry: e, limit: limit, budget: a.budget, r: raw}
	if e.method == methodDeflated {
		if a.inflate == nil {
			a.inflate = inflaters.Get().(io.ReadCloser)
		}
		if err := a.inflate.(flate.Resetter).Reset(raw, nil); err != nil {
			return nil, fmt.Errorf("entry %q: %w", short(e.Name), err)
		}
		c.r = a.inflate
	}
	return c, nil
}

// readAt fills p from offset at; that there is less is io.ErrUnexpectedEOF.
func readAt(r io.ReaderAt, p []byte, at int64) error {
	n, err := r.ReadAt(p, at)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}
