package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"assay/service/store"
)

// A database is one file, with one connection for writing and some for reading.
type database struct {
	path    string
	wait    time.Duration // for other processes
	writer  *sql.DB
	conn    *sql.Conn     // the writer's only one
	writing chan struct{} // holds one element while conn is in use
	how     durability    // of conn now
	waits   waits
	written *statements

	reader *sql.DB
	read   *statements
}

const maxReaders = 16

// openDatabase opens or creates the file at path. patience is how long a writer waits for
// another process, cache is the cache of the writer in KiB, and steps are the migrations.
func openDatabase(path string, patience time.Duration, cache int, steps fs.FS) (_ *database, err error) {
	created, err := createPrivate(path)
	if err != nil {
		return nil, err
	}
	d := &database{path: path, wait: patience, writing: make(chan struct{}, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	d.writer, err = sql.Open("sqlite", dataSource(path, patience, "foreign_keys(1)",
		"journal_size_limit(67108864)", fmt.Sprintf("cache_size(-%d)", cache)))
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	if d.conn, err = d.writer.Conn(ctx); err != nil {
		return nil, err
	}
	if created { // in a file that has pages it has no effect, and waits for writers
		if _, err := d.conn.ExecContext(ctx, "PRAGMA auto_vacuum = INCREMENTAL"); err != nil {
			return nil, err
		}
	}
	if err := useWAL(ctx, d.conn, patience); err != nil {
		return nil, err
	}
	d.written = newStatements(d.conn)
	if err := d.migrate(ctx, steps); err != nil {
		return nil, err
	}
	d.reader, err = sql.Open("sqlite", dataSource(path, patience, "query_only(1)", "cache_size(-8192)"))
	if err != nil {
		return nil, err
	}
	d.reader.SetMaxOpenConns(maxReaders)
	d.reader.SetMaxIdleConns(maxReaders)
	d.read = newStatements(d.reader)
	return d, nil
}

// createPrivate creates an empty file that only its owner can read, or changes the mode of
// the existing one. SQLite gives the files beside it the same mode. It does not open an
// existing file: closing that would release the locks that another store in this process
// holds on it.
func createPrivate(path string) (created bool, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return false, os.Chmod(path, 0o600)
	}
	if err != nil {
		return false, err
	}
	return true, f.Close()
}

// useWAL sets the journal mode of a new file to WAL, which is permanent. SQLite does not
// wait if another process does the same, so it is repeated.
func useWAL(ctx context.Context, conn *sql.Conn, patience time.Duration) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		_, err := conn.ExecContext(ctx, "PRAGMA journal_mode = WAL")
		if err == nil {
			return nil
		}
		busy, ok := errors.AsType[*sqlite.Error](err)
		if !ok || busy.Code()&0xff != sqlite3.SQLITE_BUSY || time.Now().After(deadline) {
			return fmt.Errorf("turn on the write-ahead log: %w", err)
		}
	}
}

func dataSource(path string, patience time.Duration, pragmas ...string) string {
	q := url.Values{"_pragma": {fmt.Sprintf("busy_timeout(%d)", patience.Milliseconds())}}
	for _, p := range pragmas {
		q.Add("_pragma", p)
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

func (d *database) close() error {
	var errs []error
	if d.reader != nil {
		errs = append(errs, d.read.close(), d.reader.Close())
	}
	if d.conn != nil {
		errs = append(errs, d.written.close(), d.conn.Close())
	}
	if d.writer != nil {
		errs = append(errs, d.writer.Close())
	}
	return errors.Join(errs...)
}

// giveBack truncates the log. After a failed transaction, or one whose process was killed,
// it may be as large as an import. It does nothing while there are readers or writers.
func (d *database) giveBack(ctx context.Context) error {
	if logSize(d.path) < maxIdleLog {
		return nil
	}
	select {
	case d.writing <- struct{}{}:
		defer func() { <-d.writing }()
	default:
		return nil // it is in use
	}
	ctx = context.WithoutCancel(ctx)
	timeout := func(t time.Duration) error {
		_, err := d.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", t.Milliseconds()))
		return err
	}
	if err := timeout(time.Second); err != nil {
		return err
	}
	var busy, log, moved int
	err := d.conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &moved)
	return errors.Join(err, timeout(d.wait))
}

// leastWait is the time from which the begin of a transaction counts as a wait. Without
// another writer it takes some microseconds.
const leastWait = time.Millisecond

// waits counts how often and for how long writers waited for one another, those of other
// processes included.
type waits struct{ count, nanoseconds atomic.Int64 }

func (w *waits) add(d time.Duration) {
	if d >= leastWait {
		w.count.Add(1)
		w.nanoseconds.Add(int64(d))
	}
}

// pools returns the pool for writing, which has one connection, and that for reading.
func (d *database) pools() []store.Pool {
	name := strings.TrimSuffix(filepath.Base(d.path), ".db")
	read := d.reader.Stats()
	return []store.Pool{
		{Name: name + "-write", Open: 1, Used: len(d.writing), Max: 1, Waits: d.waits.count.Load(), Waited: time.Duration(d.waits.nanoseconds.Load())},
		{Name: name + "-read", Open: read.OpenConnections, Used: read.InUse, Max: read.MaxOpenConnections, Waits: read.WaitCount, Waited: read.WaitDuration},
	}
}

// A durability decides whether a commit waits for the disk.
type durability string

const (
	durable durability = "PRAGMA synchronous = FULL"
	quick   durability = "PRAGMA synchronous = NORMAL"
)

// A transaction is a write transaction. Its statements do not end with the context; the
// function of update checks that.
type transaction struct {
	ctx   context.Context
	stmts *statements
}

// update runs f in one transaction, and commits it if f returns nil. Only the wait for
// other writers ends with ctx.
func (d *database) update(ctx context.Context, how durability, f func(transaction) error) (err error) {
	start := time.Now()
	select {
	case d.writing <- struct{}{}:
		defer func() { <-d.writing }()
	case <-ctx.Done():
		d.waits.add(time.Since(start))
		return ctx.Err()
	}
	tx := transaction{context.WithoutCancel(ctx), d.written}
	if how != d.how {
		if _, err := d.conn.ExecContext(tx.ctx, string(how)); err != nil {
			return err
		}
		d.how = how
	}
	begin, err := d.written.prepare(tx.ctx, "BEGIN IMMEDIATE")
	if err != nil {
		return err
	}
	_, err = begin.ExecContext(ctx)
	d.waits.add(time.Since(start))
	if err != nil {
		return fmt.Errorf("wait for other writers: %w", err)
	}
	committed := false
	defer func() {
		if committed { // false also if f panics
			return
		}
		if _, e := tx.exec("ROLLBACK"); e != nil {
			err = errors.Join(err, fmt.Errorf("roll back: %w", e))
		}
	}()
	if err := f(tx); err != nil {
		return err
	}
	if _, err := tx.exec("COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	committed = true
	return nil
}

// exec runs a statement and returns how many rows it changed.
func (t transaction) exec(query string, args ...any) (int64, error) {
	stmt, err := t.stmts.prepare(t.ctx, query)
	if err != nil {
		return 0, err
	}
	res, err := stmt.ExecContext(t.ctx, args...)
	if err != nil {
		return 0, damaged(err)
	}
	return res.RowsAffected()
}

// row runs a query for one row and scans it. The error is sql.ErrNoRows if there is none.
func (t transaction) row(query string, args []any, dest ...any) error {
	return t.stmts.row(t.ctx, query, args, dest...)
}
