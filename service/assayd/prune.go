package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"assay/service/lifetime"
	"assay/service/retention"
	"assay/service/store"
	"assay/verdict/hint"
)

func keepFlag() cli.Flag {
	return &cli.GenericFlag{Name: "keep", Usage: "keep scans for this `TIME`, such as 90d, and the newest of each ref for a year; 0 for ever; default: 90d for a new store, for ever for a store of an earlier release", Value: new(lifetime.Duration)}
}

func (d *daemon) pruneCommand() *cli.Command {
	return &cli.Command{
		Name:  "prune",
		Usage: "remove old scans and everything that only they needed; assayd serve does it every hour",
		Flags: storeFlags(
			keepFlag(),
			&cli.BoolFlag{Name: "dry-run", Usage: "remove nothing, and count what would be removed"},
		),
		Action: d.prune,
	}
}

// keepTime returns how long scans are kept, as set by the flag or in the store; zero: for
// ever.
func keepTime(c *cli.Context, st store.Store) (time.Duration, error) {
	if !c.IsSet("keep") {
		return st.KeepTime(c.Context)
	}
	keep := lifetimeIn(c, "keep")
	if keep != 0 && keep < 24*time.Hour {
		return 0, hint.Errorf("the minimum is one day: --keep 1d", "--keep %v is too short", keep)
	}
	return keep, nil
}

func (d *daemon) prune(c *cli.Context) error {
	if c.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", c.Args().First())
	}
	st, err := openExisting(c)
	if err != nil {
		return err
	}
	defer st.Close()
	keep, err := keepTime(c, st)
	if err != nil {
		return err
	}
	if keep == 0 {
		return hint.Errorf("say for how long to keep scans: assayd prune --keep 90d", "this store keeps scans for ever")
	}
	got, err := recordPruner{st, d.now}.Prune(c.Context, store.Prune{Now: d.now(), Keep: keep, DryRun: c.Bool("dry-run"), Pause: retention.Pause})
	if err == nil && !c.Bool("dry-run") { // the user of this command has seen the time
		err = st.NotePrune(c.Context, store.LastPrune{At: d.now(), Keep: keep})
	}
	verb := "removed"
	if c.Bool("dry-run") {
		verb = "would remove"
	}
	_, printed := fmt.Fprintf(d.stdout, "%s what is older than %s: %d scans, %d inventories, %d parts of verdicts, %d snapshots, %d versions of advisories, %d of exploit catalogs, %d events of the audit trail\n",
		verb, d.now().Add(-keep).UTC().Format(time.DateTime), got.Scans, got.Inventories, got.Pieces, got.Snapshots, got.Versions, got.Lists, got.Events)
	return errors.Join(err, printed)
}
