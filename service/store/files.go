package store

import (
	"context"
	"time"
)

// Files is the part that keeps small named files which all processes of one service
// share, such as the account and the certificates of ACME, and locks by name.
type Files interface {
	// PutFile keeps a file in place of the one of its name.
	PutFile(ctx context.Context, f File) error
	// File returns a file; ErrNotFound where there is none of the name.
	File(ctx context.Context, name string) (File, error)
	// DropFiles removes the file of a name and all files below it: those whose names
	// begin with it and a slash. There may be none.
	DropFiles(ctx context.Context, name string) error
	// ListFiles returns the files below a name, without Body, by name.
	ListFiles(ctx context.Context, folder string) ([]File, error)
	// TakeLock gives the lock of a name to holder until a time, and reports whether
	// it did: not where another holder has it until after now. A holder that has it
	// moves its end. The times are the caller's.
	TakeLock(ctx context.Context, name, holder string, now, until time.Time) (bool, error)
	// DropLock gives the lock back, if holder has it.
	DropLock(ctx context.Context, name, holder string) error
}

// A File is one kept file.
type File struct {
	Name     string // slash-separated
	Modified time.Time
	Body     []byte
}
