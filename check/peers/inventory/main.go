// Inventory compares what assay finds in a tree with what others find: the native tools of
// package managers, the lists of the test data, Syft, Trivy and osv-scanner. It compares
// the name and version of packages, and for those of an operating system also the
// architecture and the source package.
//
// The reference is the native tool, or the list that comes with the data. Inventory fails
// if a difference has no entry in the table of docs/inventory.md, or an entry has no
// difference.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"assay/check/peers"
	"assay/check/testkit/program"
)

func main() {
	var c config
	flag.StringVar(&c.assay, "assay", "dist/assay", "the `program` to compare")
	flag.StringVar(&c.tools, "tools", "dist/tools", "`folder` for the tools that it builds")
	flag.StringVar(&c.entries, "entries", "docs/inventory.md", "`file` with the table of differences")
	program.TestData(&c.testdata, "; none if -")
	program.Roots(&c.roots, "a Debian `root` to read")
	program.Main("compare", func(ctx context.Context) error { return run(ctx, c) })
}

type config struct {
	assay, tools, entries, testdata string
	roots                           []string
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
	tmp, err := os.MkdirTemp("", "assay-compare")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	peers, err := newPeers(ctx, c, tmp)
	if err != nil {
		return err
	}
	r := newReport(entries)
	for _, root := range c.roots {
		if root, err = filepath.Abs(root); err != nil {
			return err
		}
		trees, err := treesOfRoot(ctx, root, tmp)
		if err != nil {
			return fmt.Errorf("%s: %w", root, err)
		}
		for _, s := range trees {
			if err := s.compare(ctx, peers, r); err != nil {
				return err
			}
		}
	}
	if c.testdata != "-" {
		if err := compareDatabases(ctx, filepath.Join(c.testdata, "pkgdb"), tmp, peers, r); err != nil {
			return err
		}
		// osv-scanner is only compared in roots, which are where it has false packages.
		if err := compareArtefacts(ctx, filepath.Join(c.testdata, "lang"), tmp, peers[:3], r); err != nil {
			return err
		}
	}
	return r.print(os.Stdout)
}

// output runs a program. Any code other than 0 is an error.
func output(ctx context.Context, name string, args ...string) ([]byte, error) {
	return peers.Output(ctx, nil, nil, name, args...)
}
