// Manual writes the manual page and the completions of the client. Assayd prints its
// own. A program of its own does it for the client, which is to stay small.
package main

import (
	"flag"
	"fmt"
	"os"

	"assay/cli"
	"assay/cli/manual"
)

func main() {
	dir := flag.String("dir", "dist/share", "write below `DIR`")
	version := flag.String("version", "devel", "of the client")
	date := flag.String("date", "", "of the page, 2006-01-02")
	flag.Parse()
	err := manual.Write(*dir, manual.Program{App: cli.Model(*version), Section: 1, Date: *date, SeeAlso: "assayd(8)"})
	if err != nil {
		fmt.Fprintf(os.Stderr, "manual: %v\n", err)
		os.Exit(1)
	}
}
