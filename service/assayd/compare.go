package main

import (
	"github.com/urfave/cli/v2"

	versions "assay/service/version"
	"assay/verdict/hint"
)

func (d *daemon) compareCommand() *cli.Command {
	return &cli.Command{
		Name:      "compare",
		Usage:     "compare pairs of versions in the order of an ecosystem",
		ArgsUsage: "ECOSYSTEM",
		Description: "Reads pairs of versions from standard input, one on a line with a tab between, and prints\n" +
			"for each -1, 0 or 1 as the first is older than, equal to or newer than the second, or\n" +
			"\"error: \" and what is wrong. ECOSYSTEM is a name of the OSV schema (\"Debian\", \"npm\",\n" +
			"\"Alpine:v3.19\"), RPM or SemVer.",
		Action: func(c *cli.Context) error {
			if c.NArg() != 1 {
				return hint.Errorf("assayd compare ECOSYSTEM, for example assayd compare Debian", "one ecosystem must be named")
			}
			name := c.Args().First()
			order, ok := versions.For(name)
			if !ok {
				return hint.Errorf("use a name of the OSV schema, such as Debian, npm or PyPI, or RPM or SemVer",
					"unknown version order %q", name)
			}
			return versions.ComparePairs(c.App.Reader, d.stdout, order.Comparer())
		},
	}
}
