package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/urfave/cli/v2"

	"assay/service/store"
	"assay/service/store/postgres"
	"assay/service/store/sqlite"
	"assay/verdict/hint"
)

// This file is the only one that knows which implementation of store.Store is used.

// storeFlags returns the flags that name the store, and more. The variable of --database
// is read by databaseURL: the library would print its value in the help.
func storeFlags(more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{
		dataFlag(),
		&cli.StringFlag{Name: "database", Usage: "use the PostgreSQL database at `URL`, such as postgres://assayd@db.example.com/assay; put a URL with a password into $ASSAYD_DATABASE or a file"},
		&cli.StringFlag{Name: "database-file", Usage: "read the URL of the database from `FILE`"},
		&cli.BoolFlag{Name: "no-migrate", Usage: "do not migrate the schema of the database; run assayd migrate instead"},
	}, more...)
}

func dataFlag() cli.Flag {
	return &cli.StringFlag{Name: "data", Usage: "keep all data in `DIR`, except what is in the database", Value: "/var/lib/assayd", EnvVars: []string{"ASSAYD_DATA"}}
}

// maxURLFile bounds a file that has a URL in it.
const maxURLFile = 64 << 10

// databaseURL returns the URL of the PostgreSQL database that the flags of a command or
// the environment name, and "" for none. No error includes it.
func databaseURL(c *cli.Context) (string, error) {
	flag, file := c.String("database"), c.String("database-file")
	switch {
	case c.IsSet("database") && c.IsSet("database-file"):
		return "", hint.Errorf("give only one of them", "--database and --database-file exclude each other")
	case c.IsSet("database-file"):
		return readURL(file)
	case c.IsSet("database"):
		return flag, noPassword("--database", flag)
	}
	return os.Getenv("ASSAYD_DATABASE"), nil
}

// readURL reads the URL of a database from a file.
func readURL(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read the URL of the database: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxURLFile))
	if err != nil {
		return "", fmt.Errorf("read the URL of the database: %w", err)
	}
	url := strings.TrimSpace(string(b))
	if url == "" {
		return "", fmt.Errorf("read the URL of the database: %q is empty", path)
	}
	return url, nil
}

// noPassword returns an error for a URL with a password as the value of a flag.
func noPassword(flag, url string) error {
	secret, err := postgres.HasPassword(url)
	if err != nil {
		return hintDatabase(fmt.Errorf("%s: %w", flag, err))
	}
	if secret {
		return hint.Errorf("put the URL into a file and name the file (--database-file FILE, or file:FILE for assayd copy), or set ASSAYD_DATABASE or PGPASSWORD, or use the password file of libpq",
			"%s contains a password: every user of this machine can read the arguments of a process", flag)
	}
	return nil
}

// hintDatabase adds to an error of the PostgreSQL store what to do about it.
func hintDatabase(err error) error {
	if next := databaseHint(err); next != "" {
		return hint.Errorf(next, "%w", err)
	}
	return err
}

// databaseHint returns what to do about an error of the PostgreSQL store, or "".
func databaseHint(err error) string {
	switch {
	case errors.Is(err, postgres.ErrBadURL):
		return "it looks like postgres://USER@HOST:5432/DATABASE?sslmode=verify-full; in a user or a password, percent-encode / : @ ? # and %"
	case errors.Is(err, postgres.ErrNewSchema):
		return "use the version of assayd that migrated the schema, or a newer one"
	case errors.Is(err, postgres.ErrOldSchema):
		return "run assayd migrate, or assayd serve without --no-migrate"
	case errors.Is(err, postgres.ErrForeignSchema):
		return "the database has tables of another program: give assayd an empty database, or a schema of its own (docs/postgres.md)"
	case errors.Is(err, postgres.ErrNoRights):
		return "docs/postgres.md has the grants that assayd needs; the user of assayd migrate must own the schema"
	case errors.Is(err, postgres.ErrReadOnly):
		return "name the primary server, not a standby; if it is the primary, check whether its disk is full or default_transaction_read_only is set"
	case errors.Is(err, store.ErrUnavailable), refused(err):
		return "check that the PostgreSQL server runs, and that the user, the password and the database are right"
	}
	return ""
}

// refused reports whether the server refused the connection, as for a database that does
// not exist.
func refused(err error) bool {
	_, ok := errors.AsType[*pgconn.ConnectError](err)
	return ok
}

// openStore opens the store that the flags of a command name, and creates it if it
// does not exist.
func openStore(c *cli.Context) (store.Store, error) { return open(c, c.Bool("no-migrate")) }

