package sqlite

import (
	"errors"
	"os"
	"syscall"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// A reserve is a file that takes up room on the disk. When the disk is full, a part of
// it is given back for what must always be possible: to revoke a token. Scans are not
// kept while the reserve is not whole, so that they do not take that part.
type reserve struct{ path string }

const (
	reserveSize = 2 << 20
	reserveStep = 256 << 10 // enough to open the databases, or to revoke
)

// fill makes the reserve whole, as far as there is room, and reports whether it is.
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
	// No zeros: a file system may keep those for nothing.
	block := make([]byte, reserveStep)
	for i := range block {
		block[i] = byte(i*i>>3 + i)
	}
	for size < reserveSize && err == nil {
		if _, err = f.WriteAt(block, size); err == nil {
			size += reserveStep
		}
	}
	if err != nil { // the part of a step that was written does not help anybody
		_ = f.Truncate(size)
	}
	return f.Close() == nil && size >= reserveSize
}

// refillEvery is how long what was given back is left alone: it is for somebody who
// writes just now, maybe in another process.
const refillEvery = 10 * time.Second

// whole reports whether all of the reserve is there, and fills it up now and then.
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

// release gives a part back to the disk, and reports whether there was one.
func (r reserve) release() bool {
	info, err := os.Stat(r.path)
	if err != nil || info.Size() < reserveStep {
		return false
	}
	return os.Truncate(r.path, (info.Size()-1)/reserveStep*reserveStep) == nil
}

// with runs f, and again with a part of the reserve as long as the disk is full.
func (r reserve) with(f func() error) error {
	err := f()
	for isFull(err) && r.release() {
		if err = f(); isFull(err) {
			time.Sleep(50 * time.Millisecond) // somebody else was faster; an import ends soon
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

// errNoRoom is why a scan is not kept while the reserve is not whole.
var errNoRoom = errors.New("the disk is full: what is left is for revoking tokens")

// walOf is the write-ahead log of the database at path.
func walOf(path string) string { return path + "-wal" }

// maxIdleLog is the size from which a log that nobody writes is given back.
const maxIdleLog = 4 << 20

// logSize returns the size of the log of a database.
func logSize(path string) int64 {
	info, err := os.Stat(walOf(path))
	if err != nil {
		return 0
	}
	return info.Size()
}
