// Package inspect makes the inventory of a live filesystem: which system it
// holds, which packages, and what could not be read. Linux only. It needs no
// privilege, no network, no writable place and no /proc, and changes nothing.
package inspect

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"

	"assay/inspect/inventory"
	"assay/inspect/mount"
	"assay/inspect/owner"
	"assay/inspect/rootfs"
	"assay/inspect/walk"
)

// Inventory is what Inspect returns.
type Inventory = inventory.Inventory

// Options say what an inspection leaves out and what it works with.
type Options struct {
	// Skip are directories that are left out with all below them: paths relative
	// to the root, or absolute ones that begin with the root's path.
	Skip []string
	// Exclude are files of the host that are no part of the image: the running
	// program itself. One that cannot be found is ignored.
	Exclude []string
	// Mounts is the text of mountinfo, which tells what is mounted into the
	// tree. When nil, that of this process is read; without a /proc no mounts are
	// known.
	Mounts io.Reader
	// Workers is how many directories are read at once; 0 stands for GOMAXPROCS,
	// at least 2. The inventory does not depend on it.
	Workers int
}

// Inspect makes the inventory of the tree at root. It returns an error only when
// root cannot be used at all or ctx ended; all else that could not be read is in
// the inventory's Partial.
func Inspect(ctx context.Context, root string, opts Options) (Inventory, error) {
	return inspect(ctx, root, opts, readers())
}

func inspect(ctx context.Context, path string, opts Options, readers []reader) (Inventory, error) {
	root, err := rootfs.Open(path)
	if err != nil {
		return Inventory{}, err
	}
	defer root.Close()

	c := newCollector(readers)
	skip := walk.NewSkip(append(c.outside(root.Path(), opts.Mounts), relative(root.Path(), path, opts.Skip)...))
	workers := opts.Workers
	if workers <= 0 {
		workers = max(2, runtime.GOMAXPROCS(0))
	}

	// The fixed paths are read beside the walk.
	fixed := fixedPaths{root: root, skip: skip, collector: c, seen: map[seen]bool{}}
	var system inventory.System
	var wg sync.WaitGroup
	wg.Go(func() {
		system = fixed.system()
		fixed.read(ctx)
	})
	err = walk.Walk(ctx, root, walk.Options{
		Rules:   rules(readers),
		Skip:    skip,
		Exclude: identify(opts.Exclude),
		Workers: workers,
	}, c)
	wg.Wait()
	if err = cmp.Or(err, ctx.Err()); err != nil {
		return Inventory{}, fmt.Errorf("inspect %q: %w", path, err)
	}
	owner.Join(ctx, owner.Tree{Root: root, Skip: skip, Workers: workers, Failed: c.listFailed}, c.packages)
	if err := ctx.Err(); err != nil {
		return Inventory{}, fmt.Errorf("inspect %q: %w", path, err)
	}
	inv := c.inventory()
	inv.System = system
	if system.Known() {
		inv.System.Repositories = fixed.repositories(inv.Packages)
	}
	return inv, nil
}

func rules(readers []reader) []walk.Rule {
	rules := make([]walk.Rule, len(readers))
	for i, r := range readers {
		rules[i] = walk.Rule{Bases: r.bases, Exts: r.exts, Programs: r.programs, Wants: r.wants, Limit: r.limit}
	}
	return rules
}

// outside returns what is in the tree and no part of the image, relative to the
// root: kaniko's own folder, what is mounted there, and where nothing is known
// of that, the places of the kernel's filesystems.
func (c *collector) outside(root string, text io.Reader) []string {
	out := []string{"kaniko"}
	if text == nil {
		f, err := os.Open("/proc/self/mountinfo")
		if err != nil {
			return append(out, kernelDirs(root)...)
		}
		defer f.Close()
		text = f
	}
	mounts, err := mount.Parse(text)
	if err != nil {
		c.gap("", inventory.GapFile, fmt.Errorf("mountinfo: %w", err))
	}
	if len(mounts) == 0 {
		out = append(out, kernelDirs(root)...)
	}
	return append(out, mount.Outside(mounts, root)...)
}

func kernelDirs(root string) []string {
	if root != "/" {
		return nil
	}
	return []string{"proc", "sys", "dev"}
}

// relative makes the directories to skip relative to the root, which is known
// as path to the caller and as root without links.
func relative(root, path string, dirs []string) []string {
	rel := make([]string, len(dirs))
	for i, dir := range dirs {
		rel[i] = dir
		for _, prefix := range []string{path, root} {
			prefix = strings.TrimRight(prefix, "/") + "/"
			if below, ok := strings.CutPrefix(dir, prefix); ok {
				rel[i] = below
				break
			}
		}
	}
	return rel
}

func identify(paths []string) []rootfs.ID {
	var ids []rootfs.ID
	for _, p := range paths {
		if id, err := rootfs.Identify(p); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}
