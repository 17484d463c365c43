package sqlite

import (
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"assay/service/store"
)

// A repaired store keeps its settings. Those of a new store would remove scans.
func TestRepairSettings(t *testing.T) {
	for _, tt := range []struct {
		name, damage string
		keep         time.Duration
		since        string
	}{
		{"own settings", `UPDATE setting SET value = '48h' WHERE name = 'keep'; UPDATE setting SET value = '7' WHERE name = 'pieces_since'`, 48 * time.Hour, "7"},
		{"a store that keeps everything", `DELETE FROM setting WHERE name = 'keep'`, 0, "0"},
		{"lost settings", `DELETE FROM setting`, 0, "1000000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			s, err := Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			scan := verdictOf(t, 1)
			scan.At = time.Unix(1, 0)
			if _, err := s.KeepScan(t.Context(), scan); err != nil {
				t.Fatal(err)
			}
			if err := s.CreateToken(t.Context(), store.Token{ID: "a", Name: "a", Created: time.Unix(1, 0)}, sha256.Sum256(nil), store.Event{}); err != nil {
				t.Fatal(err)
			}
			for _, query := range strings.Split(tt.damage+`; UPDATE token SET name = 'b'`, ";") {
				if _, err := s.state.conn.ExecContext(t.Context(), query); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			var lines []string
			if err := Repair(t.Context(), dir, time.Unix(2, 0), func(line string) { lines = append(lines, line) }); err != nil {
				t.Fatal(err)
			}
			report := strings.Join(lines, "\n")
			if want := "0 tokens and 1 scans were kept, 1 tokens and 0 scans were dropped"; !strings.Contains(report, want) || strings.Contains(report, "invalid rows") {
				t.Errorf("the report:\n%s\nwant %q", report, want)
			}
			s = opened(t, dir)
			var since string
			if err := s.state.read.row(t.Context(), findSetting, []any{"pieces_since"}, &since); err != nil || since != tt.since {
				t.Errorf("pieces have days since %q, want %q: %v", since, tt.since, err)
			}
			if keep, err := s.KeepTime(t.Context()); err != nil || keep != tt.keep {
				t.Errorf("scans are kept for %v, want %v: %v", keep, tt.keep, err)
			}
		})
	}
}

// A changed event of the audit trail is found, and dropped by a repair.
func TestChangedEvent(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, object := range []string{"a", "b"} {
		e := store.Event{At: time.Unix(int64(i+1), 0), Actor: "ops", Action: store.ActionTokenRevoke, Object: object}
		if err := s.AddEvent(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.state.conn.ExecContext(t.Context(), `UPDATE event SET actor = 'nobody' WHERE object = 'a'`); err != nil {
		t.Fatal(err)
	}
	const want = "event 1 of the audit trail: damaged data: checksum does not match"
	if _, err := s.Events(t.Context(), store.EventFilter{Limit: 10}); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("the changed event is read: %v", err)
	}
	if problems, err := s.Verify(t.Context()); err != nil || !strings.Contains(strings.Join(problems, "\n"), want) {
		t.Errorf("problems %q, %v, want %q", problems, err, want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var lines []string
	if err := Repair(t.Context(), dir, time.Unix(3, 0), func(line string) { lines = append(lines, line) }); err != nil {
		t.Fatal(err)
	}
	if report := strings.Join(lines, "\n"); !strings.Contains(report, "1 damaged events of the audit trail were dropped") {
		t.Errorf("the report:\n%s", report)
	}
	s = opened(t, dir)
	if list, err := s.Events(t.Context(), store.EventFilter{Limit: 10}); err != nil || len(list) != 1 || list[0].Object != "b" {
		t.Errorf("events %+v, %v, want the second", list, err)
	}
}
