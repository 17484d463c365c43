package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"assay/remote/cyclonedx"
	"assay/service/explain"
)

func (d *daemon) explainCommand() *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "say why a vulnerability is a finding of a kept scan, or why it is not",
		ArgsUsage: "SCAN CVE",
		Flags: []cli.Flag{
			dataFlag(),
			&cli.StringFlag{Name: "format", Usage: "text or json", Value: "text"},
		},
		Action: d.explain,
	}
}

func (d *daemon) explain(c *cli.Context) (err error) {
	if c.NArg() != 2 {
		return hintf("assayd explain SCAN CVE; every verdict names its scan", "one scan and one vulnerability must be named")
	}
	format := c.String("format")
	if format != "text" && format != "json" {
		return hintf("text or json", "bad format %q", format)
	}
	st, err := d.open(c)
	if err != nil {
		return err
	}
	defer st.Close()
	kept, err := st.Scan(c.Context, c.Args().First())
	if err != nil {
		return hintf("every verdict names its scan", "explain %q: %w", c.Args().First(), err)
	}
	in := explain.Input{Scan: kept, ID: c.Args().Get(1), Records: st, Now: d.now()}
	if err := json.Unmarshal(kept.Verdict, &in.Verdict); err != nil {
		return fmt.Errorf("decode the kept verdict: %w", err)
	}
	sent, err := cyclonedx.Decode(bytes.NewReader(kept.Request), cyclonedx.DefaultLimits())
	if err != nil {
		return fmt.Errorf("decode the kept inventory: %w", err)
	}
	in.Inventory = sent.Inventory

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
	b, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the explanation: %w", err)
	}
	_, err = fmt.Fprintln(d.stdout, string(b))
	return err
}
