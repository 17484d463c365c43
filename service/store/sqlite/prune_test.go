package sqlite

import (
	"fmt"
	"testing"
	"time"

	"assay/service/store"
)

// A step that fails removes nothing, and Prune reports nothing.
func TestPruneCountsWhatIsCommitted(t *testing.T) {
	ctx, now := t.Context(), time.Now()
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range 3 {
		_, err := s.KeepScan(ctx, store.Scan{ID: fmt.Sprint("scan", i), At: now.AddDate(-2, 0, 0), Request: fmt.Append(nil, i), Verdict: []byte("{}")})
		if err != nil {
			t.Fatal(err)
		}
	}
	p := store.Prune{Now: now, Keep: 24 * time.Hour}
	if _, err := s.state.conn.ExecContext(ctx, `CREATE TEMP TRIGGER fails BEFORE DELETE ON main.request WHEN old.n = 3 BEGIN SELECT RAISE(ABORT, 'not this one'); END`); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Prune(ctx, p); err == nil || got != (store.Pruned{}) {
		t.Errorf("pruned %+v, %v", got, err)
	}
	if list, err := s.ListScans(ctx, 9); err != nil || len(list) != 3 {
		t.Errorf("%d scans, %v", len(list), err)
	}
	if _, err := s.state.conn.ExecContext(ctx, `DROP TRIGGER fails`); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Prune(ctx, p); err != nil || got.Scans != 3 || got.Inventories != 3 {
		t.Errorf("pruned %+v, %v", got, err)
	}
}
