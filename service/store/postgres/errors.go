package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"assay/service/store"
)

// failed classifies an error of pgx from an operation with the caller's context ctx. The
// result wraps store.ErrUnavailable if a retry may succeed, and store.ErrDamaged if data is
// damaged. Errors of pgx name the host, the user and the database, but never the password.
func failed(ctx context.Context, err error) error {
	switch {
	case err == nil, errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrDamaged), errors.Is(err, pgx.ErrNoRows):
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("%w (%w)", ctx.Err(), err) // pgx may say only that the connection was closed
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return classified(e, onOneLine(err))
	}
	if lost(err) {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, onOneLine(err))
	}
	return err
}

// A lineError is an error with its text on one line.
type lineError struct{ error }

func (e lineError) Unwrap() error { return e.error }

// Error leaves out repeated lines: pgx tries each address with and without TLS, and
// reports both.
func (e lineError) Error() string {
	var lines []string
	for line := range strings.Lines(e.error.Error()) {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	head, rest := lines[:min(1, len(lines))], lines[min(1, len(lines)):]
	return strings.TrimSpace(strings.Join(head, "") + " " + strings.Join(rest, "; "))
}

// onOneLine puts the text of an error of pgx on one line, if it is a failed connection.
func onOneLine(err error) error {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return lineError{err}
	}
	return err
}

// Errors that an operator can repair. They are wrapped beside the error of the server.
var (
	ErrForeignSchema = errors.New("the schema is not of assayd")
	ErrNoRights      = errors.New("the user may not do this")
	ErrReadOnly      = errors.New("the database is read-only")
)

// classified classifies an error of the server by its SQLSTATE.
func classified(e *pgconn.PgError, err error) error {
	switch {
	case strings.HasPrefix(e.Code, "XX00") && e.Code != "XX000": // data or index corrupted
		return fmt.Errorf("%w: %w", store.ErrDamaged, err)
	case e.Code == "53100": // disk full
		return err
	case e.Code == "42P07": // a table exists, which a migration creates
		return fmt.Errorf("%w: %w", ErrForeignSchema, err)
	case e.Code == "42501":
		return fmt.Errorf("%w: %w", ErrNoRights, err)
	case e.Code == "25006": // a standby, also after a failover
		return fmt.Errorf("%w: %w: %w", store.ErrUnavailable, ErrReadOnly, err)
	case strings.HasPrefix(e.Code, "08"), // connection
		strings.HasPrefix(e.Code, "28"), // authorization, which is changed while it runs
		strings.HasPrefix(e.Code, "40"), // deadlock or serialization
		strings.HasPrefix(e.Code, "53"), // too many connections, out of memory
		strings.HasPrefix(e.Code, "57"), // shutdown, crash, starting, statement timeout
		e.Code == "55P03",               // lock timeout
		e.Code == "25P03":               // idle transaction timeout
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}

// lost reports whether the connection failed, or was not established in time.
func lost(err error) bool {
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, pgconn.ErrConnClosed) || pgconn.SafeToRetry(err)
}

// sqlState returns the SQLSTATE of an error of the server, or "".
func sqlState(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

const (
	uniqueViolation     = "23505"
	foreignKeyViolation = "23503"
)
