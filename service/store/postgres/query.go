package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"assay/service/store"
)

// acquire takes a connection from the pool. It waits for one, but not for ever.
func (s *Store) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	within, cancel := context.WithTimeout(ctx, acquireTime)
	defer cancel()
	conn, err := s.pool.Acquire(within)
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: no connection to the database within %s: %w", store.ErrUnavailable, acquireTime, err)
	}
	return conn, failed(ctx, err)
}

// rows runs a query with a time limit, and calls scan for every row.
func (s *Store) rows(ctx context.Context, within time.Duration, query string, args []any, scan func(pgx.Rows) error) error {
	conn, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return failed(ctx, each(limited, conn, query, args, scan))
}

// row runs a query for one row. The error is pgx.ErrNoRows if there is none.
func (s *Store) row(ctx context.Context, query string, args []any, dest ...any) error {
	conn, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	limited, cancel := context.WithTimeout(ctx, quickTime)
	defer cancel()
	return failed(ctx, conn.QueryRow(limited, query, args...).Scan(dest...))
}

// exec runs one statement in a transaction of its own, and returns how many rows it
// affected.
func (s *Store) exec(ctx context.Context, query string, args ...any) (int64, error) {
	conn, err := s.acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Release()
	limited, cancel := context.WithTimeout(ctx, quickTime)
	defer cancel()
	tag, err := conn.Exec(limited, query, args...)
	return tag.RowsAffected(), failed(ctx, err)
}

// A querier is a connection or a transaction.
type querier interface {
	Query(ctx context.Context, query string, args ...any) (pgx.Rows, error)
}

func each(ctx context.Context, q querier, query string, args []any, scan func(pgx.Rows) error) error {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// A transaction runs statements, each with a time limit.
type transaction struct {
	ctx    context.Context
	tx     pgx.Tx
	within time.Duration
}

func (t transaction) exec(query string, args ...any) (int64, error) {
	ctx, cancel := context.WithTimeout(t.ctx, t.within)
	defer cancel()
	tag, err := t.tx.Exec(ctx, query, args...)
	return tag.RowsAffected(), failed(t.ctx, err)
}

func (t transaction) row(query string, args []any, dest ...any) error {
	ctx, cancel := context.WithTimeout(t.ctx, t.within)
	defer cancel()
	return failed(t.ctx, t.tx.QueryRow(ctx, query, args...).Scan(dest...))
}

func (t transaction) rows(query string, args []any, scan func(pgx.Rows) error) error {
	ctx, cancel := context.WithTimeout(t.ctx, t.within)
	defer cancel()
	return failed(t.ctx, each(ctx, t.tx, query, args, scan))
}

// update runs f in one transaction, which is committed if f returns nil.
func (s *Store) update(ctx context.Context, f func(transaction) error) error {
	return s.transact(ctx, pgx.TxOptions{}, slowTime, f)
}

// transact runs f in one transaction with a time limit for each statement. If f panics or
// fails, the transaction is rolled back.
func (s *Store) transact(ctx context.Context, options pgx.TxOptions, within time.Duration, f func(transaction) error) error {
	conn, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	limited := func() (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, within) }
	begin, cancel := limited()
	defer cancel()
	tx, err := conn.BeginTx(begin, options)
	if err != nil {
		return failed(ctx, err)
	}
	defer func() { // does nothing after a commit
		rollback, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingTime)
		defer cancel()
		_ = tx.Rollback(rollback) // if it fails, the connection is closed
	}()
	if err := f(transaction{ctx, tx, within}); err != nil {
		return err
	}
	end, cancelEnd := limited()
	defer cancelEnd()
	if err := tx.Commit(end); err != nil {
		return fmt.Errorf("commit: %w", failed(ctx, err))
	}
	return nil
}

// notFound returns store.ErrNotFound for pgx.ErrNoRows.
func notFound(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return store.ErrNotFound
	}
	return err
}
