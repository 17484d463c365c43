package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"assay/service/store"
)

// lockName is a file. The process that has locked it is the only one that updates feeds.
// It has no content, and is not removed.
const lockName = "update.lock"

// LeadFeeds implements store.Feeds with flock(2), which ends with the process.
func (s *Store) LeadFeeds(ctx context.Context) (store.Lead, error) {
	unlock, err := lock(filepath.Join(s.dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("lead feeds: %w", err)
	}
	return lead{s, ctx, unlock}, nil
}

// A lead cannot be lost.
type lead struct {
	*Store
	ctx    context.Context
	unlock func() error
}

// Context implements store.Lead.
func (l lead) Context() context.Context { return l.ctx }

// Release implements store.Lead.
func (l lead) Release() error { return l.unlock() }

// Lock makes the caller the only one of all processes that serves from the folder dir or
// repairs it, until unlock or the end of the process. The error wraps store.ErrLocked if
// another process has the lock. Others can still open the store.
func Lock(dir string) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	return lock(filepath.Join(dir, "serve.lock"))
}

// lock locks a file, and creates it if necessary. It is not removed.
func lock(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = store.ErrLocked
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}

const noteFailure = `UPDATE feed SET failed = ?, error = ? WHERE n = ?`

// FeedFailed implements store.Feeds.
func (s *Store) FeedFailed(ctx context.Context, from store.Origin, at time.Time, reason string) error {
	err := s.advisories.update(ctx, durable, func(tx transaction) error {
		feed, _, err := originOf(tx, from)
		if err != nil {
			return err
		}
		_, err = tx.exec(noteFailure, toMicro(at), reason, feed)
		return err
	})
	if err != nil {
		return fmt.Errorf("save the failure of %q: %w", from, err)
	}
	return nil
}

const saveState = `UPDATE feed SET state = ?2, failed = NULL, error = NULL, succeeded = coalesce(?3, succeeded) WHERE n = ?1`

// FeedState implements store.Feeds.
func (s *Store) FeedState(ctx context.Context, from store.Origin, at time.Time, state string) error {
	err := s.advisories.update(ctx, durable, func(tx transaction) error {
		feed, _, err := originOf(tx, from)
		if err != nil {
			return err
		}
		_, err = tx.exec(saveState, feed, state, nullMicro(at))
		return err
	})
	if err != nil {
		return fmt.Errorf("save the state of %q: %w", from, err)
	}
	return nil
}

const listSources = `
	SELECT s.name, f.part, f.state, f.succeeded, f.failed, f.error,
		(SELECT count(*) FROM advisory a WHERE a.feed = f.n AND a.digest IS NOT NULL),
		(SELECT l.entries FROM list l JOIN import i ON i.n = l.import WHERE i.feed = f.n ORDER BY l.seq DESC LIMIT 1)
	FROM feed f JOIN source s ON s.n = f.source ORDER BY s.name, f.part`

// Sources implements store.Feeds.
func (s *Store) Sources(ctx context.Context) ([]store.Source, error) {
	var sources []store.Source
	err := s.advisories.read.rows(ctx, listSources, nil, func(rows *sql.Rows) (bool, error) {
		var src store.Source
		var state, reason sql.NullString
		var succeeded, failed, entries sql.NullInt64
		if err := rows.Scan(&src.Origin.Source, &src.Origin.Part, &state, &succeeded, &failed, &reason, &src.Records, &entries); err != nil {
			return false, err
		}
		src.Feed, src.State, src.Err = state.Valid, state.String, reason.String
		src.Updated, src.Failed = fromNull(succeeded), fromNull(failed)
		src.Records += int(entries.Int64)
		sources = append(sources, src)
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("list sources: %w", err)
	}
	return sources, nil
}

const listHeld = `
	SELECT a.id, a.seq, a.modified FROM advisory a JOIN feed f ON f.n = a.feed
	WHERE f.name = ? AND a.digest IS NOT NULL ORDER BY a.id`

// Held implements store.Feeds.
func (s *Store) Held(ctx context.Context, from store.Origin) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		err := s.advisories.read.rows(ctx, listHeld, []any{from.String()}, func(rows *sql.Rows) (bool, error) {
			r := store.Record{Origin: from}
			var modified int64
			if err := rows.Scan(&r.ID, &r.Seq, &modified); err != nil {
				return false, err
			}
			r.Modified = fromMicro(modified)
			return yield(r, nil), nil
		})
		if err != nil {
			yield(store.Record{}, fmt.Errorf("read the records of %q: %w", from, err))
		}
	}
}
