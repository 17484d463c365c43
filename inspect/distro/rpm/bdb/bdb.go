// Package bdb reads the values of a Berkeley DB hash database in versions 8 and 9 of
// the format (Berkeley DB 4 and 5) and in either byte order. rpm's Packages is such a
// database. The format is described in Berkeley DB's dbinc/db_page.h.
//
// All pages are read, not only those that the hash table points to. Damage to one page
// thus costs only the values on it; pages that are no longer used are marked as free.
package bdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"

	"assay/inspect/distro/rpm/chain"
	"assay/inspect/readat"
)

// The types of pages.
const (
	pageFree         = 0
	pageHashUnsorted = 2
	pageOverflow     = 7
	pageHashMeta     = 8
	pageHash         = 13
)

// The types of items on a hash page.
const (
	itemInline   = 1 // the bytes themselves
	itemOverflow = 3 // a chain of overflow pages
)

const (
	pageHeader    = 26 // bytes of a page before its content
	overflowItem  = 12 // bytes of an item that points to a chain
	aheadSize     = 16 << 10
	scanSize      = 64 << 10
	maxPageSize   = 64 << 10
	hashMagic     = 0x061561
	metaFields    = 72 // bytes of the metadata page that are read
	metaFlagCheck = 1  // pages have checksums
)

// Blobs yields the values of the database of size bytes in r, except the value of key
// 0, in which rpm keeps a number. A value is read on demand, so errors of its pages may
// occur while it is read. An error from Blobs is that of one page or one value; the
// others follow.
//
// The size of a value on overflow pages is only an upper bound. The length that an item
// gives for its chain is ignored, because a header contains its own size. If one of two
// items points to the wrong chain, the header there is read for whichever item comes
// first, and the other item is an error.
func Blobs(r io.ReaderAt, size int64) iter.Seq2[*io.SectionReader, error] {
	return func(yield func(*io.SectionReader, error) bool) {
		f, err := open(r, size)
		if err != nil {
			yield(nil, err)
			return
		}
		f.scan(yield)
	}
}

// A file is an open database.
type file struct {
	r        io.ReaderAt
	chains   io.ReaderAt // r, for overflow pages
	order    binary.ByteOrder
	pageSize int
	pages    uint32 // according to the metadata page
	present  uint32 // how many of them the file has
	seen     *chain.Set
}

func open(r io.ReaderAt, size int64) (*file, error) {
	meta := make([]byte, metaFields)
	if size < int64(len(meta)) {
		return nil, fmt.Errorf("metadata page: file of %d bytes", size)
	}
	if err := readat.Full(r, meta, 0); err != nil {
		return nil, fmt.Errorf("metadata page: %w", err)
	}
	f := &file{r: r, chains: readat.NewAhead(r, aheadSize)}
	switch magic := meta[12:16]; uint32(hashMagic) {
	case binary.LittleEndian.Uint32(magic):
		f.order = binary.LittleEndian
	case binary.BigEndian.Uint32(magic):
		f.order = binary.BigEndian
	default:
		return nil, fmt.Errorf("metadata page: magic %x, not a hash database", magic)
	}
	version, pageSize, last := f.order.Uint32(meta[16:]), f.order.Uint32(meta[20:]), f.order.Uint32(meta[32:])
	switch {
	case f.order.Uint32(meta[8:]) != 0:
		return nil, fmt.Errorf("metadata page: unexpected page number %d", f.order.Uint32(meta[8:]))
	case version != 8 && version != 9:
		return nil, fmt.Errorf("metadata page: unsupported version %d", version)
	case pageSize < 512 || pageSize > maxPageSize || pageSize&(pageSize-1) != 0:
		return nil, fmt.Errorf("metadata page: invalid page size %d", pageSize)
	case meta[25] != pageHashMeta:
		return nil, fmt.Errorf("metadata page: unexpected type %d", meta[25])
	case meta[24] != 0 || meta[26]&metaFlagCheck != 0:
		return nil, errors.New("metadata page: checksums and encryption are not supported")
	}
	f.pageSize = int(pageSize)
	f.present = uint32(min(size/int64(pageSize), int64(last)+1))
	if f.pages = last + 1; f.pages == 0 {
		return nil, fmt.Errorf("metadata page: invalid last page %d", last)
	}
	f.seen = chain.NewSet(f.present)
	return f, nil
}

