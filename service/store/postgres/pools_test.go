package postgres_test

import (
	"errors"
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
	for deadline := time.Now().Add(time.Minute); pool().Used > 0; time.Sleep(time.Millisecond) { // pgx releases them later
		if time.Now().After(deadline) {
			t.Fatalf("%+v", pool())
		}
	}
	if p := pool(); p.Waits == 0 || p.Waited == 0 {
		t.Errorf("%+v", p)
	}
}

// A database that is read-only for a while is written again without a restart.
func TestReadOnlyForAWhile(t *testing.T) {
	server := shared.Server(t)
	url := server.URL(newDatabase(t))
	s, err := postgres.Open(t.Context(), url, true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	readOnly := func(value string) {
		// From another database: nobody is connected to that of the test then.
		server.Exec(t, "postgres", "ALTER DATABASE "+config.Database+" SET default_transaction_read_only = "+value)
		server.Exec(t, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+config.Database+"'")
	}
	note := func() error { return s.NotePrune(t.Context(), store.LastPrune{At: time.Now(), Keep: time.Hour}) }
	readOnly("on")
	for deadline := time.Now().Add(time.Minute); ; { // the first errors are of connections that are gone
		if err := note(); errors.Is(err, postgres.ErrReadOnly) && errors.Is(err, store.ErrUnavailable) {
			break
		} else if err == nil || time.Now().After(deadline) {
			t.Fatalf("a read-only database: %v", err)
		}
	}
	server.Exec(t, "postgres", "ALTER DATABASE "+config.Database+" RESET default_transaction_read_only")
	if err := note(); err != nil {
		t.Errorf("the database can be written again: %v", err)
	}
}
