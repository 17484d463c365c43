// Load measures assayd under load. It starts assayd on loopback, with the advisories of
// the test data, and sends inventories of real images. Each mode ends after a number of
// scans or a time, whichever comes first.
//
//	levels     scans over 1, 16, 200, 1,000 and 5,000 connections
//	slow       8 and 100 bodies that never end, while another token scans
//	get, post  many large reads or large scans at once, in a cgroup of 1 GiB
//	half-open  connections that never finish their request, while a token scans
//	flat       resident memory and disk over many scans
//	year       a SQLite store of a year, copied to PostgreSQL and back while the copy
//	           is killed several times
//	full       data sets of 10, 30 and 100 % of the size of all public data
//	vex        Red Hat's VEX documents in the number of the genuine ones
//	prune      removes the old scans of both stores of the year during scans
//
// With -database postgres, assayd uses a PostgreSQL that this program starts.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"assay/check/testkit/assayd"
	"assay/check/testkit/pgtest"
	"assay/check/testkit/program"
)

type config struct {
	assayd, testdata, data string
	modes                  string
	serve                  string
	database               string
	connections            string
	scans, flat            int
	year, packages         int
	records, ranges        int
	documents, pairs       int
	shares, dataset, tools string
	bound, flatBound       time.Duration
	patience               time.Duration
	memory                 int64
}

func main() {
	var c config
	flag.StringVar(&c.assayd, "assayd", "dist/assayd", "the `program` to measure")
	flag.StringVar(&c.data, "data", "", "`folder` with imported data; default: import all records of the test data")
	flag.StringVar(&c.modes, "modes", "levels,slow,get,post,half-open,flat", "`list` of modes to run")
	flag.StringVar(&c.serve, "serve", "", "more `flags` of assayd serve, separated by spaces")
	flag.StringVar(&c.database, "database", "", "use PostgreSQL: its `URL`, or \"postgres\" to start one; default SQLite")
	flag.StringVar(&c.connections, "connections", "1,16,200,1000,5000", "`numbers` of connections of the mode levels")
	flag.IntVar(&c.packages, "packages", 0, "send one inventory with at most this `number` of packages; default inventories of 50 to 1,000")
	flag.IntVar(&c.year, "year", 100_000, "`number` of scans of the mode year")
	flag.IntVar(&c.records, "records", 600_000, "`number` of records of the mode full")
	flag.IntVar(&c.ranges, "ranges", 5_000_000, "`number` of ranges in the records of the mode full")
	flag.IntVar(&c.documents, "documents", 63_000, "`number` of documents of the mode vex")
	flag.IntVar(&c.pairs, "pairs", 9_000_000, "`number` of pairs of product and package in the documents of the mode vex")
	flag.StringVar(&c.dataset, "dataset", "", "`folder` for the data set of the modes full and vex, which is generated if it is not there; default a temporary one")
	flag.StringVar(&c.tools, "tools", "", "`folder` with osv-scanner, which is built there if it is missing; the mode full also measures a scan by it")
	flag.StringVar(&c.shares, "shares", "0,10,30,100", "`percents` of the records that the mode full measures; 0 means the genuine records only")
	flag.IntVar(&c.scans, "scans", 20_000, "`number` of scans at each level")
	flag.IntVar(&c.flat, "flat", 200_000, "`number` of scans of the mode flat")
	flag.DurationVar(&c.bound, "bound", 30*time.Second, "`time` of each level")
	flag.DurationVar(&c.flatBound, "flat-bound", time.Hour, "`time` of the mode flat")
	flag.DurationVar(&c.patience, "patience", 30*time.Second, "`time` to wait for one answer")
	flag.Int64Var(&c.memory, "memory", 1<<30, "`bytes` of the cgroup of the floods")
	program.TestData(&c.testdata, "")
	program.Main("load", func(ctx context.Context) error { return run(ctx, c) })
}

// A mode starts a server, measures it and prints a line for each measurement.
type mode func(ctx context.Context, c config, r *rig) error

func run(ctx context.Context, c config) (err error) {
	modes := map[string]mode{
		"levels": levels, "slow": slowBodies, "get": getFlood, "post": postFlood,
		"half-open": halfOpen, "flat": flat,
		"full": full, "vex": vex, "year": copyYear, "prune": pruneYear,
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
	r := &rig{dir: dir}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.make(ctx, c, slices.ContainsFunc(names, usesRig)); err != nil {
		return err
	}
	for _, name := range names {
		if err := modes[name](ctx, c, r); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// A rig has what all modes share.
type rig struct {
	config        assayd.Config
	token, second string // two tokens
	bodies        []body
	dir           string
	server        *pgtest.Server // if the program started it
	year          *year          // if the mode year has run
}

// usesRig reports whether a mode uses the store of the rig.
func usesRig(mode string) bool {
	return mode != "full" && mode != "vex" && mode != "year" && mode != "prune"
}

// make prepares the rig. It fills the store only if filled is set.
func (r *rig) make(ctx context.Context, c config, filled bool) (err error) {
	if r.bodies, err = bodies(c.testdata, c.packages); err != nil || !filled {
		return err
	}
	r.config = assayd.Config{
		Binary: c.assayd, Data: filepath.Join(r.dir, "data"), Flags: strings.Fields(c.serve), Database: c.database,
	}
	if c.database == "postgres" {
		if r.config.Database, err = r.newDatabase(ctx, "load"); err != nil {
			return err
		}
	}
	if err := fill(ctx, c, r.config); err != nil {
		return err
	}
	if r.token, err = r.config.NewToken(ctx, "load"); err != nil {
		return err
	}
	if r.second, err = r.config.NewToken(ctx, "beside"); err != nil {
		return err
	}
	// The first start compiles the advisories, which no mode measures.
	s, err := r.config.Serve(ctx)
	if err != nil {
		return err
	}
	return s.Close()
}

func (r *rig) close() error {
	if r.server == nil {
		return nil
	}
	return r.server.Close()
}

// serving runs f while a server runs.
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
