package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"assay/service/store"
)

const (
	putFile  = `INSERT OR REPLACE INTO file (name, modified, body) VALUES (?, ?, ?)`
	findFile = `SELECT name, modified, body FROM file WHERE name = ?`
	// '0' is the character after '/'.
	dropFiles = `DELETE FROM file WHERE name = ?1 OR name > ?1 || '/' AND name < ?1 || '0'`
	listFiles = `SELECT name, modified FROM file WHERE name > ?1 || '/' AND name < ?1 || '0' ORDER BY name`
	takeLock  = `INSERT INTO lock (name, holder, ends) VALUES (?1, ?2, ?4)
	ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, ends = excluded.ends WHERE holder = ?2 OR ends <= ?3`
	dropLock = `DELETE FROM lock WHERE name = ? AND holder = ?`
)

// PutFile implements store.Files.
func (s *Store) PutFile(ctx context.Context, f store.File) error {
	return s.changeFiles(ctx, f.Name, putFile, f.Name, toMicro(f.Modified), f.Body)
}

// DropFiles implements store.Files.
func (s *Store) DropFiles(ctx context.Context, name string) error {
	return s.changeFiles(ctx, name, dropFiles, name)
}

func (s *Store) changeFiles(ctx context.Context, name, query string, args ...any) error {
	err := s.state.update(ctx, durable, func(tx transaction) error {
		_, err := tx.exec(query, args...)
		return err
	})
	if err != nil {
		return fmt.Errorf("write file %q: %w", name, err)
	}
	return nil
}

// File implements store.Files.
func (s *Store) File(ctx context.Context, name string) (store.File, error) {
	var f store.File
	var modified int64
	err := s.state.read.row(ctx, findFile, []any{name}, &f.Name, &modified, &f.Body)
	if errors.Is(err, sql.ErrNoRows) {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.File{}, fmt.Errorf("file %q: %w", name, err)
	}
	f.Modified = fromMicro(modified)
	return f, nil
}

// ListFiles implements store.Files.
func (s *Store) ListFiles(ctx context.Context, folder string) ([]store.File, error) {
	var list []store.File
	err := s.state.read.rows(ctx, listFiles, []any{folder}, func(rows *sql.Rows) (bool, error) {
		var f store.File
		var modified int64
		err := rows.Scan(&f.Name, &modified)
		f.Modified = fromMicro(modified)
		list = append(list, f)
		return true, err
	})
	if err != nil {
		return nil, fmt.Errorf("list files below %q: %w", folder, err)
	}
	return list, nil
}

// TakeLock implements store.Files.
func (s *Store) TakeLock(ctx context.Context, name, holder string, now, until time.Time) (taken bool, err error) {
	err = s.state.update(ctx, durable, func(tx transaction) error {
		n, err := tx.exec(takeLock, name, holder, toMicro(now), toMicro(until))
		taken = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("take lock %q: %w", name, err)
	}
	return taken, nil
}

// DropLock implements store.Files.
func (s *Store) DropLock(ctx context.Context, name, holder string) error {
	err := s.state.update(ctx, durable, func(tx transaction) error {
		_, err := tx.exec(dropLock, name, holder)
		return err
	})
	if err != nil {
		return fmt.Errorf("give back lock %q: %w", name, err)
	}
	return nil
}
