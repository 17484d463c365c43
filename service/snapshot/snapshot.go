// Package snapshot is the index in a bbolt file, from which scans are answered. Each
// instance of the service builds its own from the store and maps it into memory. The file
// can be rebuilt at any time, so one that is damaged, of another program or of another
// format is deleted, not repaired.
//
// # States
//
// Readers see one published state at a time, never half of an import. A small change is
// one transaction. A large change and a rebuild are written in bounded batches to a second
// file, which is then renamed into place. New views read the new file, and old views keep
// the old file until they are closed.
//
// # Identity
//
// A snapshot's id is a digest of the advisories and exploit catalogs in it, not of how they
// got there: SHA-256 over the id, source and body of each, summed modulo 2^256. The sum does
// not depend on the order, or on advisories that were added and removed. It can be forged by
// somebody who chooses the advisories. It serves to compare two instances and to name a
// state, not as a protection. Withdrawn and removed advisories are not in it, nor are the
// times when fixes were first seen.
//
// # Damage
//
// A kill at any moment leaves the old or the new state: bbolt commits by writing one page
// with a checksum, and a second file counts after it has been renamed. Each value has a
// checksum over its key and itself. Open checks every page of the tree, which bbolt does
// not, and compares the whole file with the totals in it. bbolt panics on invalid pages, and
// a mapped page that the disk cannot read is a fault. Both become ErrDamaged. From then on
// no view is opened, because a damaged index must not say that an image is clean, and the
// next CatchUp builds a new file. A loop in damaged pages would overflow the stack of bbolt,
// which ends the process. So a file is not opened again if its check did not end.
package snapshot

import (
	"errors"
	"fmt"
	"os"
	"sync"
)

// ErrDamaged is returned, wrapped, if the file does not have what was written to it.
// CatchUp rebuilds it.
var ErrDamaged = errors.New("snapshot is damaged")

// errClosed is returned by every use of a DB after Close.
var errClosed = errors.New("snapshot is closed")

// A DB is an open index. It is safe for concurrent use.
type DB struct {
	path      string
	discarded error

	writing sync.Mutex // held by CatchUp and Close

	mu      sync.Mutex // guards what follows, and the counts of views in handles
	current *handle
	recent  *recent
	closed  bool
}

// Open opens the index at path, or creates an empty one. The folder must exist. A file that
// is damaged, of another format or not an index is removed and replaced by an empty index,
// which CatchUp fills. Discarded then returns the reason. An error means that the disk
// failed, or that another process has the index open and did not close it within a second.
func Open(path string) (*DB, error) {
	h, err := openFile(path)
	var discarded error
	if errors.Is(err, ErrDamaged) {
		discarded = err
		h, err = openFile(path)
	}
	if err != nil {
		return nil, err
	}
	// Another process may have left an incomplete rebuild. Only the holder of the lock writes
	// these files.
	for _, p := range []string{stagePath(path), looseName(stagePath(path))} {
		if err := removeFile(p); err != nil {
			return nil, errors.Join(err, h.close())
		}
	}
	return &DB{path: path, discarded: discarded, current: h}, nil
}

// Discarded returns why Open removed the former file, or nil.
func (db *DB) Discarded() error { return db.discarded }

// Close closes the index. Open views remain readable, and the file remains locked until the
// last of them is closed.
func (db *DB) Close() error {
	db.writing.Lock()
	defer db.writing.Unlock()
	db.mu.Lock()
	if db.closed {
		db.mu.Unlock()
		return nil
	}
	db.closed = true
	db.mu.Unlock()
	return db.retire(db.current)
}

// retire closes h when no view reads it any more.
func (db *DB) retire(h *handle) error {
	db.mu.Lock()
	h.retired = true
	idle := h.views == 0
	db.mu.Unlock()
	if idle {
		return h.close()
	}
	return nil
}

// replace makes h the file that new views read.
func (db *DB) replace(h *handle) {
	db.mu.Lock()
	old := db.current
	db.current = h
	db.mu.Unlock()
	_ = db.retire(old) // the file has been replaced, so an error does not matter
}

// Remove removes the index at path with its other files. It must not be open.
func Remove(path string) error {
	for _, p := range []string{path, checkPath(path), stagePath(path), looseName(stagePath(path))} {
		if err := removeFile(p); err != nil {
			return err
		}
	}
	return nil
}

func stagePath(path string) string { return path + ".new" }

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove %q: %w", path, err)
	}
	return nil
}
