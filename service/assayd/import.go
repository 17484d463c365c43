package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"assay/service/advisory/load"
	"assay/service/exploit"
	"assay/service/store"
	"assay/service/store/sqlite"
)

func (d *daemon) importCommand() *cli.Command {
	return &cli.Command{
		Name:      "import",
		Usage:     "take in advisories: OSV records in folders, zip archives or single files; or the lists KEV and EPSS",
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
		list, err := listIn(abs)
		switch {
		case err == nil:
			if err := d.keepList(c, st, path, list); err != nil {
				return err
			}
			continue
		case !errors.Is(err, exploit.ErrNotList):
			return hintf("nothing of it was taken in; the data from before goes on serving", "import %q: %w", path, err)
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

// listIn reads a file that is one of the lists of exploited vulnerabilities, told
// by its content; exploit.ErrNotList for everything else.
func listIn(path string) (exploit.List, error) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return exploit.List{}, exploit.ErrNotList // load says what is wrong with it
	}
	f, err := os.Open(path)
	if err != nil {
		return exploit.List{}, err
	}
	defer f.Close()
	return exploit.Parse(f)
}

// keepList takes in a list; the one before goes out. There is one source for
// each kind, wherever the file came from.
func (d *daemon) keepList(c *cli.Context, st *sqlite.Store, path string, l exploit.List) error {
	kind := string(l.Kind)
	changed, err := st.KeepList(c.Context, store.Import{Source: kind, At: d.now()}, store.List{
		Kind: kind, Published: l.Published, Entries: len(l.Entries), Body: l.Encode(),
	})
	if err != nil {
		return fmt.Errorf("import %q: %w", path, err)
	}
	what := "unchanged"
	if changed {
		what = "taken in"
	}
	fmt.Fprintf(d.stdout, "%s: %s of %d vulnerabilities, %s\n", path, strings.ToUpper(kind), len(l.Entries), what)
	return nil
}
