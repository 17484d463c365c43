package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"assay/service/store"
	"assay/service/store/encode"
)

// maxProblems bounds what a check reports.
const maxProblems = 20

// Ready implements store.Maintenance. The files are open.
func (s *Store) Ready(context.Context) error { return nil }

// Check implements store.Maintenance. It checks the pages of both databases and the
// counters of the data.
func (s *Store) Check(ctx context.Context) error {
	for _, d := range s.databases() {
		found, err := d.pragma(ctx, "quick_check(1)")
		if err != nil {
			return fmt.Errorf("check %q: %w", d.name, err)
		}
		if len(found) > 0 {
			return fmt.Errorf("check %q: %w: %s", d.name, store.ErrDamaged, found[0])
		}
	}
	if err := store.CheckComplete(ctx, s); err != nil {
		return err
	}
	var h head
	if err := h.read(ctx, s.advisories.read); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("check the counters of the data: %w", err)
	}
	return nil
}

type named struct {
	*database
	name string
}

func (s *Store) databases() []named {
	return []named{{s.advisories, "advisories.db"}, {s.state, "ledger.db"}}
}

// pragma runs a check that returns "ok" or lines with problems, and returns the problems.
func (d *database) pragma(ctx context.Context, check string) ([]string, error) {
	rows, err := d.reader.QueryContext(ctx, "PRAGMA "+check)
	if err != nil {
		return nil, damaged(err)
	}
	defer rows.Close()
	var found []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, damaged(err)
		}
		if line != "ok" {
			found = append(found, line)
		}
	}
	return found, damaged(rows.Err())
}

// Verify implements store.Maintenance. It reads the pages, indexes and references of
// both databases, every version of every record, and every list, token and scan. It
// returns at most maxProblems of each kind.
func (s *Store) Verify(ctx context.Context) (problems []string, err error) {
	for _, d := range s.databases() {
		found, err := d.pragma(ctx, fmt.Sprintf("integrity_check(%d)", maxProblems))
		if errors.Is(err, store.ErrDamaged) {
			found, err = []string{err.Error()}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("check %q: %w", d.name, err)
		}
		for _, f := range found {
			problems = append(problems, d.name+": "+f)
		}
		if err := d.checkReferences(ctx); err != nil {
			problems = append(problems, fmt.Sprintf("%s: %v", d.name, err))
		}
	}
	for _, check := range []func(context.Context, func(error)) error{s.verifyAdvisories, s.verifyState} {
		n := 0
		err := check(ctx, func(err error) {
			if n++; n <= maxProblems {
				problems = append(problems, err.Error())
			}
		})
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil { // the rest cannot be read
			problems = append(problems, err.Error())
		}
		if n > maxProblems {
			problems = append(problems, fmt.Sprintf("and %d more", n-maxProblems))
		}
	}
	return problems, nil
}

const (
	everyVersion = `
	SELECT v.seq, a.id, v.modified, s.name, f.part, v.fixes, v.body, v.sum, CASE a.seq WHEN v.seq THEN a.digest END
	FROM version v
	JOIN advisory a ON a.n = v.advisory
	JOIN import i ON i.n = v.import
	JOIN feed f ON f.n = i.feed
	JOIN source s ON s.n = f.source
	ORDER BY v.seq`
	countAdvisories = `
	SELECT (SELECT count(*) FROM advisory WHERE digest IS NOT NULL),
		(SELECT coalesce(max(seq), 0) FROM version), (SELECT coalesce(max(seq), 0) FROM list),
		(SELECT count(*) FROM advisory a LEFT JOIN version v ON v.seq = a.seq
			WHERE v.advisory IS NOT a.n OR (v.body IS NULL) <> (a.digest IS NULL) OR a.seq <> (SELECT max(w.seq) FROM version w WHERE w.advisory = a.n)),
		(SELECT count(*) FROM version)`
)

func (s *Store) verifyAdvisories(ctx context.Context, report func(error)) error {
	var u encode.Unpacker
	versions := 0
	err := s.advisories.read.rows(ctx, everyVersion, nil, func(rows *sql.Rows) (bool, error) {
		versions++
		if _, err := scanRecord(rows, &u); err != nil {
			report(fmt.Errorf("advisories.db: %w", err))
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("advisories.db: read versions: %w", err)
	}
	for upTo := int64(0); ; { // each version of each list
		var last int64
		for l, err := range s.Lists(ctx, upTo, 1<<62) {
			if err != nil {
				report(fmt.Errorf("advisories.db: %w", err))
				break
			}
			last = l.Seq
		}
		if last == 0 {
			break
		}
		upTo = last
	}
	var h head
	err = h.read(ctx, s.advisories.read)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("advisories.db: counters: %w", err)
	}
	var records, version, list, astray, all int64
	if err := s.advisories.read.row(ctx, countAdvisories, nil, &records, &version, &list, &astray, &all); err != nil {
		return fmt.Errorf("advisories.db: count: %w", err)
	}
	if records != h.records || max(version, list) > h.seq {
		report(fmt.Errorf("advisories.db: %w: it has %d records up to %d, but its counters are %d and %d", store.ErrDamaged, records, max(version, list), h.records, h.seq))
	}
	if astray > 0 || all != int64(versions) {
		report(fmt.Errorf("advisories.db: %w: %d records refer to a missing version, and %d versions have no record", store.ErrDamaged, astray, all-int64(versions)))
	}
	return nil
}

const everyScan = `SELECT id FROM scan ORDER BY n`

func (s *Store) verifyState(ctx context.Context, report func(error)) error {
	if _, err := s.ListTokens(ctx); err != nil {
		report(fmt.Errorf("ledger.db: %w", err))
	}
	if err := s.verifyEvents(ctx, func(_ int64, err error) { report(fmt.Errorf("ledger.db: %w", err)) }); err != nil {
		report(fmt.Errorf("ledger.db: %w", err))
	}
	var ids []string
	err := s.state.read.rows(ctx, everyScan, nil, func(rows *sql.Rows) (bool, error) {
		var id string
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err == nil, err
	})
	for _, id := range ids {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, err := s.Scan(ctx, id); err != nil {
			report(fmt.Errorf("ledger.db: %w", err))
		}
	}
	if err != nil {
		return fmt.Errorf("ledger.db: read scans: %w", err)
	}
	return nil
}
