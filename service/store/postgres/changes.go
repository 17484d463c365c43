package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"

	"assay/service/store"
	"assay/service/store/encode"
)

const (
	// endOfPage bounds what one query reads: 2000 versions, and fewer if they are large.
	endOfPage = `
	SELECT max(seq) FROM (
		SELECT seq, sum(coalesce(octet_length(body), 0)) OVER (ORDER BY seq) - coalesce(octet_length(body), 0) AS above
		FROM (SELECT seq, body FROM version WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT 2000) page
	) bounded WHERE above < 4194304`
	// listChanges reads the versions in ($1, $2] that are the newest up to $3.
	listChanges = `
	SELECT v.seq, a.id, v.modified, s.name, f.part, v.fixes, v.body, v.sum
	FROM version v
	JOIN advisory a ON a.n = v.advisory
	JOIN import i ON i.n = v.import
	JOIN feed f ON f.n = i.feed
	JOIN source s ON s.n = f.source
	WHERE v.seq > $1 AND v.seq <= $2
	AND v.seq = (SELECT max(w.seq) FROM version w WHERE w.advisory = v.advisory AND w.seq <= $3)
	ORDER BY v.seq`
)

// Changes implements store.Advisories. All pages show one state, even if rows are committed
// or deleted meanwhile. The caller may use the store while it iterates.
func (s *Store) Changes(ctx context.Context, after, upTo int64) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		err := s.read(ctx, func(tx transaction) error {
			var u encode.Unpacker
			for {
				var end *int64
				if err := tx.row(endOfPage, []any{after, upTo}, &end); err != nil || end == nil {
					return err
				}
				page, err := records(tx, &u, listChanges, after, *end, upTo)
				if err != nil {
					return err
				}
				for _, r := range page {
					if !yield(r, nil) {
						return errStopped
					}
				}
				after = *end
			}
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(store.Record{}, fmt.Errorf("read changes after %d: %w", after, err))
		}
	}
}

// errStopped ends an iteration that the caller stopped.
var errStopped = errors.New("stopped")

// patientReader lets a reader do something with what it has read.
const patientReader = `SELECT set_config('idle_in_transaction_session_timeout', '10min', true)`

// read runs f in a transaction that sees one state.
func (s *Store) read(ctx context.Context, f func(transaction) error) error {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return s.transact(ctx, options, slowTime, func(tx transaction) error {
		if _, err := tx.exec(patientReader); err != nil {
			return err
		}
		return f(tx)
	})
}

const (
	selectVersion = `
	SELECT v.seq, a.id, v.modified, s.name, f.part, v.fixes, v.body, v.sum
	FROM advisory a
	JOIN version v ON v.advisory = a.n
	JOIN import i ON i.n = v.import
	JOIN feed f ON f.n = i.feed
	JOIN source s ON s.n = f.source`

	findRecord = selectVersion + `
	WHERE a.id = $1 AND a.source = (SELECT n FROM source WHERE name = $2) AND v.seq <= $3
	ORDER BY v.seq DESC LIMIT 1`

	findRecords = selectVersion + `
	WHERE a.id = $1 AND v.seq = (SELECT max(w.seq) FROM version w WHERE w.advisory = a.n AND w.seq <= $2)
	ORDER BY s.name, v.seq`
)

// Record implements store.Advisories.
func (s *Store) Record(ctx context.Context, source, id string, upTo int64) (store.Record, error) {
	found, err := s.records(ctx, findRecord, text(id), text(source), upTo)
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
	found, err := s.records(ctx, findRecords, text(id), upTo)
	if err != nil {
		return nil, fmt.Errorf("advisory %q: %w", id, err)
	}
	return found, nil
}

func (s *Store) records(ctx context.Context, query string, args ...any) ([]store.Record, error) {
	var found []store.Record
	var u encode.Unpacker
	err := s.rows(ctx, quickTime, query, args, func(rows pgx.Rows) error {
		r, err := scanRecord(rows, &u)
		found = append(found, r)
		return err
	})
	return found, err
}

func records(tx transaction, u *encode.Unpacker, query string, args ...any) ([]store.Record, error) {
	var found []store.Record
	err := tx.rows(query, args, func(rows pgx.Rows) error {
		r, err := scanRecord(rows, u)
		found = append(found, r)
		return err
	})
	return found, err
}

func scanRecord(rows pgx.Rows, u *encode.Unpacker) (store.Record, error) {
	var r store.Record
	var fixes, body []byte
	var sum int64
	err := rows.Scan(&r.Seq, &r.ID, &r.Modified, &r.Origin.Source, &r.Origin.Part, &fixes, &body, &sum)
	if err != nil {
		return store.Record{}, err
	}
	r.Modified = r.Modified.UTC()
	damaged := func(err error) (store.Record, error) {
		return store.Record{}, fmt.Errorf("advisory %q, version %d: %w", r.ID, r.Seq, err)
	}
	if err := checkSum(sum, versionSum(r.ID, r.Origin, r.Modified, fixes, bodySum(body))); err != nil {
		return damaged(err)
	}
	if body == nil {
		r.Removed = true
		return r, nil
	}
	kept, err := encode.DecodeFixes(fixes)
	if err != nil {
		return damaged(fmt.Errorf("%w: %w", store.ErrDamaged, err))
	}
	for _, f := range kept {
		if f.Named {
			r.Fixes = append(r.Fixes, f.Fix)
		}
	}
	if r.Body, err = u.Unpack(body); err != nil {
		return damaged(fmt.Errorf("%w: %w", store.ErrDamaged, err))
	}
	return r, nil
}
