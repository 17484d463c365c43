// Package sqlite keeps the source of record in a folder: a store.Store over two
// SQLite databases.
//
// advisories.db holds the advisories and lists with all their versions, ledger.db the
// tokens, the kept scans and the ids of published snapshots. They are two since
// SQLite has one writer for each file: an import of half a million records is
// one transaction of a minute, and no scan and no snapshot waits for it.
//
// Both are in WAL mode: readers see the state at which they began and block
// nobody. What is committed to advisories.db, and tokens and snapshots in
// ledger.db, has reached the disk. Scans are committed without waiting for it,
// in some 100 µs: killing the process loses none, a power failure the last ones,
// and there is no commit worth grouping with others.
//
// A file beside them keeps some room on the disk, for revoking tokens when it is full.
package sqlite

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"assay/service/store"
)

// A Store implements store.Store.
type Store struct {
	dir        string
	advisories *database
	state      *database
	reserve    reserve
	buffers    sync.Pool // of *buffers
	pieces     *pieces
	used       lastUses
}

var _ store.Store = (*Store)(nil)

//go:embed migrations
var migrations embed.FS

// Open opens the store in the folder dir, and makes what is not there: the
// folder with mode 0700, the files with 0600. Databases of an earlier version of
// the program are migrated; those of a later one are an error. Several processes
// may have the same folder open, on one machine.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	s := &Store{dir: dir, pieces: newPieces(), reserve: reserve{filepath.Join(dir, "reserve")}}
	// An import of another process may be under way for long; all else is short.
	s.advisories, err = s.open("advisories", time.Minute, 64<<10)
	if err != nil {
		return nil, err
	}
	// What is added to ledger.db is seldom read soon after.
	s.state, err = s.open("ledger", 10*time.Second, 4<<10)
	if err != nil {
		return nil, errors.Join(err, s.advisories.close())
	}
	if err := s.reserve.with(s.sealEarlier); err != nil {
		return nil, errors.Join(fmt.Errorf("open ledger.db: %w", err), s.Close())
	}
	s.reserve.fill()
	return s, nil
}

// Tidy implements store.Maintenance: it truncates the write-ahead log that an
// interrupted import has left behind.
func (s *Store) Tidy(ctx context.Context) error { return s.advisories.giveBack(ctx) }

func (s *Store) open(name string, patience time.Duration, cache int) (*database, error) {
	steps, err := fs.Sub(migrations, "migrations/"+name)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(s.dir, name+".db")
	var d *database
	err = s.reserve.with(func() (err error) {
		d, err = openDatabase(path, patience, cache, steps)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", path, damaged(err))
	}
	return d, nil
}

// Close ends all use of the store.
func (s *Store) Close() error {
	return errors.Join(s.advisories.close(), s.state.close())
}

// Times are kept in microseconds, which the zero time and all dates of four
// digits fit in.

func toMicro(t time.Time) int64   { return t.UnixMicro() }
func fromMicro(n int64) time.Time { return time.UnixMicro(n).UTC() }
