package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"assay/service/store"
)

const addSnapshot = `INSERT INTO snapshot (id, seq) VALUES ($1, $2) ON CONFLICT DO NOTHING`

// Published implements store.Advisories. The same id again keeps its first sequence
// number: the content is the same.
func (s *Store) Published(ctx context.Context, snapshot string, upTo int64) error {
	if _, err := s.exec(ctx, addSnapshot, snapshot, upTo); err != nil {
		return fmt.Errorf("record that snapshot %q was published: %w", snapshot, err)
	}
	return nil
}

const (
	findSnapshot = `SELECT seq FROM snapshot WHERE id = $1`
	// Ids are hexadecimal, and '~' sorts after every digit.
	findSnapshots = `SELECT seq FROM snapshot WHERE id >= $1 AND id < $1 || '~' LIMIT 2`
)

// Snapshot implements store.Advisories.
func (s *Store) Snapshot(ctx context.Context, snapshot string) (upTo int64, err error) {
	err = s.row(ctx, findSnapshot, []any{text(snapshot)}, &upTo)
	if errors.Is(err, pgx.ErrNoRows) {
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
	err = s.rows(ctx, quickTime, findSnapshots, []any{text(prefix)}, func(rows pgx.Rows) error {
		found++
		return rows.Scan(&upTo)
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
