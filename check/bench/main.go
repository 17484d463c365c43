// Bench measures what the project has budgets for, and prints each figure with its
// budget: the size of assay, the time of its inventory relative to find on the same
// tree in the same run, and the cost of a scan for assayd. Its exit code does not depend
// on the figures, because the machine may be busy.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"

	"assay/check/testkit/program"
)

func main() {
	var c config
	flag.StringVar(&c.root, "root", "", "`folder` to take the inventory of")
	flag.StringVar(&c.dist, "dist", "dist", "`folder` of the programs")
	flag.IntVar(&c.runs, "runs", 15, "`number` of interleaved runs of inventory and find")
	flag.IntVar(&c.scans, "scans", 500, "`number` of scans that assayd is sent")
	program.TestData(&c.testdata, "")
	flag.StringVar(&c.profiles, "profiles", "", "`folder` to keep a CPU profile of assayd in for each kind of scan")
	program.Main("bench", func(ctx context.Context) error { return run(ctx, c) })
}

type config struct {
	root, dist, testdata, profiles string
	runs, scans                    int
}

// A row is one measurement and its budget, both in the same unit.
type row struct {
	what             string
	measured, budget float64
	unit             string
	note             string
}

func run(ctx context.Context, c config) error {
	if c.root == "" || c.runs < 1 || c.scans < 1 {
		return errors.New("-root is missing, or -runs or -scans is below 1")
	}
	size, err := os.Stat(filepath.Join(c.dist, "assay"))
	if err != nil {
		return err
	}
	rows := []row{{"assay, size", float64(size.Size()) / (1 << 20), 10, "MiB", "stripped, linux"}}
	inventory, err := measureInventory(ctx, c)
	if err != nil {
		return err
	}
	rows = append(rows, inventory...)
	service, err := measureService(ctx, c)
	if err != nil {
		return err
	}
	return report(append(rows, service...))
}

func report(rows []row) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "what\tmeasured\tbudget\t\t")
	for _, r := range rows {
		within := "within"
		if r.measured > r.budget {
			within = "OVER"
		}
		fmt.Fprintf(w, "%s\t%.2f %s\t%g %s\t%s\t%s\n", r.what, r.measured, r.unit, r.budget, r.unit, within, r.note)
	}
	return w.Flush()
}
