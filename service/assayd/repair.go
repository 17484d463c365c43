package main

import (
	"fmt"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"assay/service/snapshot"
	"assay/service/store"
	"assay/verdict/hint"
)

func (d *daemon) verifyDataCommand() *cli.Command {
	return &cli.Command{
		Name:   "verify-data",
		Usage:  "check all stored data, and list what is damaged",
		Flags:  storeFlags(),
		Action: d.verifyData,
	}
}

func (d *daemon) repairCommand() *cli.Command {
	return &cli.Command{
		Name:   "repair",
		Usage:  "keep the readable part of damaged data, and list what must be fetched again",
		Flags:  storeFlags(),
		Action: d.repair,
	}
}

// indexName is the file of the index that serve answers from.
const indexName = "snapshot.db"

func (d *daemon) verifyData(c *cli.Context) error {
	st, err := openExisting(c)
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
		return hintRepair(c, fmt.Errorf("%w: %d problems", store.ErrDamaged, len(problems)))
	}
	fmt.Fprintln(d.stdout, storeName(c)+" intact; the snapshot is checked when assayd serve opens it")
	return nil
}

func (d *daemon) repair(c *cli.Context) error {
	if err := requireSQLite(c); err != nil {
		return err
	}
	if err := requireData(c); err != nil {
		return err
	}
	dir := c.String("data")
	unlock, err := lockData(c)
	if err != nil {
		return hint.Errorf("stop the assayd that serves from it", "repair %q: %w", dir, err)
	}
	defer unlock()
	if err := snapshot.Remove(filepath.Join(dir, indexName)); err != nil {
		return fmt.Errorf("repair: %w", err)
	}
	fmt.Fprintln(d.stdout, "the snapshot was removed; assayd serve rebuilds it")
	err = repairStore(c.Context, c, d.now(), func(line string) { fmt.Fprintln(d.stdout, line) })
	if err != nil {
		return hint.Errorf("the damaged files are unchanged, or kept next to the new ones", "%w", err)
	}
	return nil
}
