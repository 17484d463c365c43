// Package load reads advisories in the Open Source Vulnerability format from a file with
// one record, an archive of records, or a folder of either.
package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"runtime"
	"sync"

	"assay/service/advisory"
	"assay/service/store"
)

// A Source is a path with advisories. Its counts and rejections are those of the last
// reading, and are complete when that has ended.
type Source struct {
	path     string
	limits   limits
	counts   Counts
	rejected []*Rejection
}

// Open returns the source for a path, which is one of
//
//   - a .json file: one record;
//   - a .zip archive: every .json entry, in the archive's order;
//   - a folder: every .json file and .zip archive below it, by name, such as the public
//     bucket's <Ecosystem>/all.zip. Symbolic links to files are followed if they stay in
//     the folder. Links to folders are not followed. A link that leads out of the folder
//     or nowhere is rejected.
//
// Records opens and reads the files, and closes them.
func Open(path string) *Source {
	return &Source{path: path, limits: defaultLimits()}
}

// Counts counts the files that were read.
type Counts struct {
	Files    int // files and archive entries that could be records
	Records  int // records yielded
	Rejected int // files that are not records
}

// Counts returns the counts of the last reading.
func (s *Source) Counts() Counts { return s.counts }

// Rejected returns the rejections of the last reading in order, at most a thousand. Counts
// has their number.
func (s *Source) Rejected() []*Rejection { return s.rejected }

const maxListed = 1000

// A Rejection is a file that is not a record or cannot be read. It wraps
// store.ErrRejected, so that an import continues without it.
type Rejection struct {
	// File is the path below the source's folder, or the source's file. An entry of an
	// archive follows the archive: "Debian/all.zip: DSA-1.json".
	File string
	Err  error
}

func (r *Rejection) Error() string { return fmt.Sprintf("%s: %v", r.File, r.Err) }

// Unwrap makes a Rejection both a store.ErrRejected and its reason.
func (r *Rejection) Unwrap() []error { return []error{store.ErrRejected, r.Err} }

// limits bound what is read. All public data together has less than a million records and
// 4 GiB.
type limits struct {
	files     int   // files, folders and archive entries
	bytes     int64 // of records, unpacked
	directory int64 // bytes of one archive's table of contents
}

func defaultLimits() limits {
	return limits{files: 4 << 20, bytes: 32 << 30, directory: 128 << 20}
}

// Records yields the records in a fixed order, with their bytes as Body. For a file that is
// not a record it yields a *Rejection and continues. Any other error is yielded last: the
// path cannot be read or exceeds the limits, or has no records.
//
// Records are parsed on all processors, a small number ahead of the caller.
func (s *Source) Records() iter.Seq2[store.Record, error] {
	return s.read(func(w *walker) error { return w.walk(s.path) })
}

// read yields the records that walk finds.
func (s *Source) read(walk func(*walker) error) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		s.counts, s.rejected = Counts{}, nil
		p := start(s.limits, walk)
		defer p.stop()
		for t := range p.inOrder {
			<-t.done
			s.counts.Files++
			if t.err == nil {
				s.counts.Records++
				if !yield(t.record, nil) {
					return
				}
				continue
			}
			s.counts.Rejected++
			rejection := &Rejection{File: t.name, Err: t.err}
			if len(s.rejected) < maxListed {
				s.rejected = append(s.rejected, rejection)
			}
			if !yield(store.Record{}, rejection) {
				return
			}
		}
		if err := s.failure(p.stop()); err != nil {
			yield(store.Record{}, err)
		}
	}
}

// failure returns why a reading failed as a whole. walk is the error that ended it.
func (s *Source) failure(walk error) error {
	switch {
	case walk != nil:
		if e, ok := errors.AsType[*fs.PathError](walk); ok && e.Path == s.path {
			walk = e.Err // its text would repeat the path
		}
		return fmt.Errorf("read advisories of %q: %w", s.path, walk)
	case s.counts.Files == 0:
		return fmt.Errorf("no advisories in %q: it has neither .json files nor .zip archives of them", s.path)
	case s.counts.Records == 0:
		// The reason is not wrapped in a Rejection, which would not end an import.
		return fmt.Errorf("no advisories in %q: all %d files were rejected, the first: %s: %w",
			s.path, s.counts.Rejected, s.rejected[0].File, s.rejected[0].Err)
	}
	return nil
}

// A task is one file that is read and parsed.
type task struct {
	member
	done   chan struct{} // closed when record or err is set
	record store.Record
	err    error
}

func (t *task) run() {
	defer close(t.done)
	defer t.close()
	b, err := t.read()
	if err != nil {
		t.err = err
		return
	}
	t.record, t.err = Record(b)
}

// Record converts the bytes of one record to what the store keeps of it. They
// become its Body as they are.
func Record(b []byte) (store.Record, error) {
	a, err := advisory.Parse(b)
	if err != nil {
		return store.Record{}, err
	}
	r := store.Record{ID: a.ID, Modified: a.Modified, Body: b}
	for f := range a.Fixes() {
		r.Fixes = append(r.Fixes, store.Fix{Ecosystem: f.Ecosystem, Package: f.Package, Version: f.Version})
	}
	return r, nil
}

// Converted returns what the store keeps of an advisory that was converted from another
// format.
func Converted(a advisory.Advisory) (store.Record, error) {
	a.SchemaVersion = schemaVersion
	b, err := json.Marshal(a)
	if err != nil {
		return store.Record{}, err
	}
	return Record(b)
}

const schemaVersion = "1.7.0"

// A pipeline walks in one goroutine and parses in several.
type pipeline struct {
	inOrder <-chan *task
	stop    func() error // ends the walk, waits, and returns its error; may be called again
}

var errStopped = errors.New("reading was stopped")

// start runs walk, which makes the walker emit.
func start(lim limits, walk func(*walker) error) pipeline {
	workers := runtime.GOMAXPROCS(0)
	inOrder := make(chan *task, 8*workers)
	work := make(chan *task)
	stopped := make(chan struct{})

	var wg sync.WaitGroup
	var err error
	wg.Go(func() {
		defer close(inOrder)
		defer close(work)
		w := &walker{left: lim, emit: func(m member) error {
			t := &task{member: m, done: make(chan struct{})}
			for _, ch := range [...]chan<- *task{inOrder, work} {
				select {
				case ch <- t:
				case <-stopped:
					t.close()
					return errStopped
				}
			}
			return nil
		}}
		err = walk(w)
	})
	for range workers {
		wg.Go(func() {
			for t := range work {
				t.run()
			}
		})
	}
	stop := sync.OnceFunc(func() {
		close(stopped)
		wg.Wait()
	})
	return pipeline{inOrder, func() error {
		stop()
		return err
	}}
}
