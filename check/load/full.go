package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"assay/check/testkit/assayd"
)

// changed is how many records the mode full changes while scans go on.
const changed = 10_000

// full measures assayd with data sets of growing size, up to all public data.
func full(ctx context.Context, c config, r *rig) error {
	dir := c.dataset
	if dir == "" {
		dir = filepath.Join(r.dir, "dataset")
	}
	start := time.Now()
	d, err := makeDataset(c.testdata, dir, c.records, c.ranges)
	if err != nil {
		return err
	}
	for i, name := range d.Archives {
		d.Archives[i] = filepath.Join(dir, name)
	}
	fmt.Printf("full: %v; generated in %s; load average %s\n", d, round(time.Since(start)), loadAverage())
	for text := range strings.SplitSeq(c.shares, ",") {
		share, err := strconv.Atoi(text)
		if err != nil || share < 0 || share > 100 || share%(100/parts) != 0 {
			return fmt.Errorf("shares: %q is not a multiple of %d percent", text, 100/parts)
		}
		if err := fullShare(ctx, c, r, d, share); err != nil {
			return fmt.Errorf("%d percent: %w", share, err)
		}
	}
	if c.tools == "" {
		return nil
	}
	return peerScan(ctx, c.tools, r, d)
}

// fullShare measures one data set. The data set of 0 percent only has the genuine records.
func fullShare(ctx context.Context, c config, r *rig, d dataset, share int) (err error) {
	what := fmt.Sprintf("full: %d %%", share)
	k := assayd.Config{
		Binary: c.assayd, Data: filepath.Join(r.dir, fmt.Sprintf("full%d", share)), Flags: strings.Fields(c.serve),
	}
	if c.database == "postgres" {
		if k.Database, err = r.newDatabase(ctx, fmt.Sprintf("full%d", share)); err != nil {
			return err
		}
	}
	defer func() { err = errors.Join(err, os.RemoveAll(k.Data)) }()
	paths := d.Archives[:share*parts/100]
	if share == 0 {
		paths = []string{filepath.Join(c.testdata, "osv")}
	}
	took, err := assaydRun(ctx, k, append([]string{"import"}, paths...)...)
	if err != nil {
		return err
	}
	fmt.Printf("%s: import %v; load average %s\n", what, took, loadAverage())
	token, err := k.NewToken(ctx, "full")
	if err != nil {
		return err
	}
	// The first start compiles the records.
	err = r.serving(ctx, k, func(s *assayd.Server) error {
		peak, err := s.Peak()
		fmt.Printf("%s: snapshot built in %s, peak %d MiB; load average %s\n", what, round(s.Ready), peak>>20, loadAverage())
		return err
	})
	if err != nil {
		return err
	}
	store, err := diskUse(ctx, k)
	if err != nil {
		return err
	}
	snapshot, err := os.Stat(filepath.Join(k.Data, "snapshot.db"))
	if err != nil {
		return err
	}
	return r.serving(ctx, k, func(s *assayd.Server) error {
		fmt.Printf("%s: store %d MB, snapshot %d MB, ready in %s\n", what, store/1e6, snapshot.Size()/1e6, round(s.Ready))
		// Two passes: the first fills the caches.
		for range 2 {
			m, err := r.measure(s)
			if err != nil {
				return err
			}
			t, _ := scanning(ctx, client(c.patience), s.URL, token, r.bodies, 4, min(c.scans, 2000), c.bound)
			used, err := m.report(len(t.answered))
			if err != nil {
				return err
			}
			fmt.Printf("%s: %v; %s\n", what, t, used)
		}
		if share == 0 {
			return nil
		}
		return fullIncrement(ctx, c, r, k, s, token, what, paths[len(paths)-1])
	})
}

// fullIncrement changes records while scans go on.
func fullIncrement(ctx context.Context, c config, r *rig, k assayd.Config, s *assayd.Server, token, what, archive string) error {
	dir := filepath.Join(r.dir, "changed")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	path := filepath.Join(dir, "changed.zip")
	if err := rewrite(archive, path, changed); err != nil {
		return err
	}
	return increment(ctx, c, r, k, s, token, fmt.Sprintf("%s: %d changed records", what, changed), "import", "--add", path)
}

// increment runs a command of assayd that changes data while scans go on, and prints how
// long it took until the change was served.
func increment(ctx context.Context, c config, r *rig, k assayd.Config, s *assayd.Server, token, what string, command ...string) error {
	before, err := snapshotOf(ctx, s)
	if err != nil {
		return err
	}
	scans := make(chan *tally)
	scanningCtx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		t, _ := scanning(scanningCtx, client(c.patience), s.URL, token, r.bodies, 4, 1<<30, time.Hour)
		scans <- t
	}()
	took, err := assaydRun(ctx, k, command...)
	imported := time.Now()
	if err != nil {
		return err
	}
	for {
		now, err := snapshotOf(ctx, s)
		if err != nil {
			return err
		}
		if now != before {
			break
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	live := time.Since(imported)
	stop()
	t := <-scans
	serving, err := s.Peak()
	fmt.Printf("%s: %s %v, served %s later; meanwhile %v; peak of assayd serve %d MiB; load average %s\n",
		what, command[0], took, round(live), t, serving>>20, loadAverage())
	return err
}

// snapshotOf returns the id of the served data.
func snapshotOf(ctx context.Context, s *assayd.Server) (string, error) {
	a, err := request(ctx, http.DefaultClient, http.MethodGet, s.URL+"/healthz", "", nil, true)
	if err != nil {
		return "", err
	}
	var health struct {
		Snapshot string `json:"snapshot"`
	}
	if err := json.Unmarshal(a.body, &health); err != nil || health.Snapshot == "" {
		return "", fmt.Errorf("health lacks a snapshot: %.200q", a.body)
	}
	return health.Snapshot, nil
}

// A cost is what a command took.
type cost struct {
	wall, cpu time.Duration
	peak      int64 // bytes of memory
}

func (c cost) String() string {
	return fmt.Sprintf("%s (CPU %s, peak %d MiB)", round(c.wall), round(c.cpu), c.peak>>20)
}

// assaydRun runs a command of assayd.
func assaydRun(ctx context.Context, k assayd.Config, args ...string) (took cost, err error) {
	cmd := exec.CommandContext(ctx, k.Binary, append(args, "--data", k.Data)...)
	cmd.Env = append(os.Environ(), "ASSAYD_DATABASE="+k.Database)
	start := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return took, fmt.Errorf("assayd %s: %w\n%s", args[0], err, out)
	}
	usage, _ := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if usage == nil {
		return took, errors.New("the system does not report the memory of a process")
	}
	// Maxrss is in KiB, by getrusage(2).
	return cost{time.Since(start), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), usage.Maxrss << 10}, nil
}
