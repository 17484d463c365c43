package zipfile

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// ErrTooLarge says that an entry holds more than may be read of it.
var ErrTooLarge = errors.New("larger than the limit")

// content is what an entry holds, decompressed and checked as it is read.
type content struct {
	entry  Entry // Size is -1 where only the end of the content tells it
	r      io.Reader
	limit  int64
	budget *Budget

	n   int64 // bytes read
	sum uint32
	err error // what ended it
}

// Read implements io.Reader.
func (c *content) Read(p []byte) (int, error) {
	if c.err != nil || len(p) == 0 {
		return 0, c.err
	}
	most := c.limit
	if c.entry.Size >= 0 {
		most = min(most, c.entry.Size)
	}
	// One byte more than there may be tells whether there is more.
	if room := most - c.n + 1; int64(len(p)) > room {
		p = p[:room]
	}
	n, err := c.r.Read(p)
	if over := c.n + int64(n) - most; over > 0 {
		n -= int(over)
		err = c.fail(ErrTooLarge)
		if c.entry.Size >= 0 && c.entry.Size <= c.limit {
			err = c.fail(fmt.Errorf("more than the %d bytes that it should have", c.entry.Size))
		}
	}
	c.n += int64(n)
	c.sum = crc32.Update(c.sum, crc32.IEEETable, p[:n])
	if short := c.budget.content(n); short != nil {
		err = c.fail(short)
	}
	switch {
	case err == io.EOF:
		err = c.end()
	case err != nil && c.err == nil:
		err = c.fail(err)
	}
	c.err = err
	return n, err
}

// end checks what has come to its end.
func (c *content) end() error {
	switch {
	case c.entry.Size < 0:
		return io.EOF
	case c.n < c.entry.Size:
		return c.fail(fmt.Errorf("%d bytes and not the %d that it should have", c.n, c.entry.Size))
	case c.sum != c.entry.crc:
		return c.fail(errors.New("checksum differs"))
	}
	return io.EOF
}

func (c *content) fail(err error) error {
	c.err = fmt.Errorf("entry %q: %w", short(c.entry.Name), err)
	return c.err
}
