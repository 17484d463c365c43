package main

import (
	"cmp"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"assay/service/feed"
	"assay/service/store"
	"assay/verdict"
)

func (d *daemon) statusCommand() *cli.Command {
	return &cli.Command{
		Name:   "status",
		Usage:  "show the stored data and its age",
		Flags:  storeFlags(),
		Action: d.status,
	}
}

func (d *daemon) status(c *cli.Context) error {
	st, err := openExisting(c)
	if err != nil {
		return err
	}
	defer st.Close()
	head, err := st.Head(c.Context)
	if err != nil {
		return fmt.Errorf("read the state of the data: %w", err)
	}
	scans, err := st.ListScans(c.Context, 1)
	if err != nil {
		return fmt.Errorf("read the scans: %w", err)
	}
	w := tabwriter.NewWriter(d.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "advisories\t%d\n", head.Records)
	if head.Sample {
		fmt.Fprintf(w, "\tthis is sample data: import real advisories\n")
	}
	if head.Updated.IsZero() {
		fmt.Fprintf(w, "updated\tnever: run assayd update, or assayd import PATH\n")
	} else {
		age := d.now().Sub(head.Updated).Round(time.Second)
		fmt.Fprintf(w, "updated\t%s (%s ago)\n", head.Updated.UTC().Format(time.RFC3339), age)
		fmt.Fprintf(w, "newest record\t%s\n", head.Newest.UTC().Format(time.RFC3339))
	}
	all, err := st.Sources(c.Context)
	if err != nil {
		return err
	}
	last := "none yet"
	if len(scans) > 0 {
		last = fmt.Sprintf("%s at %s", scans[0].ID, scans[0].At.UTC().Format(time.RFC3339))
	}
	fmt.Fprintf(w, "last scan\t%s\n", last)
	fmt.Fprintf(w, "served at\t%s\n", cmp.Or(publicURL(c.String("data")), "not yet served"))
	if err := w.Flush(); err != nil {
		return err
	}
	if err := d.sources(feed.Visible(all)); err != nil {
		return err
	}
	return d.usage(c, st)
}

// usage prints how long scans are kept and how much room each kind of data takes.
func (d *daemon) usage(c *cli.Context, st store.Store) error {
	keep, err := st.KeepTime(c.Context)
	if err != nil {
		return err
	}
	usage, err := st.Usage(c.Context)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(d.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\nKIND\tMIB\t\n")
	for _, u := range usage {
		fmt.Fprintf(w, "%s\t%.1f\t\n", u.Kind, float64(u.Bytes)/(1<<20))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	text := "for ever"
	if keep > 0 {
		text = fmt.Sprintf("for %d days", keep/(24*time.Hour))
	}
	_, err = fmt.Fprintf(d.stdout, "\nscans are kept %s, unless assayd serve has --keep\n", text)
	return err
}

// sources prints the number of records of each source, its age, and its last error.
func (d *daemon) sources(sources []store.Source) error {
	if len(sources) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(d.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nSOURCE\tRECORDS\tLAST SUCCESS\tAGE\tLAST ERROR")
	for _, s := range sources {
		at, age, failed := "never", "-", "-"
		if !s.Updated.IsZero() {
			at = s.Updated.UTC().Format(time.RFC3339)
			age = d.now().Sub(s.Updated).Round(time.Second).String()
		}
		if !s.Failed.IsZero() {
			failed = s.Failed.UTC().Format(time.RFC3339) + ": " + s.Err
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", verdict.Clean(s.Origin.String()), s.Records, at, age, failed)
	}
	return w.Flush()
}
