// Package sqlite implements store.Store with two SQLite databases in a folder.
//
// advisories.db has the advisories and exploit catalogs with all their versions. ledger.db
// has the state of the service: the tokens, the scans and the ids of published snapshots.
// There are two files because SQLite has one writer for each file: an import of half a
// million records is one transaction of a minute, and scans and snapshots do not wait for
// it.
//
// Both are in WAL mode: a reader sees the state from when it began, and does not block
// writers. Commits to advisories.db, and of tokens and snapshots to ledger.db, wait for
// the disk. Commits of scans do not, and take some 100 µs: if the process is killed no scan
// is lost, with a power failure the last ones are. Grouping these commits would not be
// worth it.
//
// The file reserve keeps some space on the disk free, to revoke tokens when it is full.
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

// Open opens the store in the folder dir, and creates what is missing: the folder with
// mode 0700, the files with 0600. It migrates databases of an earlier version of the
// program, and returns an error for those of a later one. Several processes on one
// machine may have the same folder open.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	if err := checkRestored(dir); err != nil {
		return nil, err
	}
	s := &Store{dir: dir, pieces: newPieces(), reserve: reserve{filepath.Join(dir, "reserve")}}
	// An import of another process may take long. All other transactions are short.
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

// Pools implements store.Maintenance.
func (s *Store) Pools() []store.Pool { return append(s.advisories.pools(), s.state.pools()...) }

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

// Close implements store.Store.
func (s *Store) Close() error {
	return errors.Join(s.advisories.close(), s.state.close())
}

// Times are stored in microseconds. The zero time and all years of four digits fit.

func toMicro(t time.Time) int64   { return t.UnixMicro() }
func fromMicro(n int64) time.Time { return time.UnixMicro(n).UTC() }
