package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"assay/check/testkit/assayd"
)

// changedDocuments is how many of Red Hat's documents the mode vex changes. A day has some
// hundred.
const changedDocuments = 500

// vex measures assayd with Red Hat's VEX documents alone, from a mirror of their number and
// shape: the first update, the index, scans, and an update with changed documents.
func vex(ctx context.Context, c config, r *rig) (err error) {
	dir := c.dataset
	if dir == "" {
		dir = filepath.Join(r.dir, "vex")
	}
	m, err := makeVEX(c.testdata, dir, c.documents, c.pairs, changedDocuments)
	if err != nil {
		return err
	}
	if err := m.list(dir, false); err != nil {
		return err
	}
	fmt.Printf("vex: %v; load average %s\n", m, loadAverage())
	k := assayd.Config{Binary: c.assayd, Data: filepath.Join(r.dir, "vexdata"), Flags: strings.Fields(c.serve)}
	if c.database == "postgres" {
		if k.Database, err = r.newDatabase(ctx, "vex"); err != nil {
			return err
		}
	}
	defer func() { err = errors.Join(err, os.RemoveAll(k.Data)) }()
	update := []string{"update", "--source", "redhat", "--mirror", "redhat=" + dir}
	took, err := assaydRun(ctx, k, update...)
	if err != nil {
		return err
	}
	fmt.Printf("vex: first update %v; load average %s\n", took, loadAverage())
	token, err := k.NewToken(ctx, "vex")
	if err != nil {
		return err
	}
	// The first start compiles the records.
	err = r.serving(ctx, k, func(s *assayd.Server) error {
		used, err := usageOf(s)
		if err != nil {
			return err
		}
		peak, err := s.Peak()
		fmt.Printf("vex: snapshot built in %s (CPU %s, peak %d MiB); load average %s\n", round(s.Ready), round(used.cpu), peak>>20, loadAverage())
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
	million := float64(m.Pairs) / 1e6
	fmt.Printf("vex: store %d MB, %.0f MB for a million pairs; snapshot %d MB, %.0f MB for a million\n",
		store/1e6, float64(store)/1e6/million, snapshot.Size()/1e6, float64(snapshot.Size())/1e6/million)
	return r.serving(ctx, k, func(s *assayd.Server) error {
		fmt.Printf("vex: ready in %s\n", round(s.Ready))
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
			fmt.Printf("vex: %v; %s\n", t, used)
		}
		if err := m.list(dir, true); err != nil {
			return err
		}
		return increment(ctx, c, r, k, s, token, fmt.Sprintf("vex: %d changed documents", m.Changed), update...)
	})
}
