package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"iter"

	"assay/service/store"
)

const listChanges = `
	SELECT v.seq, a.id, v.modified, s.name, v.fixes, v.body
	FROM version v
	JOIN advisory a ON a.n = v.advisory
	JOIN import i ON i.n = v.import
	JOIN source s ON s.n = i.source
	WHERE v.seq > ?1 AND v.seq <= ?2
	AND NOT EXISTS (SELECT 1 FROM version w WHERE w.advisory = v.advisory AND w.seq > v.seq AND w.seq <= ?2)
	ORDER BY v.seq`

// Changes implements store.Advisories. It is one statement, so what it yields
// is of one state, whatever is committed meanwhile. The caller may use the
// store while it iterates.
func (s *Store) Changes(ctx context.Context, after, upTo int64) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		var u unpacker
		err := s.advisories.read.rows(ctx, listChanges, []any{after, upTo}, func(rows *sql.Rows) (bool, error) {
			r, err := scanRecord(rows, &u)
			return err == nil && yield(r, nil), err
		})
		if err != nil {
			yield(store.Record{}, fmt.Errorf("read changes after %d: %w", after, err))
		}
	}
}

const findRecord = `
	SELECT v.seq, a.id, v.modified, s.name, v.fixes, v.body
	FROM advisory a
	JOIN version v ON v.advisory = a.n
	JOIN import i ON i.n = v.import
	JOIN source s ON s.n = i.source
	WHERE a.id = ? AND v.seq <= ?
	ORDER BY v.seq DESC LIMIT 1`

// Record implements store.Advisories.
func (s *Store) Record(ctx context.Context, id string, upTo int64) (store.Record, error) {
	var r store.Record
	var u unpacker
	found := false
	err := s.advisories.read.rows(ctx, findRecord, []any{id, upTo}, func(rows *sql.Rows) (_ bool, err error) {
		found = true
		r, err = scanRecord(rows, &u)
		return false, err
	})
	if err == nil && !found {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Record{}, fmt.Errorf("advisory %q: %w", id, err)
	}
	return r, nil
}

func scanRecord(rows *sql.Rows, u *unpacker) (store.Record, error) {
	var r store.Record
	var modified int64
	var fixes, body sql.RawBytes // valid until the next row
	if err := rows.Scan(&r.Seq, &r.ID, &modified, &r.Source, &fixes, &body); err != nil {
		return store.Record{}, err
	}
	r.Modified = fromMicro(modified)
	if body == nil {
		r.Removed = true
		return r, nil
	}
	kept, err := decodeFixes(fixes)
	if err != nil {
		return store.Record{}, fmt.Errorf("advisory %q, version %d: %w", r.ID, r.Seq, err)
	}
	for _, f := range kept {
		if f.named {
			r.Fixes = append(r.Fixes, f.Fix)
		}
	}
	if r.Body, err = u.unpack(body); err != nil {
		return store.Record{}, fmt.Errorf("advisory %q, version %d: %w", r.ID, r.Seq, err)
	}
	return r, nil
}
