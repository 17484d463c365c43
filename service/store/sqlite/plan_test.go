package sqlite

import (
	"slices"
	"strings"
	"testing"
)

// Catching up must not read what is not new.
func TestPlanOfChanges(t *testing.T) {
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rows, err := s.advisories.reader.Query("EXPLAIN QUERY PLAN "+listChanges, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"SEARCH v USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
		"SEARCH w USING COVERING INDEX version_advisory (advisory=? AND seq>? AND seq<?)",
	} {
		if !slices.Contains(plan, want) {
			t.Errorf("the plan lacks %q:\n%s", want, strings.Join(plan, "\n"))
		}
	}
	for _, step := range plan {
		if strings.HasPrefix(step, "SCAN") || strings.Contains(step, "TEMP B-TREE") {
			t.Errorf("the plan has %q", step)
		}
	}
}

// Finding the reference of a ratchet must not read other scans.
func TestPlanOfPassedScan(t *testing.T) {
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var id, parent, unused int
	var detail string
	err = s.state.reader.QueryRow("EXPLAIN QUERY PLAN "+findPassed, "shop", "main", 1).Scan(&id, &parent, &unused, &detail)
	if want := "SEARCH scan USING INDEX scan_passed (project=? AND ref=? AND at<?)"; err != nil || detail != want {
		t.Errorf("the plan begins with %q, %v; want %q", detail, err, want)
	}
}
