package readat

import "io"

// An Ahead reads more of a file than requested and serves the next requests from that.
// The pages of a value usually follow each other, and a system call for each would cost
// more than the extra bytes. Only one goroutine may use it.
type Ahead struct {
	r   io.ReaderAt
	buf []byte
	at  int64 // offset of buf in the file
}

// NewAhead returns an Ahead that reads size bytes of r at a time, at multiples of size.
func NewAhead(r io.ReaderAt, size int) *Ahead {
	return &Ahead{r: r, buf: make([]byte, 0, size)}
}

// ReadAt implements io.ReaderAt.
func (a *Ahead) ReadAt(p []byte, off int64) (int, error) {
	for n := 0; ; {
		if within := off + int64(n) - a.at; within >= 0 && within < int64(len(a.buf)) {
			n += copy(p[n:], a.buf[within:])
		}
		if n == len(p) {
			return n, nil
		}
		size := int64(cap(a.buf))
		a.at = (off + int64(n)) / size * size
		m, err := a.r.ReadAt(a.buf[:size], a.at)
		a.buf = a.buf[:m]
		if off+int64(n)-a.at >= int64(m) {
			return n, err
		}
	}
}
