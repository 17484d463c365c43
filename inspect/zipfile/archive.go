// Package zipfile reads untrusted ZIP archives: jars, wheels, eggs.
//
// An Archive is read by its central directory, which is streamed and never held in
// memory. A Stream reads an archive without random access, such as one that is
// compressed inside another, by its local headers. Memory does not grow with the
// archive, and a Budget bounds the cost of reading. Both follow PKWARE's APPNOTE
// (6.3.10) with 64-bit sizes (zip64). Split archives, encryption, and methods other
// than stored and deflated are not supported.
package zipfile

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"assay/inspect/readat"
)

// ErrNotZip is returned if the data is not a ZIP archive.
var ErrNotZip = errors.New("not a zip archive")

// The records of the format: their signatures and fixed sizes.
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

// maxTail is how far before the end of an archive its end record may begin.
const maxTail = maxComment + endLen

// tails are reused, because every executable script is checked for an archive.
var tails = sync.Pool{New: func() any { return new([maxTail]byte) }}

// An Archive is an archive with random access. Only one goroutine may use it, and only
// one entry is open at a time.
type Archive struct {
	r      io.ReaderAt
	budget *Budget
	// base is where the archive begins, after a program or script in front of it.
	base int64
	// directory is the central directory, from its first header to its end record.
	// count is the number of entries it should have, modulo 65,536 unless the archive
	// has 64-bit sizes.
	directory *io.SectionReader
	count     uint64
	inflate   io.ReadCloser // reused for the next entry
}

// Open opens the archive in r, of size bytes. The cost of everything that is read of
// it, now and later, is taken from budget. The error is ErrNotZip if r is not an
// archive.
func Open(r io.ReaderAt, size int64, budget *Budget) (*Archive, error) {
	a := &Archive{r: r, budget: budget}
	buf := tails.Get().(*[maxTail]byte)
	defer tails.Put(buf)
	for _, n := range []int64{1 << 10, maxTail} {
		tail := buf[:min(n, max(size, 0))]
		start := size - int64(len(tail))
		if err := readat.Full(r, tail, start); err != nil {
			return nil, fmt.Errorf("end of the directory: %w", err)
		}
		// The last signature is the archive's, unless it is part of the comment. A
		// script has none; searching from the beginning finds that out much faster.
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

// locate finds the directory by its end record at offset at. It returns false if this
// cannot be the end record.
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
	// Some writers store a wrong size but the right offset.
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

// end64 returns the 64-bit end record and its offset, or nil if there is none. at is
// the offset of the 32-bit end record, which follows the locator. The offset in the
// locator does not include a program in front of the archive, so the record is also
// looked for where it is if it has only its fixed part.
func (a *Archive) end64(at int64) ([]byte, int64, error) {
	if at < locatorLen+end64Len {
		return nil, 0, nil
	}
	locator := make([]byte, locatorLen)
	if err := readat.Full(a.r, locator, at-locatorLen); err != nil {
		return nil, 0, fmt.Errorf("locator of the directory: %w", err)
	}
	if string(locator[:4]) != locatorMark {
		return nil, 0, nil
	}
	last := at - locatorLen - end64Len
	end64 := make([]byte, end64Len)
	for _, pos := range []int64{int64(min(binary.LittleEndian.Uint64(locator[8:]), uint64(last))), last} {
		if err := readat.Full(a.r, end64, pos); err != nil {
			return nil, 0, fmt.Errorf("end of the directory: %w", err)
		}
		if string(end64[:4]) == end64Mark {
			return end64, pos, nil
		}
	}
	return nil, 0, nil
}

// isHeader reports whether there is a complete directory header at offset at, before
// end.
func (a *Archive) isHeader(at, end int64) (bool, error) {
	if end-at < directoryLen {
		return false, nil
	}
	var header [directoryLen]byte
	if err := readat.Full(a.r, header[:], at); err != nil {
		return false, fmt.Errorf("directory: %w", err)
	}
	return string(header[:4]) == directoryMark && variable(header[:]) <= end-at-directoryLen, nil
}

// variable returns how many bytes of name, extra fields and comment follow a directory
// header.
func variable(header []byte) int64 {
	return int64(binary.LittleEndian.Uint16(header[28:])) +
		int64(binary.LittleEndian.Uint16(header[30:])) +
		int64(binary.LittleEndian.Uint16(header[32:]))
}

// Section returns the content of an entry that is Stored, for random access. Its
// checksum is not verified.
func (a *Archive) Section(e Entry) (*io.SectionReader, error) {
	if err := e.readable(); err != nil {
		return nil, err
	}
	if !e.Stored() || e.compressed != e.Size {
		return nil, fmt.Errorf("entry %q: compressed or encrypted", short(e.Name))
	}
	return a.raw(e)
}

// raw returns the bytes of an entry as they are in the archive.
func (a *Archive) raw(e Entry) (*io.SectionReader, error) {
	var header [localLen]byte
	at := a.base + e.offset
	if err := readat.Full(a.r, header[:], at); err != nil {
		return nil, fmt.Errorf("entry %q: local header: %w", short(e.Name), err)
	}
	if string(header[:4]) != localMark {
		return nil, fmt.Errorf("entry %q: no local header at %d", short(e.Name), at)
	}
	at += localLen + int64(binary.LittleEndian.Uint16(header[26:])) + int64(binary.LittleEndian.Uint16(header[28:]))
	return io.NewSectionReader(a.r, at, e.compressed), nil
}

// Open returns the content of an entry. Reading more than limit bytes returns
// ErrTooLarge. If the size or the checksum does not match the directory, the error
// comes at the end of the content. The reader is valid until the next entry is opened
// or a loop over Entries ends.
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
