// Package readat reads data that must be there.
package readat

import "io"

// Full fills p from an offset of r. If r ends early, the error is io.ErrUnexpectedEOF.
func Full(r io.ReaderAt, p []byte, off int64) error {
	if n, err := r.ReadAt(p, off); n < len(p) {
		return Unexpected(err)
	}
	return nil
}

// Unexpected returns err, or io.ErrUnexpectedEOF for io.EOF.
func Unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
