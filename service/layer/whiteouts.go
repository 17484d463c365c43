package layer

import (
	"bufio"
	"encoding/binary"
	"io"
	"iter"
	"os"
)

// whiteouts are the paths of the whiteouts of a layer. They are in a file, because there may
// be millions.
type whiteouts struct {
	dir string
	f   *os.File
	w   *bufio.Writer
}

func (x *whiteouts) add(path string) error {
	if x.f == nil {
		f, err := os.CreateTemp(x.dir, "whiteouts-")
		if err != nil {
			return err
		}
		x.f, x.w = f, bufio.NewWriter(f)
	}
	var size [binary.MaxVarintLen64]byte
	x.w.Write(size[:binary.PutUvarint(size[:], uint64(len(path)))])
	_, err := x.w.WriteString(path)
	return err
}

// all yields the paths in the order in which they were added. It stops after an error.
func (x *whiteouts) all() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if x.f == nil {
			return
		}
		err := x.w.Flush()
		if err == nil {
			_, err = x.f.Seek(0, io.SeekStart)
		}
		if err != nil {
			yield("", err)
			return
		}
		r := bufio.NewReader(x.f)
		for {
			size, err := binary.ReadUvarint(r)
			if err == io.EOF {
				return
			}
			var path []byte
			if err == nil {
				path = make([]byte, size)
				_, err = io.ReadFull(r, path)
			}
			if !yield(string(path), err) || err != nil {
				return
			}
		}
	}
}

func (x *whiteouts) close() {
	if x.f != nil {
		x.f.Close()
		os.Remove(x.f.Name())
	}
}
