package main

import (
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"assay/service/policy/ignore"
	"assay/verdict"
	"assay/verdict/hint"
)

func (d *daemon) policyCommand() *cli.Command {
	return &cli.Command{
		Name:  "policy",
		Usage: "work with exceptions and policies",
		Subcommands: []*cli.Command{{
			Name:      "convert",
			Usage:     "print a file of exceptions in the format of .assayignore.yaml",
			ArgsUsage: "FILE",
			Description: "FILE is a .trivyignore, a .trivyignore.yaml, the configuration of Grype, or an .assayignore.yaml,\n" +
				"which is checked. Rules that assay does not support are printed as comments.",
			Action: d.convert,
		}},
	}
}

func (d *daemon) convert(c *cli.Context) error {
	if c.NArg() != 1 {
		return hint.Errorf("assayd policy convert FILE", "one file must be named")
	}
	name := c.Args().First()
	b, err := readBounded(name, ignore.MaxBytes)
	if err != nil {
		return err
	}
	f, err := ignore.Parse(name, b)
	if err != nil {
		return hint.Errorf("docs/policy.md has the formats", "read %q: %w", name, err)
	}
	if err := ignore.Write(d.stdout, f); err != nil {
		return err
	}
	left := 0
	for _, r := range f.Rules {
		if r.Inactive != "" {
			left++
		}
	}
	if left > 0 {
		fmt.Fprintf(d.stderr, "assayd: %d of %d rules of %s accept nothing and were not converted\n", left, len(f.Rules), verdict.Clean(name))
	}
	return nil
}

// readBounded reads a file, and at most one byte more than most bytes of it.
func readBounded(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", name, err)
	}
	return b, nil
}
