package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"assay/service/store"
	"assay/service/store/copying"
	"assay/service/store/postgres"
	"assay/service/store/sqlite"
	"assay/verdict/hint"
)

func (d *daemon) copyCommand() *cli.Command {
	return &cli.Command{
		Name:  "copy",
		Usage: "copy everything from one store to another: from a folder to a PostgreSQL database, or back",
		Description: "A STORE is a folder, the URL of a PostgreSQL database, or file:FILE, where FILE has that URL with its password.\n" +
			"Stop assayd first. If a copy is interrupted, run the command again to continue it. The source is only read.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "from", Usage: "read `STORE`"},
			&cli.StringFlag{Name: "to", Usage: "write `STORE`, which is empty or an earlier copy"},
		},
		Action: d.copy,
	}
}

func (d *daemon) copy(c *cli.Context) error {
	if c.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", c.Args().First())
	}
	from, endFrom, err := openSide(c.Context, "--from", c.String("from"), true)
	if err != nil {
		return err
	}
	defer endFrom()
	to, endTo, err := openSide(c.Context, "--to", c.String("to"), false)
	if err != nil {
		return err
	}
	defer endTo()
	w := tabwriter.NewWriter(d.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TABLE\tROWS\tCOPIED NOW\tREMOVED")
	err = copying.Copy(c.Context, from, to, func(t copying.Copied) {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\n", t.Table, t.Rows, t.New, t.Gone)
	})
	if err := errors.Join(err, w.Flush()); err != nil {
		switch {
		case errors.Is(err, copying.ErrNotEmpty), errors.Is(err, copying.ErrOther), errors.Is(err, copying.ErrUsed):
			err = hint.Errorf("name an empty folder or database with --to", "%w", err)
		case errors.Is(err, store.ErrIncomplete):
			err = hint.Errorf("complete the copy into --from first: run its assayd copy again", "%w", err)
		default:
			err = hint.Errorf("run the command again: it continues where it stopped", "%w", err)
		}
		return fmt.Errorf("copy: %w", err)
	}
	// The digest of all that is served: equal, where every record was copied.
	var ids [2]string
	for i, st := range []store.Store{from, to} {
		if ids[i], err = snapshotID(c.Context, st); err != nil {
			return err
		}
	}
	if ids[0] != ids[1] {
		return fmt.Errorf("copy: the data of the copy has the snapshot %q, that of the source %q", ids[1], ids[0])
	}
	_, err = fmt.Fprintf(d.stdout, "\nthe copy is complete: snapshot %s on both sides\n", ids[0])
	return err
}

// snapshotID builds the snapshot of a store and returns its ID.
func snapshotID(ctx context.Context, st store.Store) (string, error) {
	head, err := st.Head(ctx)
	if err != nil {
		return "", fmt.Errorf("read the state of the data: %w", err)
	}
	index, discard, err := indexOf(ctx, st, head.Seq)
	if err != nil {
		return "", err
	}
	view, err := index.View()
	if err != nil {
		return "", errors.Join(err, discard())
	}
	id := view.Data().Snapshot
	view.Close()
	return id, discard()
}

// keywords matches the other form of a connection string of libpq, which is not a folder.
var keywords = regexp.MustCompile(`(?i)\b(host|hostaddr|user|password|dbname|service)\s*=`)

// openSide opens the store that a flag of copy names. Nothing else may serve from it
// until end.
func openSide(ctx context.Context, flag, name string, exists bool) (st store.Store, end func(), err error) {
	connection := strings.Contains(name, "://") || keywords.MatchString(name)
	switch {
	case name == "":
		return nil, nil, hint.Errorf("a folder, or the URL of a database", "%s is missing", flag)
	case connection, strings.HasPrefix(name, "file:"):
		url := name
		if path, ok := strings.CutPrefix(name, "file:"); ok {
			url, err = readURL(path)
		} else {
			err = noPassword(flag, url)
		}
		if err != nil {
			return nil, nil, err
		}
		s, err := postgres.Open(ctx, url, false)
		if err != nil {
			return nil, nil, hintDatabase(fmt.Errorf("open %s: %w", flag, err))
		}
		unlock, err := s.Lock(ctx)
		if err != nil {
			return nil, nil, errors.Join(hint.Errorf("stop every assayd that uses this database", "open %s: %w", flag, err), s.Close())
		}
		return s, func() { unlock(); s.Close() }, nil
	}
	if exists {
		if err := requireFolder(name); err != nil {
			return nil, nil, err
		}
	} else if err := os.MkdirAll(name, 0o700); err != nil {
		return nil, nil, fmt.Errorf("open %s: %w", flag, err)
	}
	unlock, err := sqlite.Lock(name)
	if err != nil {
		return nil, nil, hint.Errorf("stop the assayd that serves from this folder", "lock %q: %w", name, err)
	}
	s, err := sqlite.Open(name)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open %s: %w", flag, err), unlock())
	}
	return s, func() { s.Close(); unlock() }, nil
}
