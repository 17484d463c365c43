package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"assay/service/snapshot"
	"assay/service/store"
	"assay/service/store/sqlite"
)

func (d *daemon) verifyDataCommand() *cli.Command {
	return &cli.Command{
		Name:   "verify-data",
		Usage:  "check all stored data, and list what is damaged",
		Flags:  []cli.Flag{dataFlag()},
		Action: d.verifyData,
	}
}

func (d *daemon) repairCommand() *cli.Command {
	return &cli.Command{
		Name:   "repair",
		Usage:  "keep the readable part of damaged data, and list what must be fetched again",
		Flags:  []cli.Flag{dataFlag()},
		Action: d.repair,
	}
}

// indexName is the file that serve answers from.
const indexName = "snapshot.db"

// mended adds to an error about damaged data how it is repaired.
func mended(c *cli.Context, err error) error {
	if !errors.Is(err, store.ErrDamaged) {
		return err
	}
	return hintf(fmt.Sprintf("stop assayd, then run: assayd repair --data %s", c.String("data")), "%w", err)
}

// openExisting opens the store for a command that makes no sense without one.
func (d *daemon) openExisting(c *cli.Context) (*sqlite.Store, error) {
	if err := requireData(c); err != nil {
		return nil, err
	}
	return d.open(c)
}

func requireData(c *cli.Context) error {
	dir := c.String("data")
	for _, name := range []string{"advisories.db", "ledger.db"} {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return nil // opening it says what is wrong with it
		}
	}
	return hintf("name the folder that assayd serve uses, with --data DIR or ASSAYD_DATA", "%q is not a data folder of assayd: it has no advisories.db", dir)
}

func (d *daemon) verifyData(c *cli.Context) error {
	st, err := d.openExisting(c)
	if err != nil {
		return err
	}
	defer st.Close()
	problems, err := st.Verify(c.Context)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	for _, p := range problems {
		fmt.Fprintln(d.stdout, p)
	}
	if len(problems) > 0 {
		return mended(c, fmt.Errorf("%w: %d problems", store.ErrDamaged, len(problems)))
	}
	fmt.Fprintln(d.stdout, "advisories.db and ledger.db are intact; the snapshot is checked when assayd serve opens it")
	return nil
}

func (d *daemon) repair(c *cli.Context) error {
	if err := requireData(c); err != nil {
		return err
	}
	dir := c.String("data")
	unlock, err := sqlite.Lock(dir)
	if err != nil {
		return hintf("stop the assayd that serves from it", "repair %q: %w", dir, err)
	}
	defer unlock()
	if err := snapshot.Remove(filepath.Join(dir, indexName)); err != nil {
		return fmt.Errorf("repair: %w", err)
	}
	fmt.Fprintln(d.stdout, "the snapshot was removed: assayd serve builds it anew")
	err = sqlite.Repair(c.Context, dir, d.now(), func(line string) { fmt.Fprintln(d.stdout, line) })
	if err != nil {
		return hintf("the damaged files are as they were, or beside the new ones", "%w", err)
	}
	return nil
}
