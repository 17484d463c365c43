// Load measures assayd under load: an assayd that it starts itself on loopback,
// with the advisories of the test data and inventories of real images. Each mode
// ends after a number of scans or a time, whichever comes first.
//
//	levels     scans over 16, 200, 1,000 and 5,000 connections
//	slow       8 and 100 bodies that never end, while another token scans
//	get, post  floods of large reads and large scans, in a cgroup of 1 GiB
//	half-open  connections that never finish their request, while a token scans
//	flat       resident memory over many scans
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"assay/check/testkit/assayd"
	"assay/check/testkit/program"
)

type config struct {
	assayd, testdata, data string
	modes                  string
	serve                  string
	scans, flat            int
	bound, patience        time.Duration
	memory                 int64
}

func main() {
	var c config
	flag.StringVar(&c.assayd, "assayd", "dist/assayd", "the `program` to measure")
	flag.StringVar(&c.data, "data", "", "`folder` of data that was imported before; default: import all records of the test data")
	flag.StringVar(&c.modes, "modes", "levels,slow,get,post,half-open,flat", "`list` of what to measure")
	flag.StringVar(&c.serve, "serve", "", "more `flags` of assayd serve, separated by spaces")
	flag.IntVar(&c.scans, "scans", 20_000, "`number` of scans at each level")
	flag.IntVar(&c.flat, "flat", 200_000, "`number` of scans of the mode flat")
	flag.DurationVar(&c.bound, "bound", 30*time.Second, "`time` of each level")
	flag.DurationVar(&c.patience, "patience", 30*time.Second, "`time` to wait for one answer")
	flag.Int64Var(&c.memory, "memory", 1<<30, "`bytes` of the cgroup of the floods")
	program.TestData(&c.testdata, "")
	program.Main("load", func(ctx context.Context) error { return run(ctx, c) })
}

// A mode measures one thing with a server of its own and prints a line for each
// measurement.
type mode func(ctx context.Context, c config, r *rig) error

func run(ctx context.Context, c config) (err error) {
	modes := map[string]mode{
		"levels": levels, "slow": slowBodies, "get": getFlood, "post": postFlood,
		"half-open": halfOpen, "flat": flat,
	}
	var names []string
	for name := range strings.SplitSeq(c.modes, ",") {
		if modes[name] == nil {
			return fmt.Errorf("no mode %q", name)
		}
		names = append(names, name)
	}
	dir, err := os.MkdirTemp("", "assay-load")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r, err := newRig(ctx, c, dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := modes[name](ctx, c, r); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// A rig is what every mode starts from.
type rig struct {
	config        assayd.Config
	token, second string   // two tokens
	bodies        [][]byte // gzipped
	dir           string
}

func newRig(ctx context.Context, c config, dir string) (*rig, error) {
	r := &rig{dir: dir, config: assayd.Config{
		Binary: c.assayd, Data: filepath.Join(dir, "data"), Flags: strings.Fields(c.serve),
	}}
	if c.data != "" {
		if err := os.CopyFS(r.config.Data, os.DirFS(c.data)); err != nil {
			return nil, err
		}
	} else if err := r.config.Import(ctx, filepath.Join(c.testdata, "osv")); err != nil {
		return nil, err
	}
	var err error
	if r.token, err = r.config.NewToken(ctx, "load"); err != nil {
		return nil, err
	}
	if r.second, err = r.config.NewToken(ctx, "beside"); err != nil {
		return nil, err
	}
	if r.bodies, err = bodies(c.testdata); err != nil {
		return nil, err
	}
	// The first start compiles the advisories; no mode measures that.
	s, err := r.config.Serve(ctx)
	if err != nil {
		return nil, err
	}
	return r, s.Close()
}

// serving runs f beside a server.
func (r *rig) serving(ctx context.Context, d assayd.Config, f func(*assayd.Server) error) (err error) {
	s, err := d.Serve(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := s.Close(); err == nil {
			err = cerr
		}
	}()
	return f(s)
}
