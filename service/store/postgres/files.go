package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/service/store"
)

const (
	putFile  = `INSERT INTO file (name, modified, body) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET modified = excluded.modified, body = excluded.body`
	findFile = `SELECT name, modified, body FROM file WHERE name = $1`
	// '0' is the character after '/'.
	dropFiles = `DELETE FROM file WHERE name = $1 OR name > $1 || '/' AND name < $1 || '0'`
	listFiles = `SELECT name, modified FROM file WHERE name > $1 || '/' AND name < $1 || '0' ORDER BY name`
	// This uses the clock of the server, because those of replicas may differ.
	takeLock = `INSERT INTO lock (name, holder, ends) VALUES ($1, $2, clock_timestamp() + $3::interval)
	ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, ends = excluded.ends WHERE lock.holder = $2 OR lock.ends <= clock_timestamp()`
	dropLock = `DELETE FROM lock WHERE name = $1 AND holder = $2`
)

// PutFile implements store.Files.
func (s *Store) PutFile(ctx context.Context, f store.File) error {
	if _, err := s.exec(ctx, putFile, f.Name, f.Modified, f.Body); err != nil {
		return fmt.Errorf("write file %q: %w", f.Name, err)
	}
	return nil
}

// DropFiles implements store.Files.
func (s *Store) DropFiles(ctx context.Context, name string) error {
	if _, err := s.exec(ctx, dropFiles, name); err != nil {
		return fmt.Errorf("remove file %q: %w", name, err)
	}
	return nil
}

// File implements store.Files.
func (s *Store) File(ctx context.Context, name string) (store.File, error) {
	var f store.File
	if err := s.row(ctx, findFile, []any{text(name)}, &f.Name, &f.Modified, &f.Body); err != nil {
		return store.File{}, fmt.Errorf("file %q: %w", name, notFound(err))
	}
	f.Modified = f.Modified.UTC()
	return f, nil
}

// ListFiles implements store.Files.
func (s *Store) ListFiles(ctx context.Context, folder string) ([]store.File, error) {
	var list []store.File
	err := s.rows(ctx, quickTime, listFiles, []any{text(folder)}, func(rows pgx.Rows) error {
		var f store.File
		err := rows.Scan(&f.Name, &f.Modified)
		f.Modified = f.Modified.UTC()
		list = append(list, f)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list files below %q: %w", folder, err)
	}
	return list, nil
}

// TakeLock implements store.Files. Only the difference of the times is used.
func (s *Store) TakeLock(ctx context.Context, name, holder string, now, until time.Time) (bool, error) {
	n, err := s.exec(ctx, takeLock, name, holder, until.Sub(now))
	if err != nil {
		return false, fmt.Errorf("take lock %q: %w", name, err)
	}
	return n > 0, nil
}

// DropLock implements store.Files.
func (s *Store) DropLock(ctx context.Context, name, holder string) error {
	if _, err := s.exec(ctx, dropLock, name, holder); err != nil {
		return fmt.Errorf("release lock %q: %w", name, err)
	}
	return nil
}
