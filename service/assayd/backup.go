package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"assay/service/store"
	"assay/service/store/sqlite"
	"assay/verdict/hint"
)

func (d *daemon) backupCommand() *cli.Command {
	return &cli.Command{
		Name:        "backup",
		Usage:       "write a copy of the data folder to FILE, even while assayd serves from it",
		Description: "The file is a tar archive that assayd restore reads. It contains the digests of tokens and every inventory: protect it as you protect the folder.\nA PostgreSQL database is backed up with its own tools, such as pg_dump.",
		ArgsUsage:   "FILE",
		Flags:       storeFlags(),
		Action:      d.backup,
	}
}

func (d *daemon) restoreCommand() *cli.Command {
	return &cli.Command{
		Name:      "restore",
		Usage:     "make a data folder from a backup",
		ArgsUsage: "FILE",
		Flags:     storeFlags(),
		Action:    d.restore,
	}
}

// fileArgument returns the one argument of backup and restore.
func fileArgument(c *cli.Context) (string, error) {
	if err := requireSQLite(c); err != nil {
		return "", err
	}
	if c.NArg() != 1 {
		return "", hint.Errorf("assayd "+c.Command.Name+" FILE --data DIR", "%d arguments, want the name of one file", c.NArg())
	}
	return c.Args().First(), nil
}

func (d *daemon) backup(c *cli.Context) (err error) {
	path, err := fileArgument(c)
	if err != nil {
		return err
	}
	if err := requireData(c); err != nil {
		return err
	}
	if err := notOfStore(path, c.String("data")); err != nil {
		return err
	}
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	err = sqlite.Backup(c.Context, c.String("data"), f)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path+".new"))
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	_, err = fmt.Fprintf(d.stdout, "the backup is complete: %s\n", path)
	return err
}

// notOfStore returns an error if a backup would replace a database of the store.
func notOfStore(path, dir string) error {
	old, err := os.Stat(path)
	if err != nil {
		return nil // there is nothing to replace
	}
	for _, name := range []string{"advisories.db", "ledger.db"} {
		if file, err := os.Stat(filepath.Join(dir, name)); err == nil && os.SameFile(old, file) {
			return hint.Errorf("name another file", "%q is a part of the store", path)
		}
	}
	return nil
}

func (d *daemon) restore(c *cli.Context) error {
	path, err := fileArgument(c)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read the backup: %w", err)
	}
	defer f.Close()
	unlock, err := lockData(c)
	if err != nil {
		return hint.Errorf("name an empty folder with --data", "lock %q: %w", c.String("data"), err)
	}
	defer unlock()
	err = sqlite.Restore(c.Context, c.String("data"), f)
	switch {
	case errors.Is(err, store.ErrDamaged):
		return hint.Errorf("check that the file is a complete backup made by assayd backup; copy it again, or use another backup", "%q: %w", path, err)
	case errors.Is(err, fs.ErrExist):
		return hint.Errorf("name an empty folder with --data", "%w", err)
	case err != nil:
		return err
	}
	if err := d.noteRestore(c, path); err != nil {
		return err
	}
	_, err = fmt.Fprintf(d.stdout, "restored to %s: run assayd verify-data, then start assayd serve\n", c.String("data"))
	return err
}

// noteRestore adds the restore to the audit trail of the restored store.
func (d *daemon) noteRestore(c *cli.Context, path string) error {
	st, err := sqlite.Open(c.String("data"))
	if err != nil {
		return err
	}
	return errors.Join(st.AddEvent(c.Context, d.event(store.ActionRestore, path, "")), st.Close())
}