// scan reads all pages in order.
func (f *file) scan(yield func(*io.SectionReader, error) bool) {
	if f.present < f.pages && !yield(nil, fmt.Errorf("file has %d of %d pages", f.present, f.pages)) {
		return
	}
	buf := make([]byte, max(scanSize, f.pageSize))
	perRead := uint32(len(buf) / f.pageSize)
	for at := uint32(1); at < f.present; at += perRead {
		part := buf[:int(min(perRead, f.present-at))*f.pageSize]
		if err := readat.Full(f.r, part, int64(at)*int64(f.pageSize)); err != nil {
			yield(nil, fmt.Errorf("page %d: %w", at, err))
			return
		}
		for i := 0; len(part) > 0; i++ {
			page := part[:f.pageSize]
			part = part[f.pageSize:]
			if !f.page(at+uint32(i), page, yield) {
				return
			}
		}
	}
}

// page yields the values on a page and reports whether to continue.
func (f *file) page(number uint32, page []byte, yield func(*io.SectionReader, error) bool) bool {
	switch page[25] {
	case pageFree, pageOverflow:
		return true
	case pageHash, pageHashUnsorted:
	default:
		return yield(nil, fmt.Errorf("page %d: unexpected type %d", number, page[25]))
	}
	if own := f.order.Uint32(page[8:]); own != number {
		return yield(nil, fmt.Errorf("page %d: unexpected page number %d", number, own))
	}
	entries := int(f.order.Uint16(page[20:]))
	if entries%2 != 0 || pageHeader+2*entries > f.pageSize {
		return yield(nil, fmt.Errorf("page %d: %d items", number, entries))
	}
	// Items are stored from the end of the page to its beginning, each key before its
	// value.
	end := f.pageSize
	var key []byte
	for i := range entries {
		start := int(f.order.Uint16(page[pageHeader+2*i:]))
		if start < pageHeader+2*entries || start >= end {
			return yield(nil, fmt.Errorf("page %d: item %d at %d", number, i, start))
		}
		item := page[start:end]
		end = start
		if i%2 == 0 {
			key = item
			continue
		}
		if isCounter(key) {
			continue
		}
		blob, err := f.value(item)
		if err != nil {
			err = fmt.Errorf("page %d: item %d: %w", number, i, err)
		}
		if !yield(blob, err) {
			return false
		}
	}
	return true
}

// isCounter reports whether a key is 0, the key of rpm's last package number.
func isCounter(key []byte) bool {
	return bytes.Equal(key, []byte{itemInline, 0, 0, 0, 0})
}

func (f *file) value(item []byte) (*io.SectionReader, error) {
	switch item[0] {
	case itemInline:
		value := bytes.Clone(item[1:])
		return io.NewSectionReader(bytes.NewReader(value), 0, int64(len(value))), nil
	case itemOverflow:
		if len(item) < overflowItem {
			return nil, fmt.Errorf("%d bytes for the reference to a chain", len(item))
		}
		per := f.pageSize - pageHeader
		bound := int64(f.present) * int64(per)
		value := chain.New(f, nil, f.order.Uint32(item[4:]), per, bound)
		return io.NewSectionReader(value, 0, bound), nil
	}
	return nil, fmt.Errorf("unexpected item type %d", item[0])
}

// Follow implements chain.Pages. It ignores the number of bytes used on a page: all
// pages but the last of a chain are full.
func (f *file) Follow(page, prev uint32) (uint32, error) {
	if err := f.seen.Add(page); err != nil {
		return 0, fmt.Errorf("overflow: %w", err)
	}
	head := make([]byte, pageHeader)
	if err := readat.Full(f.chains, head, int64(page)*int64(f.pageSize)); err != nil {
		return 0, fmt.Errorf("overflow page %d: %w", page, err)
	}
	switch {
	case head[25] != pageOverflow:
		return 0, fmt.Errorf("overflow page %d: unexpected type %d", page, head[25])
	case f.order.Uint32(head[8:]) != page:
		return 0, fmt.Errorf("overflow page %d: unexpected page number %d", page, f.order.Uint32(head[8:]))
	case f.order.Uint32(head[12:]) != prev:
		return 0, fmt.Errorf("overflow page %d: follows page %d, want %d", page, f.order.Uint32(head[12:]), prev)
	}
	return f.order.Uint32(head[16:]), nil
}

// ReadPage implements chain.Pages.
func (f *file) ReadPage(p []byte, page uint32, off int64) error {
	if err := readat.Full(f.chains, p, int64(page)*int64(f.pageSize)+pageHeader+off); err != nil {
		return fmt.Errorf("overflow page %d: %w", page, err)
	}
	return nil
}
