// Package inspect makes the inventory of a live filesystem: its operating system, its
// packages, and what could not be read. It runs on Linux only. It needs no privileges,
// no network, no writable directory and no /proc, and it changes nothing.
package inspect

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"assay/inspect/distro/release"
	"assay/inspect/inventory"
	"assay/inspect/mount"
	"assay/inspect/owner"
	"assay/inspect/process"
	"assay/inspect/rootfs"
	"assay/inspect/walk"
)

// Inventory is what Inspect returns.
type Inventory = inventory.Inventory

// Options configure an inspection.
type Options struct {
	// Skip are directories to leave out, with everything below them. A path is relative
	// to the root, or absolute and begins with the root's path.
	Skip []string
	// Exclude are files of the host that are not part of the image, such as the running
	// program. A file that cannot be found is ignored.
	Exclude []string
	// Mounts is the text of mountinfo, which lists what is mounted into the tree. If
	// nil, the text for this process is read. Without the kernel's /proc no mounts are
	// known.
	Mounts io.Reader
	// Kaniko says that kaniko runs this process; kaniko's own folder in the tree is
	// then left out. If Mounts is nil, the kernel is asked as well.
	Kaniko bool
	// Workers is how many directories are read at once; 0 means GOMAXPROCS, but at
	// least 2. The inventory does not depend on it.
	Workers int
}

// Inspect makes the inventory of the tree at root. It returns an error only if root
// cannot be used at all or ctx ended. Everything else that could not be read is in the
// inventory's ScanErrors.
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
	out := append(c.outside(root.Path(), opts), relative(root.Path(), path, opts.Skip)...)
	skip := walk.NewSkip(out)
	// Links are not followed to where a secret may be, mounted or not.
	leftOut := walk.NewSkip(slices.Concat(out, kernelDirs(), secrets()))
	workers := opts.Workers
	if workers <= 0 {
		workers = max(2, runtime.GOMAXPROCS(0))
	}

	// The fixed paths are read while the walk runs.
	fixed := fixedPaths{root: root, skip: skip, leftOut: leftOut, collector: c, seen: map[seen]bool{}}
	var system inventory.System
	var wg sync.WaitGroup
	wg.Go(func() {
		system = fixed.system()
		fixed.read(ctx)
	})
	err = walk.Walk(ctx, root, walk.Options{
		Rules:   rules(readers),
		Skip:    skip,
		LeftOut: leftOut,
		Context: inContext(readers),
		Exclude: identify(opts.Exclude),
		Workers: workers,
	}, c)
	wg.Wait()
	if err = cmp.Or(err, ctx.Err()); err != nil {
		return Inventory{}, fmt.Errorf("inspect %q: %w", path, err)
	}
	owner.Join(ctx, owner.Tree{Root: root, Skip: leftOut, Workers: workers, Failed: c.listFailed, Missing: c.listsMissing, Real: c.real, IDs: c.ids}, c.packages)
	if err := ctx.Err(); err != nil {
		return Inventory{}, fmt.Errorf("inspect %q: %w", path, err)
	}
	c.packages = withoutOwnedPrograms(c.packages)
	if err := release.Check(system, c.packages); err != nil {
		c.scanError(system.Path, inventory.KindSystem, err)
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
		rules[i] = walk.Rule{Bases: r.bases, Exts: r.exts, Folders: r.folders, Programs: r.programs, Wants: r.wants, Limit: r.limit, Probes: r.probes}
	}
	return rules
}

// outside returns the paths, relative to the root, that are in the tree but not part of
// the image: the mounts, kaniko's folder if kaniko runs the build, and, if the mounts
// are unknown, the kernel's filesystems.
func (c *collector) outside(root string, opts Options) []string {
	text, kaniko := opts.Mounts, opts.Kaniko
	if text == nil {
		proc, err := process.Open()
		if err != nil {
			return kernelMounts(root)
		}
		defer proc.Close()
		kaniko = kaniko || root == "/" && proc.Kaniko()
		mounts, err := proc.Mounts()
		if err != nil {
			return append(ofKaniko(kaniko), kernelMounts(root)...)
		}
		defer mounts.Close()
		text = mounts
	}
	mounts, err := mount.Parse(text)
	if err != nil {
		c.scanError("", inventory.KindFile, fmt.Errorf("mountinfo: %w", err))
	}
	out := ofKaniko(kaniko)
	if len(mounts) == 0 {
		out = append(out, kernelMounts(root)...)
	}
	return append(out, mount.Outside(mounts, root)...)
}

func ofKaniko(runs bool) []string {
	if runs {
		return []string{"kaniko"}
	}
	return nil
}

// kernelDirs returns where the kernel's filesystems are mounted.
func kernelDirs() []string { return []string{"proc", "sys", "dev"} }

// secrets returns where builders put secrets.
func secrets() []string { return []string{"run/secrets"} }

// kernelMounts returns those of kernelDirs that are a filesystem of the kernel and not
// a folder of the image.
func kernelMounts(root string) []string {
	return slices.DeleteFunc(kernelDirs(), func(dir string) bool {
		return !process.IsKernel(filepath.Join(root, dir))
	})
}

// relative makes the directories to skip relative to the root. The caller knows the
// root as path; root is the same path without links.
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
