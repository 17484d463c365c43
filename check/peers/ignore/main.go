// Ignore compares what the ignore files of Trivy and Grype accept in assay with what they
// accept in the tools themselves. Trivy converts a report with an ignore file, and Grype's
// library applies the rules of a configuration, so neither needs a database.
//
// It compares
//
//   - ignore files of projects: those in a folder, and the shapes of entries that were seen
//     in public projects. From each entry it makes findings that it accepts and findings
//     that it nearly accepts;
//   - the names, versions, paths and package URLs that the tools print for the packages of
//     the test data, written into an ignore file as a user would.
//
// Ignore fails if a difference has no entry in the table of docs/policy.md, or an entry has
// no difference.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"assay/check/peers"
	"assay/check/testkit/program"
)

func main() {
	var c config
	flag.StringVar(&c.assay, "assay", "dist/assay", "the `program` that reads the packages")
	flag.StringVar(&c.tools, "tools", "dist/tools", "`folder` for the tools that it builds")
	flag.StringVar(&c.entries, "entries", "docs/policy.md", "`file` with the table of differences")
	flag.StringVar(&c.files, "files", "", "`folder` with ignore files of projects, which are compared as well")
	program.TestData(&c.testdata, "")
	program.Main("ignore", func(ctx context.Context) error { return run(ctx, c) })
}

type config struct {
	assay, tools, entries, files, testdata string
}

func run(ctx context.Context, c config) error {
	text, err := os.ReadFile(c.entries)
	if err != nil {
		return err
	}
	entries, err := parseEntries(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", c.entries, err)
	}
	tmp, err := os.MkdirTemp("", "assay-ignore")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	t := tools{tmp: tmp}
	if t.trivy, err = peers.Trivy(ctx, c.tools); err != nil {
		return err
	}
	if t.grype, err = peers.BuildSource(ctx, c.tools, "grype", "github.com/anchore/grype", "v0.121.2", grypeSource); err != nil {
		return err
	}
	files, err := ignoreFiles(c.files)
	if err != nil {
		return err
	}
	r := &report{entries: entries}
	for _, f := range files {
		if err := r.compareFile(ctx, t, f); err != nil {
			return fmt.Errorf("%s: %w", f.path, err)
		}
	}
	if err := r.comparePackages(ctx, t, c); err != nil {
		return err
	}
	return r.print(os.Stdout)
}
