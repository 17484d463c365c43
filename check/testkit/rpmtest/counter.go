package rpmtest

import (
	"bytes"
	"io"
)

// A Counter is data that counts how many bytes of it are read.
type Counter struct {
	Data []byte
	Read int64 // number of bytes
}

// ReadAt implements io.ReaderAt.
func (c *Counter) ReadAt(p []byte, off int64) (int, error) {
	n, err := bytes.NewReader(c.Data).ReadAt(p, off)
	c.Read += int64(n)
	return n, err
}

// Size returns the size of the data.
func (c *Counter) Size() int64 { return int64(len(c.Data)) }

// Drain reads blob to its end and returns what could be read.
func Drain(blob *io.SectionReader) ([]byte, error) {
	var b bytes.Buffer
	_, err := b.ReadFrom(blob)
	return b.Bytes(), err
}
