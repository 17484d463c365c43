package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	versions "assay/service/version"
)

// maxLine bounds a line of two versions.
const maxLine = 64 << 10

func (d *daemon) compareCommand() *cli.Command {
	return &cli.Command{
		Name:      "compare",
		Usage:     "order pairs of versions as an ecosystem does",
		ArgsUsage: "ECOSYSTEM",
		Description: "Reads pairs of versions from standard input, one on a line with a tab between, and prints\n" +
			"for each -1, 0 or 1 as the first is older than, equal to or newer than the second, or\n" +
			"\"error: \" and what is wrong. ECOSYSTEM is a name of the OSV schema (\"Debian\", \"npm\",\n" +
			"\"Alpine:v3.19\"), RPM or SemVer.",
		Action: func(c *cli.Context) error {
			if c.NArg() != 1 {
				return hintf("assayd compare ECOSYSTEM, for example assayd compare Debian", "one ecosystem must be named")
			}
			name := c.Args().First()
			order, ok := versions.For(name)
			if !ok {
				return hintf("take a name of the OSV schema, such as Debian, npm or PyPI, or RPM or SemVer",
					"no order of versions is known for %q", name)
			}
			return comparePairs(c.App.Reader, d.stdout, order.Comparer())
		},
	}
}

// comparePairs answers each line of in on out, as soon as no more are waiting.
func comparePairs(in io.Reader, out io.Writer, compare versions.Compare) error {
	r, w := bufio.NewReaderSize(in, maxLine), bufio.NewWriter(out)
	for {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return fmt.Errorf("a line is longer than %d bytes", maxLine)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read versions: %w", err)
		}
		if len(line) > 0 {
			fmt.Fprintln(w, answer(strings.TrimRight(string(line), "\r\n"), compare))
		}
		end := err != nil
		if end || r.Buffered() == 0 {
			if err := w.Flush(); err != nil {
				return fmt.Errorf("write: %w", err)
			}
		}
		if end {
			return nil
		}
	}
}

// answer compares the two versions of a line.
func answer(line string, compare versions.Compare) string {
	a, b, ok := strings.Cut(line, "\t")
	if !ok || strings.Contains(b, "\t") {
		return "error: a line is two versions with one tab between them"
	}
	c, err := compare(a, b)
	if err != nil {
		return "error: " + err.Error()
	}
	return fmt.Sprint(c)
}