func open(c *cli.Context, noMigrate bool) (store.Store, error) {
	url, err := databaseURL(c)
	if err != nil {
		return nil, err
	}
	if url != "" {
		s, err := postgres.Open(c.Context, url, noMigrate)
		if err != nil {
			return nil, hintDatabase(fmt.Errorf("open the store: %w", err))
		}
		return complete(c.Context, s)
	}
	s, err := sqlite.Open(c.String("data"))
	if errors.Is(err, store.ErrDamaged) {
		return nil, hintRepair(c, fmt.Errorf("open the store: %w", err))
	}
	if errors.Is(err, sqlite.ErrRestoring) {
		return nil, hint.Errorf("run assayd restore with the same backup again", "open the store: %w", err)
	}
	if err != nil {
		return nil, hint.Errorf("name a folder that this user may write with --data DIR", "open the store: %w", err)
	}
	return complete(c.Context, s)
}

// complete closes an incomplete copy, and returns an error for it: what another command
// writes would be taken for a part of the copy. If s cannot be read, the command reports
// that.
func complete(ctx context.Context, s store.Store) (store.Store, error) {
	if err := store.CheckComplete(ctx, s); errors.Is(err, store.ErrIncomplete) {
		return nil, errors.Join(hint.Errorf("run assayd copy again: it continues the copy", "open the store: %w", err), s.Close())
	}
	return s, nil
}

// openExisting opens the store for a command that needs an existing one. It leaves
// the schema of a PostgreSQL database as it is.
func openExisting(c *cli.Context) (store.Store, error) {
	if err := requireData(c); err != nil {
		return nil, err
	}
	return open(c, true)
}

// requireData returns an error if there is no store yet. A database without a schema is
// found when it is opened.
func requireData(c *cli.Context) error {
	if url, err := databaseURL(c); err != nil || url != "" {
		return err
	}
	return requireFolder(c.String("data"))
}

// requireFolder returns an error if a folder holds no store.
func requireFolder(dir string) error {
	for _, name := range []string{"advisories.db", "ledger.db"} {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return nil // if it cannot be read, opening it returns the error
		}
	}
	return hint.Errorf("name the folder that assayd serve uses, with --data DIR or ASSAYD_DATA", "%q is not a data folder of assayd: it has no advisories.db", dir)
}

// storeName names the store that a command has read, for the beginning of a sentence.
func storeName(c *cli.Context) string {
	if url, err := databaseURL(c); err == nil && url != "" {
		return "the database is"
	}
	return "advisories.db and ledger.db are"
}

// lockData makes the caller the only process that serves from the data folder, or
// repairs it, until unlock. The error wraps store.ErrLocked where another process
// does already.
func lockData(c *cli.Context) (unlock func() error, err error) {
	return lockFolder(c.String("data"))
}

// lockFolder locks a folder for this process.
func lockFolder(dir string) (unlock func() error, err error) { return sqlite.Lock(dir) }

// repairStore replaces the damaged part of a store that no process has open by what
// can still be read of it. It calls report with each line of its result.
func repairStore(ctx context.Context, c *cli.Context, at time.Time, report func(line string)) error {
	return sqlite.Repair(ctx, c.String("data"), at, report)
}

// requireSQLite returns an error if the store is a PostgreSQL database, on which the
// command does not work.
func requireSQLite(c *cli.Context) error {
	url, err := databaseURL(c)
	if err == nil && url != "" {
		err = hint.Errorf("use the tools of PostgreSQL, such as pg_dump and pg_restore; assayd verify-data says what is damaged", "assayd %s works only with a data folder, not with a PostgreSQL database", c.Command.Name)
	}
	return err
}

// hintRepair adds to an error about damaged data how to repair it.
func hintRepair(c *cli.Context, err error) error {
	if !errors.Is(err, store.ErrDamaged) {
		return err
	}
	if url, e := databaseURL(c); e == nil && url != "" {
		return hint.Errorf("assayd verify-data says what is damaged; restore a backup of the database", "%w", err)
	}
	return hint.Errorf(fmt.Sprintf("stop assayd, then run: assayd repair --data %s", c.String("data")), "%w", err)
}

func (d *daemon) migrateCommand() *cli.Command {
	return &cli.Command{
		Name:   "migrate",
		Usage:  "bring the schema of the store to the version of this assayd",
		Flags:  storeFlags(),
		Action: d.migrate,
	}
}

// migrate is what serve does at its start, unless it has --no-migrate.
func (d *daemon) migrate(c *cli.Context) error {
	url, err := databaseURL(c)
	if err != nil {
		return err
	}
	if url == "" {
		if err := requireData(c); err != nil {
			return err
		}
		st, err := openStore(c)
		if err != nil {
			return err
		}
		fmt.Fprintln(d.stdout, "the schema is up to date")
		return st.Close()
	}
	before, after, err := postgres.Migrate(c.Context, url)
	if err != nil {
		return hintDatabase(fmt.Errorf("migrate: %w", err))
	}
	if before == after {
		fmt.Fprintf(d.stdout, "the schema is up to date: version %d\n", after)
		return nil
	}
	fmt.Fprintf(d.stdout, "the schema was migrated from version %d to %d\n", before, after)
	return nil
}
