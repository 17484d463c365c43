package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"assay/check/peers"
)

// addPackages adds a list of packages of one type that counts as correct.
func (s *tree) addPackages(tool, typ string, all ...namedVersion) {
	t := newTally(tool)
	t.types[typ] = rows{}
	for _, p := range all {
		t.addPackage(typ, p.Name, p.Version)
	}
	s.addReference(typ, list{tool, t.types[typ]})
}

type namedVersion struct{ Name, Version string }

// pipOfDebian asks the pip of a root.
func pipOfDebian(ctx context.Context, s *tree) error {
	if !exists(s.root, "usr/bin/pip3") {
		return nil
	}
	found, err := s.pipList(ctx, "python3")
	if err == nil {
		s.addPackages("pip list", "pypi", found...)
	}
	return err
}

// pip asks the pip of each virtual environment. It asks one of them for the packages that
// were installed into other folders.
func pip(ctx context.Context, s *tree) error {
	environments, err := s.folders("pyvenv.cfg")
	if err != nil || len(environments) == 0 {
		return err
	}
	var all []namedVersion
	var python string
	for _, e := range environments {
		python = filepath.Join("/", local, e, "bin", "python3")
		found, err := s.pipList(ctx, python)
		if err != nil {
			return err
		}
		all = append(all, found...)
	}
	targets, err := s.folders("*-info")
	if err != nil {
		return err
	}
	for _, target := range targets {
		found, err := s.pipList(ctx, python, "--path", filepath.Join("/", local, target))
		if err != nil {
			return err
		}
		all = append(all, found...)
	}
	s.addPackages("pip list", "pypi", all...)
	return nil
}

func (s *tree) pipList(ctx context.Context, python string, options ...string) (found []namedVersion, err error) {
	args := []string{python, "-B", "-m", "pip", "--disable-pip-version-check", "list", "--format=json"}
	out, err := s.inside(ctx, append(args, options...)...)
	if err != nil {
		return nil, err
	}
	return found, json.Unmarshal(out, &found)
}

// gemOfDebian asks the gem of a root, "NAME (VERSION, default: VERSION PLATFORM)".
func gemOfDebian(ctx context.Context, s *tree) error {
	if !exists(s.root, "usr/bin/gem") {
		return nil
	}
	out, err := s.inside(ctx, "env", "LC_ALL=C.UTF-8", "gem", "list")
	if err != nil {
		return err
	}
	var all []namedVersion
	for line := range strings.Lines(string(out)) {
		name, versions, ok := strings.Cut(strings.TrimSuffix(strings.TrimSpace(line), ")"), " (")
		if !ok {
			continue
		}
		for version := range strings.SplitSeq(versions, ", ") {
			version, _, _ = strings.Cut(strings.TrimPrefix(version, "default: "), " ")
			all = append(all, namedVersion{name, version})
		}
	}
	s.addPackages("gem list", "gem", all...)
	return nil
}

// npm asks the npm of this machine about each project.
func npm(ctx context.Context, s *tree) error {
	projects, err := s.folders("node_modules")
	if err != nil || len(projects) == 0 {
		return err
	}
	type node struct {
		Name, Version string
		Dependencies  map[string]*node
	}
	var all []namedVersion
	var walk func(node)
	walk = func(n node) {
		for name, d := range n.Dependencies {
			if d.Version != "" { // an optional one may be absent
				if d.Name == "" {
					d.Name = name
				}
				all = append(all, namedVersion{d.Name, d.Version})
			}
			walk(*d)
		}
	}
	for _, p := range projects {
		var project node
		if err := runNPM(ctx, filepath.Join(s.root, p), &project, "ls", "--all", "--json", "--long"); err != nil {
			return err
		}
		walk(project)
	}
	s.addPackages("npm ls", "npm", all...)
	return nil
}

// npmOfDebian asks npm for the packages in Debian's folder, which it copies to a folder
// node_modules.
func npmOfDebian(ctx context.Context, s *tree, tmp string) error {
	source := filepath.Join(s.root, "usr/share/nodejs")
	if _, err := os.Stat(source); err != nil {
		return nil
	}
	project := filepath.Join(tmp, "npm", s.name)
	err := filepath.WalkDir(source, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "package.json" || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		to := filepath.Join(project, "node_modules", rel)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o644)
	})
	if err != nil {
		return err
	}
	var found []struct{ Location, Name, Version string }
	if err := runNPM(ctx, project, &found, "query", "*"); err != nil {
		return err
	}
	var all []namedVersion
	for _, p := range found {
		if p.Location != "" && p.Version != "" {
			all = append(all, namedVersion{p.Name, p.Version})
		}
	}
	s.addPackages("npm query", "npm", all...)
	return nil
}

// runNPM runs npm in a folder, without a network, and decodes what it prints. Code 1 means
// that a package is installed that no package.json requires.
func runNPM(ctx context.Context, dir string, to any, args ...string) error {
	cache, err := os.MkdirTemp("", "assay-npm")
	if err != nil {
		return err
	}
	defer os.RemoveAll(cache)
	args = append(args, "--prefix", dir, "--cache", cache, "--offline", "--no-audit", "--no-fund", "--no-update-notifier")
	out, err := peers.Output(ctx, nil, []int{1}, "npm", args...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(out, to); err != nil {
		return fmt.Errorf("npm %q in %s: %w", args, dir, err)
	}
	return nil
}

// composer asks the Composer of the root about each project.
func composer(ctx context.Context, s *tree) error {
	projects, err := s.folders("vendor/composer")
	if err != nil || len(projects) == 0 {
		return err
	}
	var all []namedVersion
	for _, p := range projects {
		out, err := s.inside(ctx, "env", "COMPOSER_ALLOW_SUPERUSER=1", "COMPOSER_DISABLE_NETWORK=1",
			"composer", "--working-dir="+filepath.Join("/", local, p), "--no-interaction", "show", "--format=json")
		if err != nil {
			return err
		}
		var shown struct{ Installed []namedVersion }
		if err := json.Unmarshal(out, &shown); err != nil {
			return fmt.Errorf("composer show: %w", err)
		}
		all = append(all, shown.Installed...)
	}
	s.addPackages("composer show", "composer", all...)
	return nil
}
