// Package postgres implements store.Store over PostgreSQL, for any number of assayd
// that share one database.
//
// # Order
//
// Sequence numbers are taken from the row head, which an import locks until it commits.
// A number is therefore committed before the next one is taken, and a reader that
// remembers the last number it saw misses nothing. Imports wait for one another only
// while they compare and write: they first send their records, by COPY, to a temporary
// table that nobody else sees.
//
// # Failures
//
// Every round trip has a deadline on both sides: the store gives up a connection that
// stalls, and the server ends a transaction that has lost its client. The error wraps
// store.ErrUnavailable if the server cannot be reached or has no free connection. The
// operation may then be retried. A write that failed this way may have been committed,
// so every write can be repeated.
package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"assay/service/store"
)

// A Store implements store.Store.
type Store struct {
	pool *pgxpool.Pool
	used lastUses

	poll    time.Duration // see Watch
	lease   lease
	holder  string // names this store in the lease
	leading sync.Mutex
}

var _ store.Store = (*Store)(nil)

// Open connects to the database that url names, and brings its schema to the version of
// this program, unless noMigrate is set. A newer schema is an error, and with noMigrate an
// older one is too. Parts that url leaves out come from the variables and the password
// file of libpq. No error contains the URL or a password.
func Open(ctx context.Context, url string, noMigrate bool) (*Store, error) {
	config, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, config.ConnConfig, noMigrate); err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", failed(ctx, err))
	}
	return &Store{pool: pool, poll: pollEvery, lease: defaultLease, holder: rand.Text()}, nil
}

// Pools implements store.Maintenance.
func (s *Store) Pools() []store.Pool {
	st := s.pool.Stat()
	return []store.Pool{{
		Name: "postgres", Open: int(st.TotalConns()), Used: int(st.AcquiredConns()), Max: int(st.MaxConns()),
		Waits: st.EmptyAcquireCount(), Waited: st.EmptyAcquireWaitTime(),
	}}
}

// Close ends all use of the store.
func (s *Store) Close() error {
	s.pool.Close()
	return nil
}

// Ready implements store.Maintenance.
func (s *Store) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	err := s.pool.Ping(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: no answer within %s", store.ErrUnavailable, readyTime)
	}
	return failed(ctx, err)
}
