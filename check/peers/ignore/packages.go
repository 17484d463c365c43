package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"assay/check/peers"
	"assay/check/testkit/pkgdb"
	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/remote/purl"
	"assay/service/match"
	"assay/verdict"
)

// comparePackages compares decisions about entries with the names, versions, paths and
// package URLs that the tools print for the packages of the test data.
func (r *report) comparePackages(ctx context.Context, t tools, c config) error {
	roots, err := layRoots(filepath.Join(c.testdata), t.tmp)
	if err != nil {
		return err
	}
	scan, err := peers.NewTrivy(ctx, c.tools, filepath.Join(t.tmp, "trivy"))
	if err != nil {
		return err
	}
	for _, root := range roots {
		name, err := filepath.Rel(t.tmp, root)
		if err != nil {
			return err
		}
		ours, err := readRoot(ctx, c.assay, root)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		out, err := scan(ctx, root, "--format", "json", "--list-all-pkgs", "--scanners", "license") // the default needs a database
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		entries, err := r.trivyEntries(out, ours)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := r.compareEntries(ctx, t, file{path: name + "/.trivyignore.yaml", kind: "trivy"}, "vulnerabilities:\n", entries); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if out, err = peers.Output(ctx, nil, nil, t.grype, "packages", root); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if entries, err = r.grypeEntries(out, ours); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := r.compareEntries(ctx, t, file{path: name + "/.grype.yaml", kind: "grype"}, "ignore:\n", entries); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// layRoots lays the package databases and the packages of languages of the test data.
func layRoots(testdata, tmp string) ([]string, error) {
	var roots []string
	databases, err := pkgdb.All(filepath.Join(testdata, "pkgdb"))
	if err != nil {
		return nil, err
	}
	for _, d := range databases {
		if _, err := d.Expected(); err != nil { // hostile or incomplete
			continue
		}
		root := filepath.Join(tmp, d.Kind, d.Name)
		if err := d.Lay(root); err != nil {
			return nil, err
		}
		if _, err := os.Stat(filepath.Join(root, "etc/os-release")); err == nil && d.Kind == "dpkg" {
			continue // NameSystem would add the version of another release
		}
		if err := peers.NameSystem(root, d.Kind); err != nil {
			return nil, err
		}
		roots = append(roots, root)
	}
	for _, language := range []string{"dotnet", "go-buildinfo", "java", "node", "php", "python", "ruby", "rust-audit"} {
		artefacts, err := filepath.Glob(filepath.Join(testdata, "lang", language, "*"))
		if err != nil {
			return nil, err
		}
		for _, from := range artefacts {
			if info, err := os.Stat(from); err != nil || !info.IsDir() {
				continue
			}
			root := filepath.Join(tmp, language, filepath.Base(from))
			if err := peers.LayArtefact(from, root, language); err != nil {
				return nil, fmt.Errorf("%s: %w", from, err)
			}
			roots = append(roots, root)
		}
	}
	return roots, nil
}

// installed has the packages of a root as assay has them, by type, name and version.
type installed map[string][]verdict.Package

func readRoot(ctx context.Context, assay, root string) (installed, error) {
	out, err := peers.Output(ctx, nil, nil, assay, "inventory", "--root", root)
	if err != nil {
		return nil, err
	}
	doc, err := cyclonedx.Decode(bytes.NewReader(out), cyclonedx.DefaultLimits())
	if err != nil {
		return nil, err
	}
	all := installed{}
	for _, p := range doc.Inventory.Packages {
		pkg := verdict.Package{Type: p.Type, Name: p.Name, Version: p.Version, Source: p.Source, SourceVersion: p.SourceVersion,
			PURL: purl.Of(p, doc.Inventory.System).String()}
		for _, e := range p.Evidence {
			if !slices.Contains(pkg.Paths, e.Path) {
				pkg.Paths = append(pkg.Paths, e.Path)
			}
		}
		key := keyOf(p)
		all[key] = append(all[key], pkg)
	}
	return all, nil
}

// keyOf identifies a package by its type, name and version in the form that is the same
// for all tools.
func keyOf(p inventory.Package) string {
	name, version := p.Name, strings.TrimPrefix(p.Version, "0:")
	if !(purl.PURL{Type: p.Type}).Distributed() {
		name, version = peers.Normal(p.Type, name, version)
	}
	return p.Type + " " + name + " " + version
}

// find returns assay's package for a package URL of a tool and a path: the one with that
// path, or else the first.
func (i installed) find(url, path string) (verdict.Package, bool) {
	var p purl.PURL
	if p.Parse(url) != nil {
		return verdict.Package{}, false
	}
	if name, _ := peers.Normal(p.Type, p.Package().Name, ""); name == "" {
		return verdict.Package{}, false // a guess
	}
	candidates := i[keyOf(p.Package())]
	for _, c := range candidates {
		if slices.Contains(c.Paths, strings.TrimPrefix(path, "/")) {
			return c, true
		}
	}
	if len(candidates) == 0 {
		return verdict.Package{}, false
	}
	return candidates[0], true
}

// known reports whether assay found a package at a path of a tool, and counts the others: lock
// files, which assay does not read, for example.
func (r *report) known(tool string, p verdict.Package, path string) bool {
	if slices.Contains(p.Paths, strings.TrimPrefix(path, "/")) {
		return true
	}
	add(&r.elsewhere, tool+" "+p.Type, 1)
	return false
}

// A writtenEntry is an entry of an ignore file and the finding that it is meant for.
type writtenEntry struct {
	text    string // with %s for the id
	finding finding
}

// compareEntries compares the decisions about entries that are each about another
// vulnerability.
func (r *report) compareEntries(ctx context.Context, t tools, f file, head string, entries []writtenEntry) error {
	if len(entries) == 0 {
		return nil
	}
	const most = 4000 // below assay's limit of entries
	for chunk := range slices.Chunk(entries, most) {
		var text strings.Builder
		text.WriteString(head)
		var findings []finding
		for i, e := range chunk {
			id := fmt.Sprintf("CVE-2001-%d", 10000+i)
			fmt.Fprintf(&text, e.text, id)
			e.finding.match = &match.Match{Finding: verdict.Finding{ID: id}}
			findings = append(findings, e.finding)
		}
		f.text = []byte(text.String())
		add(&r.packages, f.kind, len(chunk))
		if err := r.compare(ctx, t, f, findings); err != nil {
			return err
		}
	}
	return nil
}

// trivyEntries returns entries with what Trivy prints for its packages: the package URL,
// with and without qualifiers, and the path.
func (r *report) trivyEntries(text []byte, ours installed) ([]writtenEntry, error) {
	var doc struct {
		Results []struct {
			Target, Class, Type string
			Packages            []struct {
				Name, Version, FilePath string
				Identifier              struct{ PURL string }
			}
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("trivy: %w", err)
	}
	var all []writtenEntry
	for _, res := range doc.Results {
		for _, p := range res.Packages {
			path := p.FilePath
			if path == "" && res.Class == "lang-pkgs" { // a program, or a lock file
				path = res.Target
			}
			of, ok := ours.find(p.Identifier.PURL, path)
			if !ok {
				continue // check/peers/inventory compares what is found
			}
			f := finding{pkg: of, trivy: trivyPackage{p.Version, res.Target, p.FilePath, p.Identifier.PURL}}
			entry := func(name, text string) {
				f.name = name + " of " + of.Type
				all = append(all, writtenEntry{"- id: %s\n" + strings.ReplaceAll(text, "%", "%%"), f})
			}
			entry("printed purl", fmt.Sprintf("  purls: [%q]\n", p.Identifier.PURL))
			bare, _, _ := strings.Cut(p.Identifier.PURL, "?")
			entry("purl without qualifiers", fmt.Sprintf("  purls: [%q]\n", bare))
			if path != "" && r.known("trivy", of, path) {
				entry("printed path", fmt.Sprintf("  paths: [%q]\n", path))
			}
		}
	}
	return all, nil
}

// grypeEntries returns entries with what Grype prints for its packages.
func (r *report) grypeEntries(packages []byte, ours installed) ([]writtenEntry, error) {
	var found []grypePackage
	if err := json.Unmarshal(packages, &found); err != nil {
		return nil, fmt.Errorf("grype: %w", err)
	}
	var all []writtenEntry
	for _, p := range found {
		path := ""
		if len(p.Locations) > 0 {
			path = p.Locations[0]
		}
		of, ok := ours.find(p.PURL, path)
		if !ok {
			continue
		}
		f := finding{pkg: of, grype: p}
		entry := func(name, text string, values ...any) {
			f.name = name + " of " + of.Type
			all = append(all, writtenEntry{"- vulnerability: %s\n  package: " + strings.ReplaceAll(fmt.Sprintf(text, values...), "%", "%%") + "\n", f})
		}
		entry("printed name", "{name: %q}", p.Name)
		entry("printed version", "{name: %q, version: %q}", p.Name, p.Version)
		entry("printed type", "{type: %q}", p.Type)
		if p.Language != "" {
			entry("printed language", "{language: %q}", p.Language)
		}
		if path != "" && r.known("grype", of, path) {
			entry("printed location", "{location: %q}", path)
		}
		for _, u := range p.Upstreams {
			entry("printed upstream", "{upstream-name: %q}", u)
		}
	}
	return all, nil
}
