// Package header parses the package headers in rpm's databases: two numbers, the index,
// and the store with the values, all big-endian. The index is checked like in
// hdrblobInit in rpm's lib/header.c.
//
// Read parses only the index; values are read when they are requested. A header with a
// hundred thousand files therefore costs no more than any other.
package header

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"assay/inspect/readat"
)

const (
	intro     = 8  // bytes before the index: the number of entries and the size of the store
	entrySize = 16 // tag, type, offset, count
	// maxEntries and maxStore are rpm's own bounds.
	maxEntries = 0xffff
	maxStore   = 0x0fffffff
	// maxString bounds the values that String returns. Names, versions and releases are
	// parts of a file name, which filesystems limit to 255 bytes.
	maxString = 1 << 10
	// windowSize is how many bytes of the store are read at once. All short values are
	// there, before the file lists.
	windowSize = 2 << 10
)

// A Header is a header with a valid index. Only one goroutine may use it.
type Header struct {
	r       io.ReaderAt
	start   int64 // of the store
	size    int64 // of the store
	entries [numTags]entry

	window   []byte
	windowAt int64 // offset of the window in the store
}

// An entry is what the index has for a tag. If count is 0, the tag is missing.
type entry struct {
	typ    uint32
	offset int64
	count  int64
}

// Read parses the header at the beginning of r. It has at most size bytes.
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

// index reads the index. A tag that occurs twice was changed after the package was
// built: the second value is outside the signed region and is the valid one.
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

// add adds entry i.
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
		return fmt.Errorf("entry %d: invalid tag %d", i, tag)
	case e.typ < typeMin || e.typ > typeMax || region && e.typ != typeBin:
		return fmt.Errorf("entry %d: tag %d: unknown type %d", i, tag, e.typ)
	case e.count == 0 || e.count > h.size || e.offset >= h.size || region && e.offset+entrySize > h.size:
		return fmt.Errorf("entry %d: tag %d: %d values at %d of %d", i, tag, e.count, e.offset, h.size)
	}
	if at := tag.place(); at >= 0 {
		h.entries[at] = e
	}
	return nil
}

// entry returns the entry of a tag. Its count is 0 if there is none.
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
	return entry{}, fmt.Errorf("tag %d: unexpected type %d", tag, e.typ)
}

// String returns the value of a tag, or its first value if it has several. It returns
// "" if the header does not have the tag. A value of more than 1 KiB is an error.
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
		return "", fmt.Errorf("tag %d: text is not terminated within %d bytes", tag, maxString)
	}
	return string(text), nil
}

// Prefix returns the first bytes of a tag's binary value or first text, at most as many as p
// has, which it overwrites. It returns nil if the header does not have the tag, or has it with
// another type.
func (h *Header) Prefix(tag Tag, p []byte) ([]byte, error) {
	e, err := h.entry(tag, typeBin, typeString, typeStringArray)
	if err != nil || e.count == 0 {
		return nil, nil
	}
	p = p[:min(int64(len(p)), h.size-e.offset)]
	if e.typ == typeBin {
		p = p[:min(int64(len(p)), e.count)]
	}
	if err := h.readAt(p, e.offset); err != nil {
		return nil, fmt.Errorf("tag %d: %w", tag, err)
	}
	if e.typ != typeBin {
		p, _, _ = bytes.Cut(p, []byte{0})
	}
	return p, nil
}

// Uint32 returns the value of a tag, or its first value if it has several, and whether
// the header has the tag.
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

// readAt fills p from an offset of the store.
func (h *Header) readAt(p []byte, offset int64) error {
	if int64(len(p)) > h.size-offset {
		return io.ErrUnexpectedEOF
	}
	return readat.Full(h.r, p, h.start+offset)
}
