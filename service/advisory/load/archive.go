package load

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"math"
)

// archive emits the entries of a zip archive that could be records, in the archive's order.
// An archive that cannot be opened is one rejection. Archives in it are not opened. It
// returns when its members are closed.
func (w *walker) archive(name string, r io.ReaderAt, size int64) error {
	defer w.open.Wait()
	directory := &boundedReaderAt{r: r, left: w.left.directory}
	z, err := zip.NewReader(directory, size)
	if err != nil {
		return w.reject(name, err)
	}
	directory.left = -1
	for _, f := range z.File {
		if err := w.count(); err != nil {
			return err
		}
		if !isRecord(f.Name) {
			continue
		}
		entry := fmt.Sprintf("%s: %s", name, f.Name)
		// Larger values would be negative as int64.
		claim := int64(min(f.UncompressedSize64, math.MaxInt64))
		if err := w.record(entry, claim, f.Open); err != nil {
			return err
		}
	}
	return nil
}

// A boundedReaderAt fails after left bytes have been read. The zip reader keeps an entry in
// memory for every few dozen bytes of the table of contents, which this bounds.
type boundedReaderAt struct {
	r    io.ReaderAt
	left int64 // negative: no bound
}

func (b *boundedReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if b.left >= 0 {
		if b.left -= int64(len(p)); b.left < 0 {
			b.left = 0
			return 0, errors.New("the table of contents is too large")
		}
	}
	return b.r.ReadAt(p, off)
}
