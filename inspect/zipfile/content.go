package zipfile

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// ErrTooLarge is returned when an entry is read beyond its limit.
var ErrTooLarge = errors.New("larger than the limit")

// content is the content of an entry, decompressed and checked while it is read.
type content struct {
	entry  Entry // Size is -1 if it is known only at the end of the content
	r      io.Reader
	limit  int64
	budget *Budget

	n   int64 // bytes read
	sum uint32
	err error // set when reading has ended
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
	// One byte more than the expected size shows whether there is more.
	if room := most - c.n + 1; int64(len(p)) > room {
		p = p[:room]
	}
	n, err := c.r.Read(p)
	if over := c.n + int64(n) - most; over > 0 {
		n -= int(over)
		err = c.fail(ErrTooLarge)
		if c.entry.Size >= 0 && c.entry.Size <= c.limit {
			err = c.fail(fmt.Errorf("larger than the %d bytes in its header", c.entry.Size))
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

// end checks the size and the checksum at the end of the content.
func (c *content) end() error {
	switch {
	case c.entry.Size < 0:
		return io.EOF
	case c.n < c.entry.Size:
		return c.fail(fmt.Errorf("has %d bytes, but its header says %d", c.n, c.entry.Size))
	case c.sum != c.entry.crc:
		return c.fail(errors.New("checksum does not match"))
	}
	return io.EOF
}

func (c *content) fail(err error) error {
	c.err = fmt.Errorf("entry %q: %w", short(c.entry.Name), err)
	return c.err
}
