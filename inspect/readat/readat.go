// Package readat reads data for which the end of the file is an error, such as the rest of
// a record.
package readat

import (
	"errors"
	"io"
)

// Full fills p from an offset of r. If r ends early, the error is io.ErrUnexpectedEOF.
func Full(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil:
		return io.ErrUnexpectedEOF
	}
	return Unexpected(err)
}

// Unexpected returns err, or io.ErrUnexpectedEOF for io.EOF.
func Unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
