package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// measureInventory runs assay's inventory and find on the same tree by turns,
// so that whatever else the machine does meets both.
func measureInventory(ctx context.Context, c config) ([]row, error) {
	assay := []string{filepath.Join(c.dist, "assay"), "inventory", "--root", c.root}
	find := []string{"find", c.root, "-xdev", "-type", "f"}
	// A child's peak begins at what this process had at its start: the floor.
	floor, err := measure(ctx, []string{"true"})
	if err != nil {
		return nil, err
	}
	for _, args := range [][]string{assay, find} { // warm
		if _, err := measure(ctx, args); err != nil {
			return nil, err
		}
	}
	var assayWall, findWall []time.Duration
	var peak int64
	for range c.runs {
		a, err := measure(ctx, assay)
		if err != nil {
			return nil, err
		}
		f, err := measure(ctx, find)
		if err != nil {
			return nil, err
		}
		assayWall, findWall = append(assayWall, a.wall), append(findWall, f.wall)
		peak = max(peak, a.peak)
	}
	am, fm := median(assayWall), median(findWall)
	return []row{
		{"inventory, wall time relative to find", am.Seconds() / fm.Seconds(), 1, "×",
			fmt.Sprintf("%s and %s, medians of %d runs of %s", ms(am), ms(fm), c.runs, c.root)},
		{"inventory, peak memory", mib(peak), 64, "MiB", fmt.Sprintf("highest of the runs; 'true' measures %.1f", mib(floor.peak))},
	}, nil
}

// A cost is what one run of a program took.
type cost struct {
	wall time.Duration
	peak int64 // resident bytes
}

func measure(ctx context.Context, args []string) (cost, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return cost{}, fmt.Errorf("%v: %w", args, err)
	}
	wall := time.Since(start)
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return cost{}, fmt.Errorf("%v: no resource usage on this system", args)
	}
	return cost{wall, usage.Maxrss << 10}, nil
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", d.Seconds()*1000) }
