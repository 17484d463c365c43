package sqlite

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// migrate updates the schema to the newest version. PRAGMA user_version is the number of
// the last step that was taken. The steps are files with consecutive numbers, from
// 0001_name.sql on. A released one never changes.
func (d *database) migrate(ctx context.Context, steps fs.FS) error {
	names, err := fs.Glob(steps, "*.sql") // sorted
	if err != nil {
		return err
	}
	for i, name := range names {
		number, _, _ := strings.Cut(path.Base(name), "_")
		if n, err := strconv.Atoi(number); err != nil || n != i+1 {
			return fmt.Errorf("migration %q is at position %d", name, i+1)
		}
	}
	// First without the lock, which an import of another process may hold for long.
	if have, err := d.schema(ctx); err != nil || have == len(names) {
		return err
	}
	// A step that recreates a table drops one that others refer to. The pragma has no
	// effect within a transaction. checkReferences checks all references at the end.
	if _, err := d.conn.ExecContext(ctx, "PRAGMA foreign_keys = OFF"); err != nil {
		return err
	}
	err = d.update(ctx, durable, func(transaction) error {
		have, err := d.schema(ctx) // again: another process may have migrated it
		if err != nil {
			return err
		}
		if have > len(names) {
			return fmt.Errorf("the schema has version %d, and this program knows versions up to %d: it was written by a newer version, use that", have, len(names))
		}
		for _, name := range names[have:] {
			step, err := fs.ReadFile(steps, name)
			if err != nil {
				return err
			}
			if _, err := d.conn.ExecContext(ctx, string(step)); err != nil {
				return fmt.Errorf("migration %q: %w", name, err)
			}
		}
		if err := d.checkReferences(ctx); err != nil {
			return err
		}
		_, err = d.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", len(names)))
		return err
	})
	if _, on := d.conn.ExecContext(ctx, "PRAGMA foreign_keys = ON"); err == nil {
		err = on
	}
	return err
}

// checkReferences returns an error if a row refers to a row that does not exist.
func (d *database) checkReferences(ctx context.Context) error {
	rows, err := d.conn.QueryContext(ctx, "SELECT \"table\", parent FROM pragma_foreign_key_check LIMIT 1")
	if err != nil {
		return err
	}
	defer rows.Close()
	if rows.Next() {
		var table, parent string
		if err := rows.Scan(&table, &parent); err != nil {
			return err
		}
		return fmt.Errorf("a row of table %q refers to a missing row of %q", table, parent)
	}
	return rows.Err()
}

func (d *database) schema(ctx context.Context) (n int, err error) {
	err = d.conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("read schema version: %w", err)
	}
	return n, nil
}
