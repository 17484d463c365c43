package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"assay/inspect/distro/rpm/chain"
)

const (
	pageInterior = 0x05 // of a table
	pageLeaf     = 0x0d

	leafHeader     = 8
	interiorHeader = 12
	// maxDepth bounds the depth of a table's tree. SQLite's own bound is 20.
	maxDepth = 20
)

// rows yields the rows of the table with the given root page, in order. An error is
// that of one page or row. rows reports whether yield accepted all of them.
func (p *pager) rows(root uint32, depth int, yield func(*io.SectionReader, error) bool) bool {
	fail := func(err error) bool { return yield(nil, fmt.Errorf("page %d: %w", root, err)) }
	if depth > maxDepth {
		return fail(fmt.Errorf("tree deeper than %d", maxDepth))
	}
	if err := p.visit(root); err != nil {
		return fail(err)
	}
	page := make([]byte, p.pageSize)
	if err := p.read(page, root, 0); err != nil {
		return fail(err)
	}
	page = page[:p.usable]
	start := 0
	if root == 1 {
		start = fileHeader
	}
	kind, cells := page[start], int(binary.BigEndian.Uint16(page[start+3:]))
	pointers := start + leafHeader
	if kind == pageInterior {
		pointers = start + interiorHeader
	}
	if kind != pageInterior && kind != pageLeaf {
		return fail(fmt.Errorf("type %d, not of a table", kind))
	}
	content := pointers + 2*cells
	if content > len(page) {
		return fail(fmt.Errorf("%d cells", cells))
	}
	left := len(page) - content // how many bytes all cells together may have, so that none is read twice
	for i := range cells {
		at := int(binary.BigEndian.Uint16(page[pointers+2*i:]))
		if at < content || at+overflowHeader > len(page) {
			if !fail(fmt.Errorf("cell %d at %d", i, at)) {
				return false
			}
			continue
		}
		if kind == pageInterior {
			if !p.rows(binary.BigEndian.Uint32(page[at:]), depth+1, yield) {
				return false
			}
			continue
		}
		row, size, err := p.row(page[at:])
		if left -= size; err == nil && left < 0 {
			return fail(errors.New("cells overlap"))
		}
		if err != nil {
			err = fmt.Errorf("page %d: cell %d: %w", root, i, err)
		}
		if !yield(row, err) {
			return false
		}
	}
	if kind == pageInterior {
		return p.rows(binary.BigEndian.Uint32(page[start+8:]), depth+1, yield)
	}
	return true
}

// row returns the record of the row whose cell begins at b, and the size of the cell.
func (p *pager) row(b []byte) (*io.SectionReader, int, error) {
	payload, n := varint(b)
	_, m := varint(b[n:]) // the row's number
	if n == 0 || m == 0 {
		return nil, 0, errors.New("no room for a row")
	}
	// No row is larger than all pages together. SQLite's own bound is 2 GiB.
	if payload > uint64(p.pages)*uint64(p.pageSize) {
		return nil, 0, fmt.Errorf("row of %d bytes", payload)
	}
	size, local := int64(payload), p.local(int64(payload))
	end := n + m + local
	var next uint32
	if int64(local) < size {
		if end+overflowHeader > len(b) {
			return nil, 0, fmt.Errorf("row of %d bytes ends beyond the page", size)
		}
		next = binary.BigEndian.Uint32(b[end:])
	}
	if end > len(b) {
		return nil, 0, fmt.Errorf("row of %d bytes ends beyond the page", size)
	}
	c := chain.New(p, b[n+m:end], next, p.usable-overflowHeader, size)
	return io.NewSectionReader(c, 0, size), end, nil
}

// local returns how many bytes of a row of that size are on its leaf page, according to
// the file format.
func (p *pager) local(size int64) int {
	u := int64(p.usable)
	most := u - 35
	if size <= most {
		return int(size)
	}
	least := (u-12)*32/255 - 23
	if fit := least + (size-least)%(u-overflowHeader); fit <= most {
		return int(fit)
	}
	return int(least)
}
