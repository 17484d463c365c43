package sqlite

import (
	"slices"
	"strings"
	"testing"
	"time"

	"assay/service/store"
)

// Lists of scans are read in the order of an index, and stop at their limit: none sorts all
// scans, also where there are 100,000 of them.
func TestPlanOfFilterScans(t *testing.T) {
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.state.update(t.Context(), quick, func(tx transaction) error {
		if _, err := tx.exec(`INSERT INTO request (n, hash, body, size) VALUES (1, x'01', x'', 0)`); err != nil {
			return err
		}
		// 50 projects with 20 refs.
		_, err := tx.exec(`WITH RECURSIVE i(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM i WHERE i < 100000)
			INSERT INTO scan (id, at, token, key, project, ref, commit_id, snapshot, seq, verdict, request, size, passed, outcome)
			SELECT 'scan ' || i, i * 60000000, 't' || (i % 5), '', 'project ' || (i % 50), 'ref ' || (i / 50 % 20), '', 's', 1, x'', 1, 0, 0, 'fail' FROM i`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		filter store.ScanFilter
		want   string
	}{
		{store.ScanFilter{}, "SCAN scan USING INDEX scan_at"},
		{store.ScanFilter{Since: time.UnixMicro(1)}, "SEARCH scan USING INDEX scan_at (at>?)"},
		{store.ScanFilter{After: "6.1"}, "SEARCH scan USING INDEX scan_at (at<?)"},
		{store.ScanFilter{Outcome: "fail"}, "SCAN scan USING INDEX scan_at"},
		{store.ScanFilter{Project: "project 3"}, "SEARCH scan USING INDEX scan_project (project=?)"},
		{store.ScanFilter{Project: "project 3", After: "6.1", Since: time.UnixMicro(1)}, "SEARCH scan USING INDEX scan_project (project=? AND at>? AND at<?)"},
		{store.ScanFilter{Project: "project 3", Ref: "ref 1"}, "SEARCH scan USING INDEX scan_ref (project=? AND ref=?)"},
		{store.ScanFilter{Latest: true}, "SCAN scan USING INDEX scan_at"},
		{store.ScanFilter{Latest: true, Project: "project 3"}, "SEARCH scan USING INDEX scan_project (project=?)"},
	} {
		tt.filter.Limit = 100
		query, args, err := filterScans(tt.filter)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := s.state.reader.Query("EXPLAIN QUERY PLAN "+query, args...)
		if err != nil {
			t.Fatal(err)
		}
		var plan []string
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, detail)
		}
		rows.Close()
		if !slices.Contains(plan, tt.want) || slices.ContainsFunc(plan, func(step string) bool {
			return strings.Contains(step, "TEMP B-TREE") || strings.HasPrefix(step, "SCAN w")
		}) {
			t.Errorf("%+v: the plan is\n%s", tt.filter, strings.Join(plan, "\n"))
		}
		var list []string
		scans, err := s.state.reader.Query(query, args...)
		if err != nil {
			t.Fatal(err)
		}
		for scans.Next() {
			list = append(list, "")
		}
		scans.Close()
		if want := 101; tt.filter.After == "" && tt.filter.Ref == "" && !(tt.filter.Latest && tt.filter.Project != "") && len(list) != want {
			t.Errorf("%+v: %d scans, want %d", tt.filter, len(list), want)
		}
	}
}

// A scan that an earlier version kept has no outcome, and is in every list: its reader decides.
func TestFilterOfEarlierScans(t *testing.T) {
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	scan := store.Scan{ID: "a", At: time.UnixMicro(1).UTC(), Request: []byte("{}"), Verdict: []byte(`{"decision":{"outcome":"fail"}}`)}
	if _, err := s.KeepScan(t.Context(), scan); err != nil {
		t.Fatal(err)
	}
	err = s.state.update(t.Context(), quick, func(tx transaction) error {
		_, err := tx.exec("UPDATE scan SET outcome = NULL")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	list, _, err := s.FilterScans(t.Context(), store.ScanFilter{Outcome: "pass", Limit: 9})
	if err != nil || len(list) != 1 || list[0].Outcome != "" {
		t.Errorf("%+v, %v", list, err)
	}
}
