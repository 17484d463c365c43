package main

import (
	"fmt"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"assay/service/advisory/load"
	"assay/service/store"
)

func (d *daemon) importCommand() *cli.Command {
	return &cli.Command{
		Name:      "import",
		Usage:     "take in advisories: OSV records in folders, zip archives or single files",
		ArgsUsage: "PATH…",
		Flags: []cli.Flag{
			dataFlag(),
			&cli.BoolFlag{Name: "sample", Usage: "mark the records as a small set for demonstration; every verdict says so"},
		},
		Action: d.importPaths,
	}
}

// importPaths takes in each path in a transaction of its own.
func (d *daemon) importPaths(c *cli.Context) error {
	if c.NArg() == 0 {
		return hintf("name a folder or zip of OSV records: assayd import DIR", "nothing to import")
	}
	st, err := d.open(c)
	if err != nil {
		return err
	}
	defer st.Close()
	for _, path := range c.Args().Slice() {
		abs, err := filepath.Abs(path)
		if err != nil {
			return fmt.Errorf("import %q: %w", path, err)
		}
		src := load.Open(abs)
		got, err := st.Import(c.Context, store.Import{Source: "import:" + abs, At: d.now(), Whole: true, Sample: c.Bool("sample")}, src.Records())
		if err != nil {
			return hintf("nothing of it was taken in; the data from before goes on serving", "import %q: %w", path, err)
		}
		for _, r := range src.Rejected() {
			fmt.Fprintf(d.stderr, "assayd: kept out: %s: %v\n", r.File, r.Err)
		}
		fmt.Fprintf(d.stdout, "%s: %d new, %d changed, %d unchanged, %d gone, %d kept out\n",
			path, got.Added, got.Changed, got.Unchanged, got.Removed, got.Rejected)
	}
	return nil
}
