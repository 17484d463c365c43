// Findings compares the findings of assay with those of osv-scanner for the same packages
// and advisories. A vulnerability, with all its names, is compared for each package name
// and version.
//
// Findings fails if a difference has no entry in the table of docs/matching.md, or an entry
// has no difference.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"assay/check/testkit/program"
)

func main() {
	var c config
	flag.StringVar(&c.assay, "assay", "dist/assay", "the `program` that reads the roots")
	flag.StringVar(&c.tools, "tools", "dist/tools", "`folder` for the tools that it builds")
	flag.StringVar(&c.entries, "entries", "docs/matching.md", "`file` with the table of differences")
	program.TestData(&c.testdata, "")
	program.Roots(&c.roots, "a Debian `root` to scan")
	program.Main("findings", func(ctx context.Context) error { return run(ctx, c) })
}

type config struct {
	assay, tools, entries, testdata string
	roots                           []string
}

func run(ctx context.Context, c config) (err error) {
	text, err := os.ReadFile(c.entries)
	if err != nil {
		return err
	}
	entries, err := parseEntries(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", c.entries, err)
	}
	tmp, err := os.MkdirTemp("", "assay-findings")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	data, err := loadData(filepath.Join(c.testdata, "osv"))
	if err != nil {
		return err
	}
	theirs, err := newScanner(ctx, c.tools, filepath.Join(c.testdata, "osv"), tmp)
	if err != nil {
		return err
	}
	r := newReport(entries)
	for in, err := range inputs(ctx, c, data, tmp) {
		if err != nil {
			return err
		}
		ours, ecosystem, err := data.evaluate(in.inventory)
		if err != nil {
			return fmt.Errorf("%s: %w", in.name, err)
		}
		scanned, err := theirs.evaluate(ctx, in)
		if err != nil {
			return fmt.Errorf("%s: osv-scanner: %w", in.name, err)
		}
		r.add(in.name, ours, scanned, data.detailsOf(in, ecosystem))
	}
	return r.print(os.Stdout)
}
