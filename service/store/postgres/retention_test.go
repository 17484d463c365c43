package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/service/store"
	"assay/service/store/postgres"
)

func openWithURL(t *testing.T) (s *postgres.Store, url string) {
	t.Helper()
	url = shared.Server(t).URL(newDatabase(t))
	s, err := postgres.Open(t.Context(), url, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, url
}

// Another assayd keeps a scan of an inventory at the moment when it is pruned.
func TestPruneWhileKept(t *testing.T) {
	ctx, now := t.Context(), time.Now()
	s, url := openWithURL(t)
	for id, ago := range map[string]int{"old": 3, "newest": 0} {
		_, err := s.KeepScan(ctx, store.Scan{ID: id, At: now.AddDate(-ago, 0, 0), Request: []byte(id), Verdict: []byte("{}")})
		if err != nil {
			t.Fatal(err)
		}
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	tx, err := conn.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO scan (id, at, token, key, project, ref, commit_id, snapshot, seq, request, verdict, size)
		SELECT 'again', now(), token, key, project, ref, commit_id, snapshot, seq, request, verdict, size FROM scan WHERE id = 'old'`)
	if err != nil {
		t.Fatal(err)
	}
	committed := make(chan error)
	go func() { // once the pruner waits for the inventory
		for blocked := false; !blocked; time.Sleep(10 * time.Millisecond) {
			if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)`).Scan(&blocked); err != nil {
				committed <- err
				return
			}
		}
		committed <- tx.Commit(ctx)
	}()
	got, err := s.Prune(ctx, store.Prune{Now: now, Keep: 24 * time.Hour})
	if err != nil || got.Scans != 1 || got.Inventories != 0 {
		t.Errorf("pruned %+v, %v, want one scan", got, err)
	}
	if err := <-committed; err != nil {
		t.Error(err)
	}
	if scan, err := s.Scan(ctx, "again"); err != nil || string(scan.Request) != "old" {
		t.Errorf("the scan that was kept meanwhile: %+v, %v", scan, err)
	}
}

// An entry of an index has a maximum size.
func TestLongLabels(t *testing.T) {
	ctx := t.Context()
	s, _ := openWithURL(t)
	var long strings.Builder // of what cannot be compressed
	for i := range rune(3000) {
		long.WriteRune(0x4E00 + i*7%5000)
	}
	scan := store.Scan{ID: "one", At: time.Now(), Project: long.String(), Ref: long.String(), Commit: long.String(), Request: []byte("{}"), Verdict: []byte("{}")}
	if _, err := s.KeepScan(ctx, scan); err != nil {
		t.Fatal(err)
	}
	got, err := s.Scan(ctx, "one")
	if err != nil || got.Ref == "" || !strings.HasPrefix(scan.Ref, got.Ref) || got.Project != got.Ref || got.Commit != got.Ref {
		t.Errorf("kept %.100v, %v", got, err)
	}
	if list, err := s.ScansOfCommit(ctx, scan.Commit, scan.Project, 9); err != nil || len(list) != 1 {
		t.Errorf("scans of the commit: %v, %v", list, err)
	}
}
