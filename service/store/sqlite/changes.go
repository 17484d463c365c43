package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"iter"

	"assay/service/store"
)

const listChanges = `
	SELECT v.seq, a.id, v.modified, s.name, f.part, v.fixes, v.body
	FROM version v
	JOIN advisory a ON a.n = v.advisory
	JOIN import i ON i.n = v.import
	JOIN feed f ON f.n = i.feed
	JOIN source s ON s.n = f.source
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

const (
	selectVersion = `
	SELECT v.seq, a.id, v.modified, s.name, f.part, v.fixes, v.body
	FROM advisory a
	JOIN version v ON v.advisory = a.n
	JOIN import i ON i.n = v.import
	JOIN feed f ON f.n = i.feed
	JOIN source s ON s.n = f.source`

	findRecord = selectVersion + `
	WHERE a.id = ?1 AND a.source = (SELECT n FROM source WHERE name = ?2) AND v.seq <= ?3
	ORDER BY v.seq DESC LIMIT 1`

	findRecords = selectVersion + `
	WHERE a.id = ?1 AND v.seq = (SELECT max(w.seq) FROM version w WHERE w.advisory = a.n AND w.seq <= ?2)
	ORDER BY s.name, v.seq`
)

// Record implements store.Advisories.
func (s *Store) Record(ctx context.Context, source, id string, upTo int64) (store.Record, error) {
	found, err := s.records(ctx, findRecord, id, source, upTo)
	if err == nil && len(found) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Record{}, fmt.Errorf("advisory %q of source %q: %w", id, source, err)
	}
	return found[0], nil
}

// RecordsOf implements store.Advisories.
func (s *Store) RecordsOf(ctx context.Context, id string, upTo int64) ([]store.Record, error) {
	found, err := s.records(ctx, findRecords, id, upTo)
	if err != nil {
		return nil, fmt.Errorf("advisory %q: %w", id, err)
	}
	return found, nil
}

func (s *Store) records(ctx context.Context, query string, args ...any) ([]store.Record, error) {
	var found []store.Record
	var u unpacker
	err := s.advisories.read.rows(ctx, query, args, func(rows *sql.Rows) (bool, error) {
		r, err := scanRecord(rows, &u)
		if err == nil {
			found = append(found, r)
		}
		return true, err
	})
	return found, err
}

func scanRecord(rows *sql.Rows, u *unpacker) (store.Record, error) {
	var r store.Record
	var modified int64
	var fixes, body sql.RawBytes // valid until the next row
	if err := rows.Scan(&r.Seq, &r.ID, &modified, &r.Origin.Source, &r.Origin.Part, &fixes, &body); err != nil {
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
