package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// schemaTable is the table in which goose records the applied migrations.
const schemaTable = "assayd_schema"

// migrationLock is the key of the advisory lock that is held during a migration.
const migrationLock = 0x6173736179 // "assay"

// ErrOldSchema says that the schema has to be migrated first, and ErrNewSchema that a
// newer assayd has migrated it.
var (
	ErrOldSchema = errors.New("the schema of the database is older than this assayd")
	ErrNewSchema = errors.New("the schema of the database is newer than this assayd")
)

// Migrate brings the schema to the version of this program, and returns the versions
// before and after.
func Migrate(ctx context.Context, url string) (before, after int64, err error) {
	config, err := parseURL(url)
	if err != nil {
		return 0, 0, err
	}
	m, err := newMigrator(config.ConnConfig)
	if err != nil {
		return 0, 0, err
	}
	defer m.db.Close()
	before, err = m.have(ctx)
	if err == nil {
		err = m.check(ctx, before, false)
	}
	return before, m.want, failed(ctx, err)
}

// migrate is Migrate for a store that is being opened.
func migrate(ctx context.Context, config *pgx.ConnConfig, never bool) error {
	m, err := newMigrator(config)
	if err != nil {
		return err
	}
	defer m.db.Close()
	have, err := m.have(ctx)
	if err == nil {
		err = m.check(ctx, have, never)
	}
	return failed(ctx, err)
}

type migrator struct {
	db    *sql.DB
	goose *goose.Provider
	want  int64 // the newest version that this program knows
}

// newMigrator connects without the time limit of statements, because a migration may write
// a large table. The time that it waits for locks is bounded, because others queue behind
// it.
func newMigrator(config *pgx.ConnConfig) (*migrator, error) {
	config = config.Copy()
	config.RuntimeParams["statement_timeout"] = "0"
	config.RuntimeParams["lock_timeout"] = milliseconds(slowTime)
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "0"
	db := stdlib.OpenDB(*config)
	steps, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, steps, goose.WithTableName(schemaTable))
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	sources := provider.ListSources()
	return &migrator{db, provider, sources[len(sources)-1].Version}, nil
}

// have returns the version of the schema, 0 for an empty database. It does not use goose,
// which would create its table.
func (m *migrator) have(ctx context.Context) (version int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, slowTime)
	defer cancel()
	var exists bool
	err = m.db.QueryRowContext(ctx, `SELECT to_regclass($1) IS NOT NULL`, schemaTable).Scan(&exists)
	if err == nil && exists {
		err = m.db.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM `+schemaTable+` WHERE is_applied`).Scan(&version)
	}
	return version, err
}

// check compares the version of the schema with that of this program, and migrates,
// unless never is set.
func (m *migrator) check(ctx context.Context, have int64, never bool) error {
	switch {
	case have > m.want:
		return fmt.Errorf("%w: it has version %d, this assayd knows those up to %d", ErrNewSchema, have, m.want)
	case have == m.want:
		return nil
	case never:
		return fmt.Errorf("%w: it has version %d, this assayd needs %d", ErrOldSchema, have, m.want)
	}
	// Another assayd may be migrating at the same time.
	conn, err := m.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, int64(migrationLock)); err != nil {
		return fmt.Errorf("wait for another migration: %w", err)
	}
	// If this fails, the lock ends with the connection.
	defer conn.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, int64(migrationLock)) //nolint:errcheck
	if have, err = m.have(ctx); err != nil || have == m.want {
		return err
	}
	if have > m.want {
		return m.check(ctx, have, never)
	}
	if _, err := m.goose.Up(ctx); err != nil {
		return fmt.Errorf("migrate the schema: %w", err)
	}
	return nil
}
