package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// Statements caches prepared statements. It is not bounded: all queries are constants of
// this package.
type statements struct {
	on       preparer
	mu       sync.Mutex
	prepared map[string]*sql.Stmt
}

// A preparer is a *sql.DB or a *sql.Conn.
type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

func newStatements(on preparer) *statements {
	return &statements{on: on, prepared: map[string]*sql.Stmt{}}
}

func (s *statements) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stmt := s.prepared[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.on.PrepareContext(ctx, query)
	if err != nil {
		return nil, damaged(err)
	}
	s.prepared[query] = stmt
	return stmt, nil
}

// row runs a query for one row and scans it into dest. The error is sql.ErrNoRows if there
// is none.
func (s *statements) row(ctx context.Context, query string, args []any, dest ...any) error {
	stmt, err := s.prepare(ctx, query)
	if err != nil {
		return err
	}
	return damaged(stmt.QueryRowContext(ctx, args...).Scan(dest...))
}

// rows runs a query and calls scan for every row, until it returns false or an error.
func (s *statements) rows(ctx context.Context, query string, args []any, scan func(*sql.Rows) (bool, error)) error {
	stmt, err := s.prepare(ctx, query)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return damaged(err)
	}
	defer rows.Close()
	for rows.Next() {
		if more, err := scan(rows); err != nil || !more {
			return err
		}
	}
	return damaged(rows.Err())
}

func (s *statements) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, stmt := range s.prepared {
		errs = append(errs, stmt.Close())
	}
	clear(s.prepared)
	return errors.Join(errs...)
}
