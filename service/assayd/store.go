package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"assay/service/store"
	"assay/service/store/sqlite"
	"assay/verdict/hint"
)

// This file is the only one that knows which implementation of store.Store is used.

func dataFlag() cli.Flag {
	return &cli.StringFlag{Name: "data", Usage: "keep everything in `DIR`", Value: "/var/lib/assayd", EnvVars: []string{"ASSAYD_DATA"}}
}

// openStore opens the store that the flags of a command name, and creates it if it
// does not exist.
func openStore(c *cli.Context) (store.Store, error) {
	s, err := sqlite.Open(c.String("data"))
	if errors.Is(err, store.ErrDamaged) {
		return nil, hintRepair(c, fmt.Errorf("open the store: %w", err))
	}
	if err != nil {
		return nil, hint.Errorf("name a folder that this user may write with --data DIR", "open the store: %w", err)
	}
	return s, nil
}

// openExisting opens the store for a command that makes no sense without one.
func openExisting(c *cli.Context) (store.Store, error) {
	if err := requireData(c); err != nil {
		return nil, err
	}
	return openStore(c)
}

// requireData returns an error if there is no store yet.
func requireData(c *cli.Context) error {
	dir := c.String("data")
	for _, name := range []string{"advisories.db", "ledger.db"} {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return nil // if it cannot be read, opening it returns the error
		}
	}
	return hint.Errorf("name the folder that assayd serve uses, with --data DIR or ASSAYD_DATA", "%q is not a data folder of assayd: it has no advisories.db", dir)
}

// lockData makes the caller the only process that serves from the data folder, or
// repairs it, until unlock. The error wraps store.ErrLocked where another process
// does already.
func lockData(c *cli.Context) (unlock func() error, err error) {
	return sqlite.Lock(c.String("data"))
}

// repairStore replaces the damaged part of a store that no process has open by what
// can still be read of it. It calls report with each line of its result.
func repairStore(ctx context.Context, c *cli.Context, at time.Time, report func(line string)) error {
	return sqlite.Repair(ctx, c.String("data"), at, report)
}

// hintRepair adds to an error about damaged data how to repair it.
func hintRepair(c *cli.Context, err error) error {
	if !errors.Is(err, store.ErrDamaged) {
		return err
	}
	return hint.Errorf(fmt.Sprintf("stop assayd, then run: assayd repair --data %s", c.String("data")), "%w", err)
}
