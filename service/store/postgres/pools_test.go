package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/service/store"
	"assay/service/store/postgres"
)

// Pools reports that all connections are in use, and that somebody waited for one.
func TestPools(t *testing.T) {
	url := shared.Server(t).URL(newDatabase(t))
	s, err := postgres.Open(t.Context(), url+"&pool_max_conns=4", true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	tx, err := conn.Begin(t.Context())
	if err == nil {
		_, err = tx.Exec(t.Context(), "LOCK TABLE token")
	}
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 5)
	for range cap(ended) {
		go func() { _, err := s.ListTokens(t.Context()); ended <- err }()
	}
	pool := func() store.Pool {
		pools := s.Pools()
		if len(pools) != 1 {
			t.Fatalf("%+v", pools)
		}
		return pools[0]
	}
	for deadline := time.Now().Add(time.Minute); pool().Used < 4; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%+v", pool())
		}
	}
	if p := pool(); p.Max != 4 || p.Open != 4 {
		t.Errorf("%+v", p)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Error(err)
	}
	for range cap(ended) {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if p := pool(); p.Used != 0 || p.Waits == 0 || p.Waited == 0 {
		t.Errorf("%+v", p)
	}
}
