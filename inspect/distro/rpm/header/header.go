// Package header reads the header of a package as rpm's databases hold it: two
// numbers, the index, and the store in which the values of the index lie, all
// big-endian. What is checked of the index is what hdrblobInit of rpm's
// lib/header.c checks.
//
// Of a header only its index is gone through; values are read when they are asked
// for, so that one with a hundred thousand files costs no more than any other.
package header

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"assay/inspect/distro/rpm/readat"
)

const (
	intro     = 8  // bytes before the index: its entries, the store's bytes
	entrySize = 16 // tag, type, offset, count
	// maxEntries and maxStore are rpm's own bounds.
	maxEntries = 0xffff
	maxStore   = 0x0fffffff
	// maxString bounds the values that String returns. Names, versions and
	// releases are parts of a file name, of which a filesystem takes 255 bytes.
	maxString = 1 << 10
	// windowSize is how much of the store is read at once: that is where all the
	// short values before the file lists lie.
	windowSize = 2 << 10
)

// A Header is a header whose index is right. It is used by one goroutine.
type Header struct {
	r       io.ReaderAt
	start   int64 // of the store
	size    int64 // of the store
	entries [numTags]entry

	window   []byte
	windowAt int64 // of the window in the store
}

// An entry is what the index says of a tag. One with count 0 is not there.
type entry struct {
	typ    uint32
	offset int64
	count  int64
}

// Read reads the header that begins r and has at most size bytes.
func Read(r io.ReaderAt, size int64) (*Header, error) {
	head := make([]byte, intro)
	if err := readat.Full(r, head, 0); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	entries, store := int64(binary.BigEndian.Uint32(head)), int64(binary.BigEndian.Uint32(head[4:]))
	switch {
	case entries == 0 || entries > maxEntries:
		return nil, fmt.Errorf("header: %d entries", entries)
	case store > maxStore:
		return nil, fmt.Errorf("header: store of %d bytes", store)
	case intro+entries*entrySize+store > size:
		return nil, fmt.Errorf("header: %d entries and %d bytes in %d", entries, store, size)
	}
	h := &Header{
		r:      r,
		start:  intro + entries*entrySize,
		size:   store,
		window: make([]byte, 0, windowSize),
	}
	if err := h.index(int(entries)); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	return h, nil
}

// index reads the index. A tag that it has twice was changed after the package
// was built: what was added lies behind the region that was signed, and is valid.
func (h *Header) index(entries int) error {
	buf := h.window[:windowSize]
	for i := 0; i < entries; {
		part := buf[:min(windowSize/entrySize, entries-i)*entrySize]
		if err := readat.Full(h.r, part, intro+int64(i)*entrySize); err != nil {
			return fmt.Errorf("index: %w", err)
		}
		for ; len(part) > 0; i++ {
			if err := h.add(i, part[:entrySize]); err != nil {
				return err
			}
			part = part[entrySize:]
		}
	}
	return nil
}

// add takes in entry i.
func (h *Header) add(i int, raw []byte) error {
	tag := Tag(binary.BigEndian.Uint32(raw))
	e := entry{
		typ:    binary.BigEndian.Uint32(raw[4:]),
		offset: int64(binary.BigEndian.Uint32(raw[8:])),
		count:  int64(binary.BigEndian.Uint32(raw[12:])),
	}
	region := i == 0 && regionMin <= tag && tag <= regionMax
	switch {
	case tag < firstTag && !region:
		return fmt.Errorf("entry %d: tag %d", i, tag)
	case e.typ < typeMin || e.typ > typeMax || region && e.typ != typeBin:
		return fmt.Errorf("entry %d: tag %d: type %d", i, tag, e.typ)
	case e.count == 0 || e.count > h.size || e.offset >= h.size || region && e.offset+entrySize > h.size:
		return fmt.Errorf("entry %d: tag %d: %d values at %d of %d", i, tag, e.count, e.offset, h.size)
	}
	if at := tag.place(); at >= 0 {
		h.entries[at] = e
	}
	return nil
}

// entry returns the entry of a tag, of count 0 if there is none.
func (h *Header) entry(tag Tag, types ...uint32) (entry, error) {
	at := tag.place()
	if at < 0 {
		return entry{}, nil
	}
	e := h.entries[at]
	if e.count == 0 {
		return e, nil
	}
	for _, t := range types {
		if e.typ == t {
			return e, nil
		}
	}
	return entry{}, fmt.Errorf("tag %d: type %d", tag, e.typ)
}

// String returns the value of a tag, the first if it has several, or "" if the
// header has no such tag. Texts of more than 1 KiB are an error.
func (h *Header) String(tag Tag) (string, error) {
	e, err := h.entry(tag, typeString, typeStringArray, typeI18NString)
	if err != nil || e.count == 0 {
		return "", err
	}
	if at := e.offset - h.windowAt; at >= 0 && at < int64(len(h.window)) {
		if text, _, ok := bytes.Cut(h.window[at:], []byte{0}); ok && len(text) <= maxString {
			return string(text), nil
		}
	}
	h.window = h.window[:min(windowSize, h.size-e.offset)]
	h.windowAt = e.offset
	if err := h.readAt(h.window, e.offset); err != nil {
		h.window = h.window[:0]
		return "", fmt.Errorf("tag %d: %w", tag, err)
	}
	text, _, ok := bytes.Cut(h.window, []byte{0})
	if !ok || len(text) > maxString {
		return "", fmt.Errorf("tag %d: text without end within %d bytes", tag, maxString)
	}
	return string(text), nil
}

// Uint32 returns the value of a tag, the first if it has several, and whether the
// header has it.
func (h *Header) Uint32(tag Tag) (uint32, bool, error) {
	e, err := h.entry(tag, typeInt32)
	if err != nil || e.count == 0 {
		return 0, false, err
	}
	value := make([]byte, 4)
	if err := h.readAt(value, e.offset); err != nil {
		return 0, false, fmt.Errorf("tag %d: %w", tag, err)
	}
	return binary.BigEndian.Uint32(value), true, nil
}

// readAt fills p with what is at an offset of the store.
func (h *Header) readAt(p []byte, offset int64) error {
	if int64(len(p)) > h.size-offset {
		return io.ErrUnexpectedEOF
	}
	return readat.Full(h.r, p, h.start+offset)
}
