package sqlite

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"assay/inspect/inventory"
	"assay/inspect/readat"
)

const (
	walHeader   = 32
	frameHeader = 24
	// walMagic has its lowest bit set if the checksums are of big-endian words.
	walMagic   = 0x377f0682
	walVersion = 3007000
	// maxFrames bounds the frames of a log. Eight bytes are kept for each.
	maxFrames = 1 << 20
)

// A wal is a write-ahead log: pages that replace those of the database, up to the last
// complete transaction.
type wal struct {
	r        io.ReaderAt
	pageSize int
	pages    uint32  // of the database after the last transaction
	frames   []frame // sorted by page, the last frame of each
}

// A frame is one page in the log.
type frame struct{ page, number uint32 }

// openWAL reads a log like SQLite does in recovery. It returns nil if the log has
// nothing valid, by SQLite's rules: a log that was restarted has old frames, with a
// different salt, after the valid ones; and a log with an incomplete header is ignored.
func openWAL(r io.ReaderAt, size int64) (*wal, error) {
	head := make([]byte, walHeader)
	if size < walHeader {
		return nil, nil
	}
	if err := readat.Full(r, head, 0); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	magic, pageSize := binary.BigEndian.Uint32(head), binary.BigEndian.Uint32(head[8:])
	if magic&^1 != walMagic || !isPageSize(pageSize) {
		return nil, nil
	}
	sum := checksum{order: binary.LittleEndian}
	if magic&1 != 0 {
		sum.order = binary.BigEndian
	}
	if sum.add(head[:24]); !sum.is(head[24:]) {
		return nil, nil
	}
	if v := binary.BigEndian.Uint32(head[4:]); v != walVersion {
		return nil, fmt.Errorf("log: version %d, not %d", v, walVersion)
	}
	w := &wal{r: r, pageSize: int(pageSize)}
	frames := (size - walHeader) / w.frameSize()
	if frames > maxFrames {
		return nil, fmt.Errorf("log: %d frames", frames)
	}
	if err := w.recover(uint32(frames), head[16:24], sum); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	if len(w.frames) == 0 {
		return nil, nil
	}
	return w, nil
}

// recover finds the valid frames up to the last one that ends a transaction.
func (w *wal) recover(frames uint32, salt []byte, sum checksum) error {
	raw := make([]byte, w.frameSize())
	var all []frame
	committed := 0
	for n := range frames {
		if err := readat.Full(w.r, raw, w.offset(n)-frameHeader); err != nil {
			return fmt.Errorf("frame %d: %w", n, err)
		}
		page, after := binary.BigEndian.Uint32(raw), binary.BigEndian.Uint32(raw[4:])
		if page == 0 || string(raw[8:16]) != string(salt) {
			break
		}
		sum.add(raw[:8])
		if sum.add(raw[frameHeader:]); !sum.is(raw[16:frameHeader]) {
			break
		}
		all = append(all, frame{page, n})
		if after != 0 {
			committed, w.pages = len(all), after
		}
	}
	all = all[:committed]
	inventory.SortFunc(all, func(a, b *frame) int {
		return cmp.Or(cmp.Compare(a.page, b.page), cmp.Compare(b.number, a.number))
	})
	w.frames = slices.CompactFunc(all, func(a, b frame) bool { return a.page == b.page })
	return nil
}

// find returns the offset of a page in the log.
func (w *wal) find(page uint32) (offset int64, ok bool) {
	i, ok := slices.BinarySearchFunc(w.frames, page, func(f frame, page uint32) int {
		return cmp.Compare(f.page, page)
	})
	if !ok {
		return 0, false
	}
	return w.offset(w.frames[i].number), true
}

func (w *wal) frameSize() int64 { return frameHeader + int64(w.pageSize) }

// offset returns the offset of a frame's page.
func (w *wal) offset(number uint32) int64 {
	return walHeader + int64(number)*w.frameSize() + frameHeader
}

// A checksum is the running checksum of a log.
type checksum struct {
	order  binary.ByteOrder
	s0, s1 uint32
}

// add adds b, whose length is a multiple of eight.
func (c *checksum) add(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		c.s0 += c.order.Uint32(b) + c.s1
		c.s1 += c.order.Uint32(b[4:]) + c.s0
	}
}

// is reports whether raw is the checksum.
func (c *checksum) is(raw []byte) bool {
	return binary.BigEndian.Uint32(raw) == c.s0 && binary.BigEndian.Uint32(raw[4:]) == c.s1
}
