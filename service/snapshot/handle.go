package snapshot

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	// lockWait is how long to wait for another process to close the file.
	lockWait = time.Second
	// mapSize is address space, not memory. bbolt cannot grow its map before all views are
	// closed, and a writer that waits for that also blocks new views. The map is large
	// enough for any file, so it never grows, except on 32-bit systems, which have less
	// address space.
	mapSize = (16 << 30) * (strconv.IntSize / 64)
)

// A handle is one open file.
type handle struct {
	bolt *bolt.DB
	file *os.File // that bolt has opened
	// damage is the first damage that was detected, or nil.
	damage atomic.Pointer[error]

	// ends is held while a transaction begins or is rolled back. If bbolt panics there, it
	// keeps its own locks forever. The handle is stuck then and must not be used.
	ends  sync.Mutex
	stuck atomic.Bool

	views   int  // guarded by DB.mu
	retired bool // guarded by DB.mu
}

// openFile opens and checks the index at path, or creates an empty one. If it returns
// ErrDamaged, it has removed the file.
func openFile(path string) (*handle, error) {
	h, err := lockFile(path)
	if err == nil {
		err = h.checkOnce(path)
	}
	switch {
	case err == nil:
		return h, nil
	case !errors.Is(err, ErrDamaged):
		return nil, errors.Join(err, h.close())
	}
	// Remove the file before unlocking it, so that no other process opens it.
	for _, p := range []string{path, checkPath(path)} {
		if err := removeFile(p); err != nil {
			return nil, errors.Join(err, h.close())
		}
	}
	// The file has been removed, so an error does not matter.
	_ = h.close()
	return nil, err
}

// checkPath returns the file that marks a running check. It remains if the check ended the
// process, and then the index is not opened again.
func checkPath(path string) string { return path + ".check" }

func (h *handle) checkOnce(path string) error {
	mark, err := os.OpenFile(checkPath(path), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%w: an earlier check of %q did not end", ErrDamaged, path)
	}
	if err != nil {
		return fmt.Errorf("open snapshot: %w", err)
	}
	checkErr := h.check()
	if err := errors.Join(mark.Close(), removeFile(checkPath(path))); err != nil {
		return err
	}
	return checkErr
}

// check initialises a new file and verifies an existing one.
func (h *handle) check() error {
	empty := false
	err := h.releasing(func() error {
		return h.read(func(tx *bolt.Tx) error {
			if err := checkTree(tx, h.file, h.bolt.Info().PageSize); err != nil {
				return err
			}
			if name, _ := tx.Cursor().First(); name == nil {
				empty = true
				return nil
			}
			return verify(tx, h.file)
		})
	})
	if err == nil && empty {
		err = h.guard(func() error { return h.bolt.Update(initialise) })
	}
	return err
}

// lockFile opens and locks the file at path. bbolt writes the list of free pages to the
// file (NoFreelistSync is off). Otherwise it would read the whole file each time it is
// opened.
func lockFile(path string) (*handle, error) {
	for deadline := time.Now().Add(lockWait); ; {
		h := &handle{}
		err := h.guard(func() (err error) {
			h.bolt, err = bolt.Open(path, 0o600, &bolt.Options{
				Timeout:         lockWait,
				FreelistType:    bolt.FreelistMapType,
				InitialMmapSize: mapSize,
				NoStatistics:    true,
				OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
					f, err := os.OpenFile(name, flag, mode)
					h.file = f
					return f, err
				},
			})
			return err
		})
		switch {
		case err == nil:
		case errors.Is(err, bolterrors.ErrTimeout):
			return nil, fmt.Errorf("open snapshot: %q is in use by another process", path)
		case diskError(err):
			return nil, fmt.Errorf("open snapshot %q: %w", path, err)
		default:
			return h, damaged(err)
		}
		// The former holder of the lock may have replaced the file in the meantime.
		if same, err := h.isAt(path); err != nil {
			return nil, errors.Join(fmt.Errorf("open snapshot: %w", err), h.close())
		} else if same {
			return h, nil
		}
		if err := h.close(); err != nil {
			return nil, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("open snapshot: %q is replaced again and again", path)
		}
	}
}

func (h *handle) isAt(path string) (bool, error) {
	own, err := h.file.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(own, there), err
}

// diskError reports whether the operating system returned an error, in contrast to a file
// that was read and is invalid.
func diskError(err error) bool {
	_, ok := errors.AsType[syscall.Errno](err)
	return ok
}

func damaged(err error) error {
	if errors.Is(err, ErrDamaged) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

// guard runs f, which reads or writes the mapped file. It turns the panics and memory faults
// of a damaged file into ErrDamaged, which the handle remembers.
func (h *handle) guard(f func() error) error {
	err := recovered(f)
	if errors.Is(err, ErrDamaged) {
		first := err
		h.damage.CompareAndSwap(nil, &first)
	}
	return err
}

// damageErr returns the first damage that was detected in the file, or nil.
func (h *handle) damageErr() error {
	if p := h.damage.Load(); p != nil {
		return *p
	}
	return nil
}

func recovered(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, r)
		}
	}()
	return f()
}

// begin begins a transaction.
func (h *handle) begin(writable bool) (tx *bolt.Tx, err error) {
	h.ends.Lock()
	defer h.ends.Unlock()
	if err := h.damageErr(); err != nil {
		return nil, err
	}
	err = h.guard(func() (err error) {
		tx, err = h.bolt.Begin(writable)
		return err
	})
	h.stuck.CompareAndSwap(false, errors.Is(err, ErrDamaged))
	return tx, err
}

// rollback ends a read transaction or undoes a write transaction.
func (h *handle) rollback(tx *bolt.Tx) {
	h.ends.Lock()
	defer h.ends.Unlock()
	if h.stuck.Load() {
		return
	}
	// Rollback also fails if the transaction has already ended.
	err := h.guard(func() error { return tx.Rollback() })
	h.stuck.CompareAndSwap(false, errors.Is(err, ErrDamaged))
}

// read runs f in a read transaction.
func (h *handle) read(f func(*bolt.Tx) error) error {
	tx, err := h.begin(false)
	if err != nil {
		return err
	}
	defer h.rollback(tx)
	return h.guard(func() error { return f(tx) })
}

func (h *handle) close() error {
	switch {
	case h == nil:
		return nil
	case h.bolt == nil: // bbolt panicked when it opened the file
		if h.file != nil {
			_ = h.file.Close() // bbolt may have closed it
		}
		return nil
	case h.stuck.Load():
		// The file has been or will be replaced. Its map is released when the process ends.
		return nil
	}
	if err := h.bolt.Close(); err != nil {
		return fmt.Errorf("close snapshot: %w", err)
	}
	return nil
}
