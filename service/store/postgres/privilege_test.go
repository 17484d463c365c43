package postgres_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"assay/check/testkit"
	"assay/service/store"
	"assay/service/store/postgres"
)

// The role of docs/postgres.md that serves can do everything but migrate.
func TestLeastPrivilege(t *testing.T) {
	server := shared.Server(t)
	doc, err := os.ReadFile(filepath.Join(testkit.Root(t), "docs", "postgres.md"))
	if err != nil {
		t.Fatal(err)
	}
	grants := regexp.MustCompile("(?s)```sql\n(-- in the database.*?)```").FindSubmatch(doc)
	if grants == nil {
		t.Fatal("docs/postgres.md has no grants")
	}
	name := server.Database(t, "")
	server.Exec(t, name, "CREATE ROLE assayd_serve LOGIN")
	t.Cleanup(func() { server.Exec(t, name, "DROP OWNED BY assayd_serve; DROP ROLE assayd_serve") })
	server.Exec(t, name, string(grants[1]))
	url := strings.Replace(server.URL(name), "assay@", "assayd_serve@", 1)

	if _, err := postgres.Open(t.Context(), url, false); err == nil {
		t.Error("the role that serves migrates")
	}
	if _, _, err := postgres.Migrate(t.Context(), server.URL(name)); err != nil {
		t.Fatal(err)
	}
	s, err := postgres.Open(t.Context(), url, true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	lead, err := s.LeadFeeds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := importOne(t, lead, "X"); err != nil {
		t.Error(err)
	}
	release(t, lead)
	now := time.Now()
	if err := s.CreateToken(t.Context(), store.Token{ID: "id", Name: "ci", Created: now}, [32]byte{1}, store.Event{}); err != nil {
		t.Error(err)
	}
	if err := s.UsedToken(t.Context(), "id", now); err != nil {
		t.Error(err)
	}
	if _, err := s.KeepScan(t.Context(), store.Scan{ID: "scan", At: now, Request: []byte("r"), Verdict: []byte("v")}); err != nil {
		t.Error(err)
	}
	if _, err := s.Prune(t.Context(), store.Prune{Now: now.AddDate(2, 0, 0), Keep: time.Hour}); err != nil {
		t.Error(err)
	}
	if problems, err := s.Verify(t.Context()); err != nil || len(problems) > 0 {
		t.Errorf("%q, %v", problems, err)
	}
}
