package postgres

import (
	"context"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"assay/service/store"
	"assay/service/store/encode"
)

// Check implements store.Maintenance. PostgreSQL looks after its own files.
func (s *Store) Check(ctx context.Context) error {
	if err := store.CheckComplete(ctx, s); err != nil {
		return err
	}
	_, err := s.Head(ctx)
	return err
}

// maxProblems bounds the problems of each kind that Verify returns.
const maxProblems = 20

const (
	verifyVersions = `
	SELECT v.seq, coalesce(a.id, ''), v.modified, coalesce(s.name, ''), coalesce(f.part, ''), v.fixes, v.body, v.sum
	FROM version v
	LEFT JOIN advisory a ON a.n = v.advisory
	LEFT JOIN import i ON i.n = v.import
	LEFT JOIN feed f ON f.n = i.feed
	LEFT JOIN source s ON s.n = f.source
	WHERE v.seq > $1 ORDER BY v.seq LIMIT 200`
	verifyLists = `
	SELECT l.seq, l.kind, f.name, l.published, l.entries, l.body, l.digest, l.sum
	FROM list l JOIN import i ON i.n = l.import JOIN feed f ON f.n = i.feed
	WHERE l.seq > $1 ORDER BY l.seq LIMIT 1`
	verifyAdvisories = `
	SELECT a.id FROM advisory a
	WHERE NOT EXISTS (SELECT 1 FROM version v WHERE v.seq = a.seq AND v.advisory = a.n AND (v.body IS NULL) = (a.digest IS NULL))
	OR EXISTS (SELECT 1 FROM version v WHERE v.advisory = a.n AND v.seq > a.seq)
	LIMIT $1`
	verifyHead = `
	SELECT head.records, (SELECT count(*) FROM advisory WHERE digest IS NOT NULL) FROM head`
	verifyScans = `SELECT n, id FROM scan WHERE n > $1 ORDER BY n LIMIT 500`
)

// Verify implements store.Maintenance. It reads every version of every record, every
// list and every scan in one state.
func (s *Store) Verify(ctx context.Context) (problems []string, err error) {
	err = s.read(ctx, func(tx transaction) error {
		v := &verifier{tx: tx}
		for _, step := range []func() error{v.head, v.advisories, v.versions, v.lists, v.scans} {
			v.found = 0
			if err := step(); err != nil {
				return err
			}
		}
		problems = v.problems
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	return problems, nil
}

type verifier struct {
	tx       transaction
	problems []string
	found    int // of one kind
}

func (v *verifier) problem(format string, args ...any) {
	if v.found++; v.found <= maxProblems {
		v.problems = append(v.problems, fmt.Sprintf(format, args...))
	}
}

func (v *verifier) head() error {
	var says, are int64
	if err := v.tx.row(verifyHead, nil, &says, &are); err != nil {
		return err
	}
	if says != are {
		v.problem("the counters say that there are %d records, and there are %d", says, are)
	}
	return nil
}

func (v *verifier) advisories() error {
	return v.tx.rows(verifyAdvisories, []any{maxProblems}, func(rows pgx.Rows) error {
		var id string
		err := rows.Scan(&id)
		v.problem("advisory %q: its current version is missing", id)
		return err
	})
}

func (v *verifier) versions() error {
	var u encode.Unpacker
	for last := int64(math.MinInt64); ; {
		n := 0
		err := v.tx.rows(verifyVersions, []any{last}, func(rows pgx.Rows) error {
			n++
			if err := rows.Scan(&last, nil, nil, nil, nil, nil, nil, nil); err != nil {
				return err
			}
			if _, err := scanRecord(rows, &u); err != nil {
				v.problem("%v", err)
			}
			return nil
		})
		if err != nil || n == 0 {
			return err
		}
	}
}

func (v *verifier) lists() error {
	var u encode.Unpacker
	for last := int64(math.MinInt64); ; {
		n := 0
		err := v.tx.rows(verifyLists, []any{last}, func(rows pgx.Rows) error {
			n++
			if err := rows.Scan(&last, nil, nil, nil, nil, nil, nil, nil); err != nil {
				return err
			}
			if _, err := scanList(rows, &u); err != nil {
				v.problem("%v", err)
			}
			return nil
		})
		if err != nil || n == 0 {
			return err
		}
	}
}

func (v *verifier) scans() error {
	for last := int64(math.MinInt64); ; {
		var ids []string
		err := v.tx.rows(verifyScans, []any{last}, func(rows pgx.Rows) error {
			var id string
			err := rows.Scan(&last, &id)
			ids = append(ids, id)
			return err
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			if _, err := scanIn(v.tx, id); err != nil {
				v.problem("scan %q: %v", id, err)
			}
		}
	}
}

// Tidy implements store.Maintenance. An interrupted import leaves nothing behind.
func (s *Store) Tidy(context.Context) error { return nil }
