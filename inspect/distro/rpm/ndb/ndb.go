// Package ndb reads Packages.db, rpm's own database format, which
// lib/backend/ndb/rpmpkg.c of rpm writes: pages of slots, each with the position of a
// blob, and the blobs in blocks of 16 bytes. All numbers are little-endian.
package ndb

import (
	"encoding/binary"
	"fmt"
	"hash/adler32"
	"io"
	"iter"

	"assay/inspect/readat"
)

const (
	magicFile = "RpmP"
	magicSlot = "Slot"
	magicHead = "BlbS"
	magicTail = "BlbE"

	pageSize   = 4096
	fileHeader = 32
	slotSize   = 16
	blockSize  = 16
	blobHead   = 16 // magic, package index, generation, length
	blobTail   = 12 // checksum, length, magic
	copySize   = 32 << 10
)

// Blobs yields the blobs of the database of size bytes in r. An error is that of one
// slot or one blob, and the others follow. A slot with a wrong magic number ends the
// database, as it does for rpm. A blob with a wrong checksum is left out and gives an
// error.
func Blobs(r io.ReaderAt, size int64) iter.Seq2[*io.SectionReader, error] {
	return func(yield func(*io.SectionReader, error) bool) {
		head := make([]byte, fileHeader)
		if err := readat.Full(r, head, 0); err != nil {
			yield(nil, fmt.Errorf("file header: %w", err))
			return
		}
		version, pages := binary.LittleEndian.Uint32(head[4:]), binary.LittleEndian.Uint32(head[12:])
		switch {
		case string(head[:4]) != magicFile:
			yield(nil, fmt.Errorf("file header: invalid magic %q", head[:4]))
		case version != 0:
			yield(nil, fmt.Errorf("file header: unsupported version %d", version))
		case pages == 0 || int64(pages)*pageSize > size:
			yield(nil, fmt.Errorf("file header: %d pages of slots in %d bytes", pages, size))
		default:
			f := &file{r: r, blocks: size / blockSize, first: int64(pages) * (pageSize / blockSize)}
			f.left = f.blocks
			f.scan(yield)
		}
	}
}

// A file is a database with a valid header.
type file struct {
	r      io.ReaderAt
	blocks int64 // in the file
	first  int64 // the first block after the slots
	left   int64 // blocks that no slot has used yet
	buf    []byte
}

// A slot has the position of a blob.
type slot struct {
	index        uint32 // the package's number
	block, count int64
}

// scan reads all slots.
func (f *file) scan(yield func(*io.SectionReader, error) bool) {
	page := make([]byte, pageSize)
	f.buf = make([]byte, copySize)
	for at := int64(0); at < f.first*blockSize; at += pageSize {
		if err := readat.Full(f.r, page, at); err != nil {
			yield(nil, fmt.Errorf("slots at %d: %w", at, err))
			return
		}
		skip := 0
		if at == 0 {
			skip = fileHeader
		}
		for o := skip; o < pageSize; o += slotSize {
			raw := page[o : o+slotSize]
			if string(raw[:4]) != magicSlot {
				yield(nil, fmt.Errorf("slot at %d: invalid magic %q", at+int64(o), raw[:4]))
				return
			}
			s := slot{
				index: binary.LittleEndian.Uint32(raw[4:]),
				block: int64(binary.LittleEndian.Uint32(raw[8:])),
				count: int64(binary.LittleEndian.Uint32(raw[12:])),
			}
			if s.block == 0 {
				continue // free
			}
			blob, err := f.blob(s)
			if err != nil {
				err = fmt.Errorf("slot at %d: package %d: %w", at+int64(o), s.index, err)
			}
			if !yield(blob, err) {
				return
			}
		}
	}
}

// blob returns the blob of a slot. All slots together may read each block of the file
// once; this bounds the work on a file with overlapping slots.
func (f *file) blob(s slot) (*io.SectionReader, error) {
	if s.block < f.first || s.count == 0 || s.block+s.count > f.blocks {
		return nil, fmt.Errorf("%d blocks at %d of %d", s.count, s.block, f.blocks)
	}
	if f.left -= s.count; f.left < 0 {
		f.left = 0
		return nil, fmt.Errorf("slots overlap: more blocks than the %d of the file", f.blocks)
	}
	start := s.block * blockSize
	head := make([]byte, blobHead)
	if err := readat.Full(f.r, head, start); err != nil {
		return nil, err
	}
	index, length := binary.LittleEndian.Uint32(head[4:]), binary.LittleEndian.Uint32(head[12:])
	switch {
	case string(head[:4]) != magicHead:
		return nil, fmt.Errorf("blob with invalid magic %q", head[:4])
	case index != s.index:
		return nil, fmt.Errorf("blob of package %d", index)
	case blocksOf(length) != s.count:
		return nil, fmt.Errorf("blob of %d bytes in %d blocks", length, s.count)
	}
	end := start + s.count*blockSize - blobTail
	sum, err := f.sum(start, end)
	if err != nil {
		return nil, err
	}
	tail := make([]byte, blobTail)
	if err := readat.Full(f.r, tail, end); err != nil {
		return nil, err
	}
	switch {
	case string(tail[8:]) != magicTail:
		return nil, fmt.Errorf("blob that ends with invalid magic %q", tail[8:])
	case binary.LittleEndian.Uint32(tail[4:]) != length:
		return nil, fmt.Errorf("blob of %d or %d bytes", length, binary.LittleEndian.Uint32(tail[4:]))
	case binary.LittleEndian.Uint32(tail) != sum:
		return nil, fmt.Errorf("blob with checksum %08x, not %08x", sum, tail[:4])
	}
	return io.NewSectionReader(f.r, start+blobHead, int64(length)), nil
}

// blocksOf returns how many blocks a blob takes, with its head and tail.
func blocksOf(length uint32) int64 {
	return (blobHead + int64(length) + blobTail + blockSize - 1) / blockSize
}

// sum returns the checksum of the bytes from start to end.
func (f *file) sum(start, end int64) (uint32, error) {
	h := adler32.New()
	n, err := io.CopyBuffer(h, io.NewSectionReader(f.r, start, end-start), f.buf)
	if err == nil && n < end-start {
		err = io.ErrUnexpectedEOF
	}
	return h.Sum32(), err
}
