package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/service/store"
)

// filterScans returns the query of a filter and its arguments. It reads one scan more than
// the limit, which says whether the list goes on.
func filterScans(f store.ScanFilter) (query string, args []any, err error) {
	query = `SELECT ` + scanColumns + `, scan.n, coalesce(scan.outcome, '') FROM scan WHERE true`
	add := func(condition string, values ...any) {
		for _, v := range values {
			args = append(args, v)
			condition = strings.Replace(condition, "?", fmt.Sprintf("$%d", len(args)), 1)
		}
		query += " AND " + condition
	}
	if f.Project != "" {
		add("scan.project = ?", label(f.Project))
	}
	if f.Ref != "" {
		add("scan.ref = ?", label(f.Ref))
	}
	if f.Token != "" {
		add("scan.token = ?", text(f.Token))
	}
	if f.Outcome != "" {
		add("(scan.outcome = ? OR scan.outcome IS NULL)", text(f.Outcome))
	}
	if !f.Since.IsZero() {
		add("scan.at >= ?", f.Since)
	}
	if f.After != "" {
		p, err := store.ParseScanPosition(f.After)
		if err != nil {
			return "", nil, err
		}
		add("(scan.at, scan.n) < (?, ?)", time.UnixMicro(p.At).UTC(), p.N)
	}
	if f.Latest {
		newer := "SELECT 1 FROM scan w WHERE w.project = scan.project AND w.ref = scan.ref AND (w.at, w.n) > (scan.at, scan.n)"
		if f.Token != "" {
			add("(scan.project = '' AND scan.ref = '' OR NOT EXISTS ("+newer+" AND w.token = ?))", text(f.Token))
		} else {
			add("(scan.project = '' AND scan.ref = '' OR NOT EXISTS (" + newer + "))")
		}
	}
	args = append(args, max(f.Limit, 0)+1)
	return query + fmt.Sprintf(" ORDER BY scan.at DESC, scan.n DESC LIMIT $%d", len(args)), args, nil
}

// FilterScans implements store.Scans.
func (s *Store) FilterScans(ctx context.Context, f store.ScanFilter) (scans []store.ListedScan, next string, err error) {
	query, args, err := filterScans(f)
	if err != nil {
		return nil, "", err
	}
	var last store.ScanPosition
	err = s.rows(ctx, slowTime, query, args, func(rows pgx.Rows) error {
		if len(scans) >= f.Limit {
			next = last.String()
			return nil
		}
		var listed store.ListedScan
		err := rows.Scan(append(scanDest(&listed.Scan), &last.N, &listed.Outcome)...)
		listed.At = listed.At.UTC()
		last.At = listed.At.UnixMicro()
		scans = append(scans, listed)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("list scans: %w", err)
	}
	return scans, next, nil
}
