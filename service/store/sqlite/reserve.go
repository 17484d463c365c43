package sqlite

import (
	"errors"
	"os"
	"syscall"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// A reserve is a file that occupies space on the disk. When the disk is full, a part of it
// is freed for what must always be possible: to revoke a token. While the reserve is not
// complete, scans are not stored, so that they do not use that part.
type reserve struct{ path string }

const (
	reserveSize = 2 << 20
	reserveStep = 256 << 10 // enough to open the databases, or to revoke
)

// fill extends the reserve to its full size as far as there is space, and reports whether
// it is complete.
func (r reserve) fill() bool {
	info, err := os.Stat(r.path)
	if err == nil && info.Size() >= reserveSize {
		return true
	}
	size := int64(0)
	if err == nil {
		size = info.Size() / reserveStep * reserveStep
	}
	f, err := os.OpenFile(r.path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return false
	}
	// Not zeros: a file system may store those without using space.
	block := make([]byte, reserveStep)
	for i := range block {
		block[i] = byte(i*i>>3 + i)
	}
	for size < reserveSize && err == nil {
		if _, err = f.WriteAt(block, size); err == nil {
			size += reserveStep
		}
	}
	if err != nil { // a part of a step is of no use
		_ = f.Truncate(size)
	}
	return f.Close() == nil && size >= reserveSize
}

// refillEvery is how long freed space is left for the writer that needs it, which may be
// in another process.
const refillEvery = 10 * time.Second

// whole reports whether the reserve is complete, and tries to fill it at intervals.
func (r reserve) whole() bool {
	info, err := os.Stat(r.path)
	switch {
	case err == nil && info.Size() >= reserveSize:
		return true
	case err == nil && time.Since(info.ModTime()) < refillEvery:
		return false
	}
	return r.fill()
}

// release frees a part of the reserve, and reports whether there was one.
func (r reserve) release() bool {
	info, err := os.Stat(r.path)
	if err != nil || info.Size() < reserveStep {
		return false
	}
	return os.Truncate(r.path, (info.Size()-1)/reserveStep*reserveStep) == nil
}

// with runs f. While the disk is full, it frees a part of the reserve and runs f again.
func (r reserve) with(f func() error) error {
	err := f()
	for isFull(err) && r.release() {
		if err = f(); isFull(err) {
			time.Sleep(50 * time.Millisecond) // another writer took the space; an import ends soon
		}
	}
	return err
}

// isFull reports whether an error is, or may come from, a full disk.
func isFull(err error) bool {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return true
	}
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return false
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN:
		return true
	}
	return false
}

// errNoRoom is the error of storing a scan while the reserve is not complete.
var errNoRoom = errors.New("the disk is full: the rest is reserved for revoking tokens")

// walOf returns the path of the write-ahead log of the database at path.
func walOf(path string) string { return path + "-wal" }

// maxIdleLog is the size from which an unused log is truncated.
const maxIdleLog = 4 << 20

// logSize returns the size of the log of a database.
func logSize(path string) int64 {
	info, err := os.Stat(walOf(path))
	if err != nil {
		return 0
	}
	return info.Size()
}
