package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"assay/service/store"
)

// filterScans returns the query of a filter and its arguments. It reads one scan more than
// the limit, which says whether the list goes on.
func filterScans(f store.ScanFilter) (query string, args []any, err error) {
	query = `SELECT ` + scanColumns + `, scan.n, coalesce(scan.outcome, '') FROM scan WHERE true`
	add := func(condition string, values ...any) {
		query += " AND " + condition
		args = append(args, values...)
	}
	if f.Project != "" {
		add("scan.project = ?", f.Project)
	}
	if f.Ref != "" {
		add("scan.ref = ?", f.Ref)
	}
	if f.Token != "" {
		add("scan.token = ?", f.Token)
	}
	if f.Outcome != "" {
		add("(scan.outcome = ? OR scan.outcome IS NULL)", f.Outcome)
	}
	if !f.Since.IsZero() {
		add("scan.at >= ?", toMicro(f.Since))
	}
	if f.After != "" {
		p, err := store.ParseScanPosition(f.After)
		if err != nil {
			return "", nil, err
		}
		add("scan.at <= ?", p.At) // for the index
		add("(scan.at < ? OR scan.n < ?)", p.At, p.N)
	}
	if f.Latest {
		// Without statistics, SQLite would read all scans of the project for each scan.
		newer := "SELECT 1 FROM scan w INDEXED BY scan_ref WHERE w.project = scan.project AND w.ref = scan.ref AND w.at >= scan.at AND (w.at > scan.at OR w.n > scan.n)"
		if f.Token != "" {
			add("(scan.project = '' AND scan.ref = '' OR NOT EXISTS ("+newer+" AND w.token = ?))", f.Token)
		} else {
			add("(scan.project = '' AND scan.ref = '' OR NOT EXISTS (" + newer + "))")
		}
	}
	return query + " ORDER BY scan.at DESC, scan.n DESC LIMIT ?", append(args, max(f.Limit, 0)+1), nil
}

// FilterScans implements store.Scans.
func (s *Store) FilterScans(ctx context.Context, f store.ScanFilter) (scans []store.ListedScan, next string, err error) {
	query, args, err := filterScans(f)
	if err != nil {
		return nil, "", err
	}
	var last store.ScanPosition
	err = s.state.read.rows(ctx, query, args, func(rows *sql.Rows) (bool, error) {
		if len(scans) >= f.Limit {
			next = last.String()
			return false, nil
		}
		var k scanRow
		var listed store.ListedScan
		if err := rows.Scan(append(k.dest(), &last.N, &listed.Outcome)...); err != nil {
			return false, err
		}
		last.At = k.at
		var err error
		listed.Scan, err = k.scan()
		scans = append(scans, listed)
		return err == nil, err
	})
	if err != nil {
		return nil, "", fmt.Errorf("list scans: %w", err)
	}
	return scans, next, nil
}
