package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"assay/inspect/distro/rpm/chain"
	"assay/inspect/readat"
)

const (
	fileMagic  = "SQLite format 3\x00"
	fileHeader = 100
	maxPage    = 64 << 10
	// minUsable is how many bytes of a page must not be reserved.
	minUsable = 480
	// aheadSize is how many bytes are read at once.
	aheadSize = 16 << 10
	// maxPages is the largest page number in the format.
	maxPages = 1<<32 - 2
	// overflowHeader is the size of the number of the next page of a chain.
	overflowHeader = 4
)

func isPageSize(n uint32) bool { return n >= 512 && n <= maxPage && n&(n-1) == 0 }

// A pager reads pages, from the log if the log has them. Pages are numbered from 1 to
// pages.
type pager struct {
	db       io.ReaderAt
	wal      *wal // or nil
	pageSize int
	usable   int // bytes of a page that are not reserved
	pages    uint32
	seen     *chain.Set
	// cut says that the file has fewer pages than its header says.
	cut error
}

func openPager(db io.ReaderAt, size int64, log io.ReaderAt, logSize int64) (*pager, error) {
	if size == 0 {
		return nil, errors.New("empty file") // SQLite does not use the log of an empty file either
	}
	p := &pager{db: readat.NewAhead(db, aheadSize)}
	if log != nil {
		w, err := openWAL(log, logSize)
		if err != nil {
			return nil, err
		}
		p.wal = w
	}
	head := make([]byte, fileHeader)
	if err := p.read(head, 1, 0); err != nil {
		return nil, fmt.Errorf("file header: %w", err)
	}
	pageSize := uint32(binary.BigEndian.Uint16(head[16:]))
	if pageSize == 1 {
		pageSize = maxPage
	}
	p.pageSize, p.usable = int(pageSize), int(pageSize)-int(head[20])
	switch {
	case string(head[:16]) != fileMagic:
		return nil, fmt.Errorf("file header: invalid magic %q", head[:16])
	case !isPageSize(pageSize) || p.usable < minUsable:
		return nil, fmt.Errorf("file header: invalid page size %d with %d reserved bytes", pageSize, head[20])
	case p.wal != nil && p.wal.pageSize != p.pageSize:
		return nil, fmt.Errorf("file header: page size %d, in the log %d", pageSize, p.wal.pageSize)
	case head[19] != 1 && head[19] != 2:
		return nil, fmt.Errorf("file header: unsupported version %d", head[19])
	case head[21] != 64 || head[22] != 32 || head[23] != 32:
		return nil, fmt.Errorf("file header: invalid payload fractions %v", head[21:24])
	case binary.BigEndian.Uint32(head[56:]) > 1: // 0 until the first table
		return nil, fmt.Errorf("file header: unsupported text encoding %d", binary.BigEndian.Uint32(head[56:]))
	}
	p.count(size, head)
	p.seen = chain.NewSet(p.pages + 1)
	return p, nil
}

// count sets the number of pages: the number in the log, or else the number in the file
// header, which is valid if the program that wrote it also wrote the change counter. It
// is never more than the file can have.
func (p *pager) count(size int64, head []byte) {
	present := min(size/int64(p.pageSize), maxPages)
	said := present
	if n := binary.BigEndian.Uint32(head[28:]); n != 0 && string(head[24:28]) == string(head[92:96]) {
		said = int64(n)
	}
	if p.wal != nil {
		said = int64(p.wal.pages)
		present = min(present+int64(len(p.wal.frames)), maxPages)
	}
	p.pages = uint32(min(said, present))
	if said > present {
		p.cut = fmt.Errorf("file has %d of %d pages", present, said)
	}
}

// read fills b from an offset of a page.
func (p *pager) read(b []byte, page uint32, off int64) error {
	if p.wal != nil {
		if at, ok := p.wal.find(page); ok {
			return readat.Full(p.wal.r, b, at+off)
		}
	}
	return readat.Full(p.db, b, int64(page-1)*int64(p.pageSize)+off)
}

// visit records that a page is read. Each page may be read once.
func (p *pager) visit(page uint32) error {
	if page == 0 {
		return errors.New("invalid page 0")
	}
	return p.seen.Add(page)
}

// Follow implements chain.Pages.
func (p *pager) Follow(page, _ uint32) (uint32, error) {
	next := make([]byte, overflowHeader)
	err := p.visit(page)
	if err == nil {
		err = p.read(next, page, 0)
	}
	if err != nil {
		return 0, fmt.Errorf("overflow page %d: %w", page, err)
	}
	return binary.BigEndian.Uint32(next), nil
}

// ReadPage implements chain.Pages.
func (p *pager) ReadPage(b []byte, page uint32, off int64) error {
	if err := p.read(b, page, overflowHeader+off); err != nil {
		return fmt.Errorf("overflow page %d: %w", page, err)
	}
	return nil
}
