// Package chain reads a value that a database stores in linked pages. Each page has the
// same number of bytes of the value and the number of the next page.
package chain

import (
	"fmt"
	"io"
	"os"
)

// Pages gives a Chain access to the pages of a database.
type Pages interface {
	// Follow checks that page follows prev in a chain; prev is 0 for the first page. It
	// returns the next page, or 0 at the end. It is called once per page and rejects a
	// page that it has seen before.
	Follow(page, prev uint32) (next uint32, err error)
	// ReadPage fills p with the bytes of the value on page, from offset off.
	ReadPage(p []byte, page uint32, off int64) error
}

// A Chain is a value that is read on demand. It remembers the pages it has followed,
// four bytes per page. Only one goroutine may use it.
type Chain struct {
	src   Pages
	local []byte
	next  uint32
	per   int64
	size  int64
	pages []uint32
	err   error // why the chain cannot be followed further
}

// New returns a value of at most size bytes. It begins with local and continues on page
// first, or ends if first is 0. Each page has per bytes of it.
func New(src Pages, local []byte, first uint32, per int, size int64) *Chain {
	return &Chain{src: src, local: local, next: first, per: int64(per), size: size}
}

// ReadAt implements io.ReaderAt. If the chain ends early, the error is
// io.ErrUnexpectedEOF.
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

// part reads into p from one page.
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

// follow follows the chain until its page i is known.
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
