// Package chain reads a value that a database spreads over linked pages, each of
// which holds the same number of bytes of it and the number of the next one.
package chain

import (
	"fmt"
	"io"
	"os"
)

// Pages are the pages of a database as a chain sees them.
type Pages interface {
	// Follow checks that page is one that comes after prev in a chain, 0 for
	// none, and returns the next one, 0 for none. It is asked once for each
	// page, and refuses one that it was asked for before.
	Follow(page, prev uint32) (next uint32, err error)
	// ReadPage fills p with the value's bytes at offset off of those on page.
	ReadPage(p []byte, page uint32, off int64) error
}

// A Chain is a value, read where it is asked for. What was followed of the chain
// is remembered, four bytes a page. A Chain is used by one goroutine.
type Chain struct {
	src   Pages
	local []byte
	next  uint32
	per   int64
	size  int64
	pages []uint32
	err   error // why the chain could not be followed further
}

// New returns the value of at most size bytes that begins with local and goes on
// at page first, 0 for none, with per bytes a page.
func New(src Pages, local []byte, first uint32, per int, size int64) *Chain {
	return &Chain{src: src, local: local, next: first, per: int64(per), size: size}
}

// ReadAt reads at an offset of the value, as io.ReaderAt has it. A chain that
// ends too early gives io.ErrUnexpectedEOF.
func (c *Chain) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read at offset %d: %w", off, os.ErrInvalid)
	}
	if off >= c.size {
		return 0, io.EOF
	}
	want := int(min(int64(len(p)), c.size-off))
	n := 0
	for n < want {
		m, err := c.part(p[n:want], off+int64(n))
		n += m
		if err != nil {
			return n, err
		}
	}
	if want < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// part reads what one page has of p.
func (c *Chain) part(p []byte, off int64) (int, error) {
	if off < int64(len(c.local)) {
		return copy(p, c.local[off:]), nil
	}
	off -= int64(len(c.local))
	i, within := off/c.per, off%c.per
	if err := c.follow(int(i)); err != nil {
		return 0, err
	}
	p = p[:min(int64(len(p)), c.per-within)]
	if err := c.src.ReadPage(p, c.pages[i], within); err != nil {
		return 0, err
	}
	return len(p), nil
}

// follow goes along the chain until its page i is known.
func (c *Chain) follow(i int) error {
	for c.err == nil && len(c.pages) <= i {
		if c.next == 0 {
			c.err = fmt.Errorf("chain of %d pages: %w", len(c.pages), io.ErrUnexpectedEOF)
			break
		}
		var prev, next uint32
		if n := len(c.pages); n > 0 {
			prev = c.pages[n-1]
		}
		if next, c.err = c.src.Follow(c.next, prev); c.err == nil {
			c.pages = append(c.pages, c.next)
			c.next = next
		}
	}
	if len(c.pages) <= i {
		return c.err
	}
	return nil
}
