package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// local is the folder of a root with what no package of Debian installed.
const local = "srv"

// subjectsOfRoot returns a Debian root as two subjects: what Debian's packages
// have installed in it, and the rest. Each is judged by the native tools.
func subjectsOfRoot(ctx context.Context, root, tmp string) ([]subject, error) {
	debian := subject{name: filepath.Base(root), root: root, system: root, skip: local}
	installed, ok, err := dpkgQuery(ctx, root)
	if err != nil {
		return nil, err
	}
	if !ok || len(installed.rows) == 0 {
		return nil, errors.New("dpkg-query knows no package")
	}
	debian.judge("deb", installed)
	for _, native := range []func(context.Context, *subject) error{
		pipOfDebian, gemOfDebian, func(ctx context.Context, s *subject) error { return npmOfDebian(ctx, s, tmp) }, readFiles,
	} {
		if err := native(ctx, &debian); err != nil {
			return nil, err
		}
	}
	rest := subject{name: debian.name + "/" + local, root: filepath.Join(root, local), system: root}
	entries, err := os.ReadDir(rest.root)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0 {
		debian.skip = ""
		return []subject{debian}, nil
	}
	if err != nil {
		return nil, err
	}
	for _, native := range []func(context.Context, *subject) error{pip, npm, composer, readFiles} {
		if err := native(ctx, &rest); err != nil {
			return nil, err
		}
	}
	return []subject{debian, rest}, nil
}

// there reports whether a file is in a root; links in its folders are followed.
func there(root, path string) bool {
	_, err := os.Lstat(filepath.Join(root, path))
	return err == nil
}

// folders returns the paths, seen from the subject, of the folders directly in it
// that have a file which the pattern matches.
func (s *subject) folders(pattern string) ([]string, error) {
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

// inside runs a program of the system that a subject belongs to.
func (s *subject) inside(ctx context.Context, args ...string) ([]byte, error) {
	if os.Getuid() != 0 {
		return nil, fmt.Errorf("%s: root's rights are needed to run its programs", s.name)
	}
	return output(ctx, "chroot", append([]string{s.system}, args...)...)
}
