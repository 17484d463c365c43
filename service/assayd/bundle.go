package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"assay/service/bundle"
	"assay/service/feed"
	"assay/service/feed/sources"
	"assay/service/store"
	"assay/verdict/hint"
)

func (d *daemon) bundleCommand() *cli.Command {
	return &cli.Command{
		Name:  "bundle",
		Usage: "carry the data to a network without access to the publishers, in one signed file",
		Subcommands: []*cli.Command{
			{
				Name:      "key",
				Usage:     "write a new private key to FILE, and print its public key",
				ArgsUsage: "FILE",
				Action:    d.bundleKey,
			},
			{
				Name:  "export",
				Usage: "write all data that may be passed on to a bundle",
				Flags: storeFlags(
					&cli.StringFlag{Name: "key", Usage: "sign with the private key in `FILE` (required)"},
					&cli.StringFlag{Name: "out", Usage: "write to `FILE`, which must not exist (required)"},
					&cli.StringSliceFlag{Name: "source", Usage: "export only the source `NAME` (repeatable); data that was imported from files must be named"},
				),
				Action: d.bundleExport,
			},
			{
				Name:      "import",
				Usage:     "import a bundle that a trusted key has signed",
				ArgsUsage: "FILE",
				Flags: storeFlags(
					&cli.StringFlag{Name: "trust", Usage: "trust the public `KEY`, or the one in the file KEY (required)"},
					&cli.BoolFlag{Name: "older", Usage: "accept sources that are older than those in the store"},
					&cli.BoolFlag{Name: "accept-shrink", Usage: "accept sources with less than half of the records in the store"},
				),
				Action: d.bundleImport,
			},
		},
	}
}

func (d *daemon) bundleKey(c *cli.Context) error {
	if c.NArg() != 1 {
		return hint.Errorf("assayd bundle key bundle.key", "name one file")
	}
	public, err := bundle.CreateKey(c.Args().First())
	if err != nil {
		return hint.Errorf("name a file that does not exist", "write the private key: %w", err)
	}
	fmt.Fprintln(d.stdout, public)
	return nil
}

func (d *daemon) bundleExport(c *cli.Context) (err error) {
	path := c.String("out")
	if c.NArg() > 0 || path == "" || c.String("key") == "" {
		return hint.Errorf("assayd bundle export --key bundle.key --out data.bundle", "--key and --out are required, and arguments are not allowed")
	}
	key, err := bundle.ReadPrivateKey(c.String("key"))
	if err != nil {
		return hint.Errorf("assayd bundle key FILE creates a key", "read the private key: %w", err)
	}
	st, err := openExisting(c)
	if err != nil {
		return err
	}
	defer st.Close()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return hint.Errorf("name a file that does not exist", "export: %w", err)
	}
	h, err := bundle.Export{Store: st, Known: sources.All(), Named: c.StringSlice("source"), Now: d.now()}.Write(c.Context, f, key)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("export: %w", errors.Join(err, os.Remove(path)))
	}
	for _, s := range h.Sources {
		fmt.Fprintf(d.stdout, "%s: %d records, updated %s\n", store.Origin{Source: s.Name, Part: s.Part}, s.Records, s.Updated.Format("2006-01-02 15:04 UTC"))
	}
	for _, l := range h.LeftOut {
		fmt.Fprintf(d.stderr, "assayd: %s is left out: %s\n", l.Name, l.Reason)
	}
	return nil
}

func (d *daemon) bundleImport(c *cli.Context) error {
	if c.NArg() != 1 || c.String("trust") == "" {
		return hint.Errorf("assayd bundle import --trust KEY FILE", "--trust and one file are required")
	}
	trust, err := bundle.ParsePublicKey(c.String("trust"))
	if err != nil {
		return hint.Errorf("give the public key that assayd bundle key printed", "invalid --trust: %w", err)
	}
	st, err := openStore(c)
	if err != nil {
		return err
	}
	defer st.Close()
	path := c.Args().First()
	_, err = bundle.Import{
		Store: st, Trust: trust, Dir: filepath.Join(c.String("data"), "feed"), Now: d.now(),
		Older: c.Bool("older"), AcceptShrink: c.Bool("accept-shrink"),
		Done: func(s bundle.Source, o feed.Outcome) {
			for _, rejection := range o.Rejections {
				fmt.Fprintf(d.stderr, "assayd: rejected: %s\n", feed.OneLine(rejection))
			}
			fmt.Fprintf(d.stdout, "%s: %d new, %d changed, %d removed, %d rejected\n",
				store.Origin{Source: s.Name, Part: s.Part}, o.Added, o.Changed, o.Removed, o.Rejected)
		},
	}.Read(c.Context, path)
	switch {
	case errors.Is(err, bundle.ErrSignature):
		return hint.Errorf("nothing was imported: get the file and the public key again from the person who made them", "%q: %w", path, err)
	case errors.Is(err, store.ErrLocked):
		return hint.Errorf("wait until the other update ends", "%w", err)
	case err != nil && hint.Of(err) == "":
		return hint.Errorf("the sources that are not in the output are unchanged", "import the bundle %q: %w", path, err)
	}
	return err
}
