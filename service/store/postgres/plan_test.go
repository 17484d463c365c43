package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/service/store"
	"assay/service/store/postgres"
)

// Finding the reference of a ratchet reads one scan of 100,000, also if most of its ref
// failed, or none passed.
func TestPlanOfPassedScan(t *testing.T) {
	server := shared.Server(t)
	c, err := pgx.Connect(t.Context(), server.URL(newDatabase(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	for _, query := range []string{
		`INSERT INTO request (hash, body, size) VALUES ('\x01', '', 0)`,
		// 50 projects with 20 refs: every tenth scan of main passed, and none of ref 7.
		`INSERT INTO scan (id, at, token, key, project, ref, commit_id, snapshot, seq, request, verdict, size, passed)
		SELECT 'scan ' || i, timestamptz '2026-01-01Z' + i * interval '1 minute', 't', '', 'project ' || i % 50,
			CASE i / 50 % 20 WHEN 0 THEN 'main' ELSE 'ref ' || i / 50 % 20 END, '', 's', 1, '\x01', '', 0,
			i / 50 % 20 <> 7 AND i / 1000 % 10 = 0
		FROM generate_series(1, 100000) i`,
		`ANALYZE scan`,
	} {
		if _, err := c.Exec(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	for _, ref := range []string{"main", "ref 7", "ref 99"} {
		rows, err := c.Query(t.Context(), "EXPLAIN (ANALYZE, BUFFERS OFF, COSTS OFF, TIMING OFF, SUMMARY OFF) "+postgres.FindPassed,
			"project 3", ref, "2027-01-01T00:00:00Z")
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		plan := strings.Join(lines, "\n")
		if !strings.Contains(plan, "using scan_passed on scan") || strings.Contains(plan, "Seq Scan on scan") || strings.Contains(plan, "Rows Removed by Filter") {
			t.Errorf("%s:\n%s", ref, plan)
		}
		for _, l := range lines {
			var read int
			if _, rest, found := strings.Cut(l, "scan_passed on scan (actual rows="); found {
				if _, err := fmt.Sscan(rest, &read); err != nil || read > 2 {
					t.Errorf("%s: %d scans are read, %v:\n%s", ref, read, err, plan)
				}
			}
		}
	}
}

// Lists of scans stop at their limit: they do not read all 100,000 scans.
func TestPlanOfFilterScans(t *testing.T) {
	server := shared.Server(t)
	c, err := pgx.Connect(t.Context(), server.URL(newDatabase(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	for _, query := range []string{
		`INSERT INTO request (hash, body, size) VALUES ('\x01', '', 0)`,
		`INSERT INTO scan (id, at, token, key, project, ref, commit_id, snapshot, seq, request, verdict, size, passed, outcome)
		SELECT 'scan ' || i, timestamptz '2026-01-01Z' + i * interval '1 minute', 't', '', 'project ' || i % 50,
			'ref ' || i / 50 % 20, '', 's', 1, '\x01', '', 0, false, 'fail'
		FROM generate_series(1, 100000) i`,
		`ANALYZE scan`,
	} {
		if _, err := c.Exec(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []store.ScanFilter{
		{}, {Since: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)}, {After: "1769904000000000.5"}, {Outcome: "fail"},
		{Project: "project 3"}, {Project: "project 3", After: "1769904000000000.5"}, {Project: "project 3", Ref: "ref 1"},
		{Latest: true, Limit: 1000}, {Latest: true, Project: "project 3", Limit: 20},
	} {
		if f.Limit == 0 {
			f.Limit = 100
		}
		query, args, err := postgres.FilterQuery(f)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := c.Query(t.Context(), "EXPLAIN (ANALYZE, BUFFERS OFF, COSTS OFF, TIMING OFF, SUMMARY OFF) "+query, args...)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		plan := strings.Join(lines, "\n")
		if strings.Contains(plan, "Seq Scan on scan") || strings.Contains(plan, "Sort") && f.Ref == "" || f.Latest && !strings.Contains(plan, "scan_ref on scan w") {
			t.Errorf("%+v:\n%s", f, plan)
		}
	}
}
