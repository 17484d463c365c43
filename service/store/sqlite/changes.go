package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"iter"

	"assay/service/store"
	"assay/service/store/encode"
)

const listChanges = `
	SELECT v.seq, a.id, v.modified, s.name, f.part, v.fixes, v.body, v.sum, CASE a.seq WHEN v.seq THEN a.digest END
	FROM version v
	JOIN advisory a ON a.n = v.advisory
	JOIN import i ON i.n = v.import
	JOIN feed f ON f.n = i.feed
	JOIN source s ON s.n = f.source
	WHERE v.seq > ?1 AND v.seq <= ?2
	AND NOT EXISTS (SELECT 1 FROM version w WHERE w.advisory = v.advisory AND w.seq > v.seq AND w.seq <= ?2)
	ORDER BY v.seq`

// countChanges counts the rows of listChanges without the index that finds the newest
// version: SQLite does not detect damage of that index. An advisory that is added
// meanwhile has no version in the range.
const countChanges = `SELECT count(DISTINCT advisory) FROM version NOT INDEXED WHERE seq > ? AND seq <= ?`

// Changes implements store.Advisories. It is one statement, so that all rows are of one
// state, even if others commit meanwhile. The caller may use the store while it iterates.
func (s *Store) Changes(ctx context.Context, after, upTo int64) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		var u encode.Unpacker
		n, stopped := int64(0), false
		err := s.advisories.read.rows(ctx, listChanges, []any{after, upTo}, func(rows *sql.Rows) (bool, error) {
			r, err := scanRecord(rows, &u)
			if err == nil {
				n++
				stopped = !yield(r, nil)
			}
			return !stopped, err
		})
		if stopped {
			return
		}
		// Versions up to upTo no longer change.
		var want int64
		if err == nil {
			err = s.advisories.read.row(ctx, countChanges, []any{after, upTo}, &want)
		}
		if err == nil && n < want {
			err = fmt.Errorf("%w: %d advisories have changed, and %d were read", store.ErrDamaged, want, n)
		}
		if err != nil {
			yield(store.Record{}, fmt.Errorf("read changes after %d: %w", after, err))
		}
	}
}

const (
	selectVersion = `
	SELECT v.seq, a.id, v.modified, s.name, f.part, v.fixes, v.body, v.sum, CASE a.seq WHEN v.seq THEN a.digest END
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
	var u encode.Unpacker
	err := s.advisories.read.rows(ctx, query, args, func(rows *sql.Rows) (bool, error) {
		r, err := scanRecord(rows, &u)
		if err == nil {
			found = append(found, r)
		}
		return true, err
	})
	return found, err
}

// scanRecord reads one row. With an error, the record has only its Seq, if that could be
// read.
func scanRecord(rows *sql.Rows, u *encode.Unpacker) (store.Record, error) {
	var r store.Record
	var modified int64
	var fixes, body, digest sql.RawBytes // valid until the next row
	var sum sql.NullInt64
	if err := rows.Scan(&r.Seq, &r.ID, &modified, &r.Origin.Source, &r.Origin.Part, &fixes, &body, &sum, &digest); err != nil {
		return store.Record{}, err
	}
	r.Modified = fromMicro(modified)
	if err := checkSum(sum, versionSum(r.Seq, r.ID, r.Origin, modified, fixes, body)); err != nil {
		return store.Record{Seq: r.Seq}, fmt.Errorf("advisory %q, version %d: %w", r.ID, r.Seq, err)
	}
	if body == nil {
		r.Removed = true
		return r, nil
	}
	kept, err := encode.DecodeFixes(fixes)
	if err != nil {
		return store.Record{Seq: r.Seq}, fmt.Errorf("advisory %q, version %d: %w: %w", r.ID, r.Seq, store.ErrDamaged, err)
	}
	for _, f := range kept {
		if f.Named {
			r.Fixes = append(r.Fixes, f.Fix)
		}
	}
	if r.Body, err = u.Unpack(body); err != nil {
		return store.Record{Seq: r.Seq}, fmt.Errorf("advisory %q, version %d: %w: %w", r.ID, r.Seq, store.ErrDamaged, err)
	}
	if !sum.Valid {
		if err := encode.CheckDigest(digest, r.Body); err != nil {
			return store.Record{Seq: r.Seq}, fmt.Errorf("advisory %q, version %d: %w", r.ID, r.Seq, err)
		}
	}
	return r, nil
}
