// Package snapshot is the read index that scans are answered from: a bbolt
// file beside each instance of the service, built from the store, mapped into
// memory and disposable. What it holds can always be built again, so a file
// that is damaged, foreign or of an older format is thrown away, not mended.
//
// # States
//
// Readers see one published state at a time, never half of an import. A small
// change is one transaction on the file; a large one, and a rebuild, goes in
// bounded batches to a second file that is renamed into place, whereupon new
// views are of the new file and old ones keep the old until they are closed.
//
// # Identity
//
// A snapshot's id is a digest of the advisories and lists that it holds, not of
// how they got there: SHA-256 over id, source and body of each, summed modulo 2^256,
// which neither depends on the order nor on advisories that came and went. Such
// a sum can be forged by whoever chooses the advisories. It is there to compare
// two instances and to name a state, not to stand against an attacker. Advisories
// that are withdrawn, or removed from their source, are not in it, and neither
// are the times when fixes were first seen.
//
// # Damage
//
// A kill at any moment leaves the old or the new state: bbolt commits by
// writing one checksummed page, and a second file counts from its rename on.
// Every value carries a checksum over its key and itself. Open checks every page
// of the tree, which bbolt does not, and reads the whole file once against the
// totals that it holds. bbolt panics on pages that
// make no sense, and a mapped page that the disk cannot deliver is a fault; at
// the boundary to it both become ErrDamaged. From then on no view is given out
// (a damaged index must not say that an image is clean) and the next CatchUp
// builds a new file. A loop in the damaged pages would overflow bbolt's stack,
// which no program survives: a file whose check did not come to an end is
// therefore not tried again.
package snapshot

import (
	"errors"
	"fmt"
	"os"
	"sync"
)

// ErrDamaged is returned, wrapped, where the file does not hold what was
// written to it. CatchUp repairs it.
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

// Open opens the index at path, or creates an empty one. The folder must exist.
// A file there that is damaged, of another format or no index at all is removed
// and replaced by an empty one, and Discarded says why; CatchUp then fills it.
// An error means that the disk failed, or that another process has the index
// open and did not let go within a second.
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
	// What another process left of a rebuild; only the holder of the lock writes it.
	for _, p := range []string{stagePath(path), looseName(stagePath(path))} {
		if err := removeFile(p); err != nil {
			return nil, errors.Join(err, h.close())
		}
	}
	return &DB{path: path, discarded: discarded, current: h}, nil
}

// Discarded returns why Open threw the former file away, or nil.
func (db *DB) Discarded() error { return db.discarded }

// Close closes the index. Views that are open stay readable, and the file stays
// locked until the last of them is closed.
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

// retire closes h as soon as no view reads it any more.
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
	_ = db.retire(old) // its file has no name any more, and nothing depends on it
}

// Remove removes the index at path and what belongs to it. Nobody may have it open.
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
