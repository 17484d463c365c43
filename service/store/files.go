package store

import (
	"context"
	"time"
)

// Files is the part of a Store that keeps small files and named locks, which all processes
// of one service share, such as the account and the certificates of ACME.
type Files interface {
	// PutFile stores a file. It replaces a file with the same name.
	PutFile(ctx context.Context, f File) error
	// File returns the file with a name, or ErrNotFound.
	File(ctx context.Context, name string) (File, error)
	// DropFiles removes the file with a name and all files below it, whose names begin
	// with the name and a slash. It is not an error if there are none.
	DropFiles(ctx context.Context, name string) error
	// ListFiles returns the files below a name, without Body, sorted by name.
	ListFiles(ctx context.Context, folder string) ([]File, error)
	// TakeLock gives the lock with a name to holder until a time, and reports whether it
	// did. It does not if another holder has the lock until after now. A holder that has
	// the lock already extends it. The times are those of the caller's clock.
	TakeLock(ctx context.Context, name, holder string, now, until time.Time) (bool, error)
	// DropLock releases the lock if holder has it.
	DropLock(ctx context.Context, name, holder string) error
}

// A File is one stored file.
type File struct {
	Name     string // slash-separated
	Modified time.Time
	Body     []byte
}
