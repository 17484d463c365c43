package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"assay/service/explain"
	"assay/service/scan"
	"assay/service/store"
	"assay/verdict/hint"
)

func (d *daemon) explainCommand() *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "explain why a vulnerability is a finding of a stored scan, or why it is not",
		ArgsUsage: "SCAN CVE, or --between SCAN SCAN",
		Flags: storeFlags(
			&cli.BoolFlag{Name: "between", Usage: "explain why two scans of one image have different verdicts: data, packages or policy"},
			&cli.StringFlag{Name: "format", Usage: "print `FORMAT`: text or json", Value: "text"},
		),
		Action: d.explain,
	}
}

func (d *daemon) explain(c *cli.Context) (err error) {
	between := c.Bool("between")
	if between && c.NArg() != 2 {
		return hint.Errorf("assayd explain --between SCAN SCAN; every verdict names its scan", "two scans must be named")
	}
	if c.NArg() != 2 {
		return hint.Errorf("assayd explain SCAN CVE; every verdict names its scan", "one scan and one vulnerability must be named")
	}
	format := c.String("format")
	if format != "text" && format != "json" {
		return hint.Errorf("give --format text or --format json", "unknown format %q", format)
	}
	st, err := openExisting(c)
	if err != nil {
		return err
	}
	defer st.Close()
	kept, err := keptScan(c.Context, st, c.Args().First())
	if err != nil {
		return err
	}
	if between {
		other, err := keptScan(c.Context, st, c.Args().Get(1))
		if err != nil {
			return err
		}
		b := explain.Compare(kept, other)
		if format == "text" {
			return b.WriteText(d.stdout)
		}
		return printJSON(d.stdout, b)
	}
	in := explain.Input{
		Scan: kept.Scan, Inventory: kept.Inventory, Verdict: kept.Verdict,
		ID: c.Args().Get(1), Records: st, Now: d.now(),
	}

	head, err := st.Head(c.Context)
	if err != nil {
		return fmt.Errorf("read the state of the data: %w", err)
	}
	index, discard, err := indexOf(c.Context, st, head.Seq)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, discard()) }()
	view, err := index.View()
	if err != nil {
		return fmt.Errorf("open the snapshot: %w", err)
	}
	defer view.Close()
	in.Index = view
	e, err := explain.Explain(c.Context, in)
	if err != nil {
		return err
	}
	if format == "text" {
		return explain.WriteText(d.stdout, e)
	}
	return printJSON(d.stdout, e)
}

func printJSON(w io.Writer, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the explanation: %w", err)
	}
	_, err = fmt.Fprintln(w, string(b))
	return err
}

// keptScan reads a scan from the store and decodes it.
func keptScan(ctx context.Context, st store.Scans, id string) (explain.Kept, error) {
	kept, err := st.Scan(ctx, id)
	if err != nil {
		return explain.Kept{}, hint.Errorf("every verdict names its scan", "%w", err)
	}
	sent, answered, err := scan.Decode(kept)
	return explain.Kept{Scan: kept, Verdict: answered, Inventory: sent.Inventory}, err
}
