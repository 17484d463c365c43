package snapshot

import (
	"bufio"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"assay/service/index"
)

// A spill keeps the edits of packages of a large change in a file, until all of them are
// known. Then each package is edited once, in the order of the keys. If each batch edited
// its packages, most pages of the index would be read and written again for every batch,
// and all pages of a batch would be in memory.
//
// The file has one run for each batch, with the edits sorted by key. It has no name, so it
// does not outlive the process.
type spill struct {
	file *os.File
	runs []int64 // where each begins
	size int64
}

// newSpill makes a spill. The file has the name path for a moment.
func newSpill(path string) (*spill, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &spill{file: file}, nil
}

func (s *spill) close() error { return s.file.Close() }

// add adds the edits of a batch.
func (s *spill) add(edits map[string]*edit) error {
	s.runs = append(s.runs, s.size)
	w := bufio.NewWriterSize(s.file, 1<<16)
	var b []byte
	for _, key := range slices.Sorted(maps.Keys(edits)) {
		e := edits[key]
		b = appendString(b[:0], key)
		b = appendUint(b, len(e.drop))
		for _, a := range e.drop {
			b = appendString(appendString(b, a.Advisory), a.Source)
		}
		b = appendString(b, string(encodeEntries([]byte(key), e.add)))
		if _, err := w.Write(b); err != nil {
			return err
		}
		s.size += int64(len(b))
	}
	return w.Flush()
}

// each calls f with the edits of each package, in the order of the keys.
func (s *spill) each(f func(key string, e *edit) error) error {
	const memory = 32 << 20 // of all buffers
	var q runQueue
	for i, from := range s.runs {
		to := s.size
		if i+1 < len(s.runs) {
			to = s.runs[i+1]
		}
		size := min(1<<16, max(1<<12, memory/len(s.runs)))
		r := &run{number: i, r: bufio.NewReaderSize(io.NewSectionReader(s.file, from, to-from), size)}
		if more, err := r.next(); err != nil {
			return err
		} else if more {
			q = append(q, r)
		}
	}
	heap.Init(&q)
	for len(q) > 0 {
		key, e := q[0].key, &edit{}
		for len(q) > 0 && q[0].key == key {
			e.then(q[0].edit)
			more, err := q[0].next()
			switch {
			case err != nil:
				return err
			case more:
				heap.Fix(&q, 0)
			default:
				heap.Pop(&q)
			}
		}
		if err := f(key, e); err != nil {
			return err
		}
	}
	return nil
}

// then adds a later edit of the same package to e.
func (e *edit) then(later edit) {
	if len(later.drop) > 0 {
		e.add = slices.DeleteFunc(e.add, later.drops)
		e.drop = append(e.drop, later.drop...)
		slices.SortFunc(e.drop, byRecord)
	}
	e.add = append(e.add, later.add...)
}

// drops reports whether e drops an entry that was there before.
func (e *edit) drops(a index.Affected) bool {
	_, found := slices.BinarySearchFunc(e.drop, a, byRecord)
	return found
}

// A run reads the edits of one batch.
type run struct {
	number int
	r      *bufio.Reader
	key    string
	edit   edit
}

// next reads the next edit, if there is one.
func (r *run) next() (more bool, err error) {
	if _, err := r.r.Peek(1); err == io.EOF {
		return false, nil
	}
	r.edit = edit{}
	var drops uint64
	if r.key, err = r.string(); err == nil {
		drops, err = binary.ReadUvarint(r.r)
	}
	for i := uint64(0); i < drops && err == nil; i++ {
		var a index.Affected
		if a.Advisory, err = r.string(); err == nil {
			a.Source, err = r.string()
		}
		r.edit.drop = append(r.edit.drop, a)
	}
	if err != nil {
		return false, fmt.Errorf("read edits: %w", err)
	}
	value, err := r.string()
	if err != nil {
		return false, fmt.Errorf("read edits: %w", err)
	}
	r.edit.add, err = decodeEntries([]byte(r.key), []byte(value))
	return err == nil, err
}

func (r *run) string() (string, error) {
	n, err := binary.ReadUvarint(r.r)
	if err != nil {
		return "", err
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r.r, b)
	return string(b), err
}

// A runQueue has the run with the lowest key first, and of several that of the first batch.
type runQueue []*run

func (q runQueue) Len() int { return len(q) }
func (q runQueue) Less(i, j int) bool {
	return q[i].key < q[j].key || q[i].key == q[j].key && q[i].number < q[j].number
}
func (q runQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *runQueue) Push(x any)   { *q = append(*q, x.(*run)) }
func (q *runQueue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}
