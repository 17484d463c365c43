package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"assay/service/store"
)

const addSnapshot = `INSERT INTO snapshot (id, seq, sum) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`

// Published implements store.Advisories. An id that was published before keeps its first
// sequence number, since the content is the same.
func (s *Store) Published(ctx context.Context, snapshot string, upTo int64) error {
	err := s.state.update(ctx, durable, func(tx transaction) error {
		_, err := tx.exec(addSnapshot, snapshot, upTo, snapshotSum(snapshot, upTo))
		return err
	})
	if err != nil {
		return fmt.Errorf("save the snapshot %q: %w", snapshot, err)
	}
	return nil
}

const (
	findSnapshot = `SELECT id, seq, sum FROM snapshot WHERE id = ?`
	// Ids are hexadecimal, and '~' sorts after all hexadecimal digits.
	findSnapshots = `SELECT id, seq, sum FROM snapshot WHERE id >= ?1 AND id < ?1 || '~' LIMIT 2`
)

// Snapshot implements store.Advisories.
func (s *Store) Snapshot(ctx context.Context, snapshot string) (upTo int64, err error) {
	var id string
	var sum sql.NullInt64
	err = s.state.read.row(ctx, findSnapshot, []any{snapshot}, &id, &upTo, &sum)
	if err == nil {
		err = checkSum(sum, snapshotSum(id, upTo))
	}
	if errors.Is(err, sql.ErrNoRows) {
		upTo, err = s.snapshotByPrefix(ctx, snapshot)
	}
	if err != nil {
		return 0, fmt.Errorf("snapshot %q: %w", snapshot, err)
	}
	return upTo, nil
}

func (s *Store) snapshotByPrefix(ctx context.Context, prefix string) (upTo int64, err error) {
	if len(prefix) < store.MinPrefix {
		return 0, store.ErrNotFound
	}
	found := 0
	err = s.state.read.rows(ctx, findSnapshots, []any{prefix}, func(rows *sql.Rows) (bool, error) {
		found++
		var id string
		var sum sql.NullInt64
		if err := rows.Scan(&id, &upTo, &sum); err != nil {
			return false, err
		}
		return true, checkSum(sum, snapshotSum(id, upTo))
	})
	switch {
	case err != nil:
		return 0, err
	case found == 0:
		return 0, store.ErrNotFound
	case found > 1:
		return 0, store.ErrAmbiguous
	}
	return upTo, nil
}
