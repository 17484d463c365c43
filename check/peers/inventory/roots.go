package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// local is the folder of a root for files that Debian's packages did not install.
const local = "srv"

// treesOfRoot returns a Debian root as two trees: the files that Debian's packages
// installed, and the rest. The native tools are the reference for both.
func treesOfRoot(ctx context.Context, root, tmp string) ([]tree, error) {
	debian := tree{name: filepath.Base(root), root: root, system: root, skip: local}
	installed, ok, err := dpkgQuery(ctx, root)
	if err != nil {
		return nil, err
	}
	if !ok || len(installed.rows) == 0 {
		return nil, errors.New("dpkg-query lists no packages")
	}
	debian.addReference("deb", installed)
	for _, native := range []func(context.Context, *tree) error{
		pipOfDebian, gemOfDebian, func(ctx context.Context, s *tree) error { return npmOfDebian(ctx, s, tmp) }, readFiles,
	} {
		if err := native(ctx, &debian); err != nil {
			return nil, err
		}
	}
	rest := tree{name: debian.name + "/" + local, root: filepath.Join(root, local), system: root}
	entries, err := os.ReadDir(rest.root)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0 {
		debian.skip = ""
		return []tree{debian}, nil
	}
	if err != nil {
		return nil, err
	}
	for _, native := range []func(context.Context, *tree) error{pip, npm, composer, readFiles} {
		if err := native(ctx, &rest); err != nil {
			return nil, err
		}
	}
	return []tree{debian, rest}, nil
}

// exists reports whether a file is in a root. Links in its path are followed.
func exists(root, path string) bool {
	_, err := os.Lstat(filepath.Join(root, path))
	return err == nil
}

// folders returns the folders directly in a tree that contain a file that matches the
// pattern, relative to the tree.
func (s *tree) folders(pattern string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(s.root, "*", pattern))
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var folders []string
	for _, path := range paths {
		rel, err := filepath.Rel(s.root, path)
		if err != nil {
			return nil, err
		}
		for filepath.Dir(rel) != "." {
			rel = filepath.Dir(rel)
		}
		if !seen[rel] {
			folders = append(folders, rel)
		}
		seen[rel] = true
	}
	return folders, nil
}

// inside runs a program of the system that a tree belongs to.
func (s *tree) inside(ctx context.Context, args ...string) ([]byte, error) {
	if os.Getuid() != 0 {
		return nil, fmt.Errorf("%s: running its programs needs root", s.name)
	}
	return output(ctx, "chroot", append([]string{s.system}, args...)...)
}
