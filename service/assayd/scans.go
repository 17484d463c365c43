package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"assay/service/store"
	"assay/service/store/encode"
	"assay/verdict"
	"assay/verdict/hint"
)

func (d *daemon) scansCommand() *cli.Command {
	return &cli.Command{
		Name:  "scans",
		Usage: "list stored scans, the newest first",
		Flags: storeFlags(
			&cli.StringFlag{Name: "project", Usage: "list only scans of the project `NAME`"},
			&cli.StringFlag{Name: "ref", Usage: "list only scans of this `REF`"},
			&cli.StringFlag{Name: "outcome", Usage: "list only scans whose outcome is `WORD`: pass, fail or untrusted"},
			&cli.StringFlag{Name: "since", Usage: "list only scans since `TIME`, such as 2026-11-24, or 30d for the last 30 days"},
			&cli.BoolFlag{Name: "latest", Usage: "list only the newest scan of each project and ref"},
			&cli.IntFlag{Name: "limit", Usage: "list only the newest `N` of them", Value: 100},
			&cli.BoolFlag{Name: "json", Usage: "print a JSON object in each line"},
		),
		Action: d.scans,
	}
}

// A listedScan is one line of JSON.
type listedScan struct {
	Scan    string    `json:"scan"`
	At      time.Time `json:"at"`
	Project string    `json:"project,omitempty"`
	Ref     string    `json:"ref,omitempty"`
	Commit  string    `json:"commit,omitempty"`
	Outcome string    `json:"outcome"`
}

func (d *daemon) scans(c *cli.Context) error {
	if c.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", c.Args().First())
	}
	filter := store.ScanFilter{
		Project: c.String("project"), Ref: c.String("ref"), Outcome: c.String("outcome"), Latest: c.Bool("latest"), Limit: 500,
	}
	limit := c.Int("limit")
	if limit < 1 {
		return hint.Errorf("give a positive number, such as --limit 100", "invalid --limit %d", limit)
	}
	if filter.Outcome != "" && verdict.Outcome(filter.Outcome).Code() < 0 {
		return hint.Errorf("it is pass, fail or untrusted", "invalid --outcome %q", filter.Outcome)
	}
	var err error
	if filter.Since, err = sinceTime(c.String("since"), d.now()); err != nil {
		return err
	}
	st, err := openExisting(c)
	if err != nil {
		return err
	}
	defer st.Close()
	listed, err := listScans(c.Context, st, filter, limit)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeLines(d.stdout, listed)
	}
	w := tabwriter.NewWriter(d.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TIME\tOUTCOME\tPROJECT\tREF\tCOMMIT\tSCAN")
	for _, s := range listed {
		cell := func(text string) string { return cmp.Or(printable(text), "-") }
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.At.Format(time.RFC3339), cell(s.Outcome), cell(s.Project), cell(s.Ref), cell(s.Commit), s.Scan)
	}
	return w.Flush()
}

// listScans returns the newest scans that a filter chooses, at most limit.
func listScans(ctx context.Context, st store.Store, filter store.ScanFilter, limit int) ([]listedScan, error) {
	var listed []listedScan
	for {
		page, next, err := st.FilterScans(ctx, filter)
		if err != nil {
			return nil, err
		}
		for _, s := range page {
			if s.Outcome == "" { // kept by an earlier version
				text, err := st.ScanVerdict(ctx, s.ID)
				if errors.Is(err, store.ErrNotFound) {
					continue // it was deleted meanwhile
				}
				if err != nil {
					return nil, err
				}
				s.Outcome = encode.Outcome(text)
			}
			if filter.Outcome != "" && s.Outcome != filter.Outcome {
				continue
			}
			if listed = append(listed, listedScan{s.ID, s.At, s.Project, s.Ref, s.Commit, s.Outcome}); len(listed) == limit {
				return listed, nil
			}
		}
		if filter.After = next; next == "" {
			return listed, nil
		}
	}
}
