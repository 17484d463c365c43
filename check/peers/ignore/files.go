package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"assay/inspect/inventory"
	"assay/remote/purl"
)

// A file is an ignore file. Its kind is trivy or grype.
type file struct {
	path, kind string
	text       []byte
}

// ignoreFiles returns the built-in files, and those in a folder and its subfolders.
func ignoreFiles(dir string) ([]file, error) {
	files := shapes()
	if dir == "" {
		return files, nil
	}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		f := file{path: name, text: text}
		switch {
		case strings.Contains(d.Name(), "trivyignore"):
			f.kind = "trivy"
		case strings.Contains(d.Name(), "grype") || strings.Contains(name, ".grype/"):
			f.kind = "grype"
		default:
			return fmt.Errorf("%s: neither of Trivy nor of Grype", name)
		}
		files = append(files, f)
		return nil
	})
	return files, err
}

// An item is an entry of a file, read without any check: findings are made from it even if
// assay does not understand it.
type item struct {
	id, name, source, version, typ, language, location, fixState string
	paths, purls                                                 []string
}

// items reads the entries of a file.
func (f file) items() ([]item, error) {
	ext := path.Ext(f.path)
	if f.kind == "trivy" && ext != ".yaml" && ext != ".yml" {
		var all []item
		for line := range strings.Lines(string(f.text)) {
			if words := strings.Fields(line); len(words) > 0 && !strings.HasPrefix(words[0], "#") {
				all = append(all, item{id: words[0]})
			}
		}
		return all, nil
	}
	var doc struct {
		Vulnerabilities []struct {
			ID    string
			Paths []string
			PURLs []string `yaml:"purls"`
		}
		Ignore []struct {
			Vulnerability string
			FixState      string `yaml:"fix-state"`
			Package       struct {
				Name, Version, Language, Type, Location string
				UpstreamName                            string `yaml:"upstream-name"`
			}
		}
	}
	if err := yaml.Unmarshal(f.text, &doc); err != nil {
		if typed, ok := errors.AsType[*yaml.TypeError](err); !ok || typed == nil {
			return nil, err
		}
	}
	var all []item
	for _, v := range doc.Vulnerabilities {
		all = append(all, item{id: v.ID, paths: v.Paths, purls: v.PURLs})
	}
	for _, g := range doc.Ignore {
		p := g.Package
		all = append(all, item{id: g.Vulnerability, fixState: g.FixState, name: p.Name, source: p.UpstreamName, version: p.Version,
			typ: p.Type, language: p.Language, location: p.Location})
	}
	return all, nil
}

// findings returns findings that an entry accepts, or nearly accepts.
func (e item) findings() []finding {
	var all []finding
	for _, s := range e.subjects() {
		for _, v := range s.variants(e) {
			all = append(all, v.finding())
		}
	}
	return all
}

// subjects returns one subject for each package and path of an entry.
func (e item) subjects() []subject {
	s := subject{name: "the entry", id: cmp.Or(e.id, "CVE-2000-0001"), path: "usr/lib/node_modules/app/package.json",
		system: inventory.System{ID: "debian", VersionID: "12"}, fixed: "99", state: ""}
	s.pkg = inventory.Package{Type: cmp.Or(typeOf(e.typ), typeOf(e.language), "npm"), Name: sample(e.name), Version: e.version}
	if e.typ != "" && typeOf(e.typ) == "" {
		s.grypeType = e.typ
	}
	s.pkg.Name, s.pkg.Version, s.pkg.Source = cmp.Or(s.pkg.Name, "thing"), cmp.Or(s.pkg.Version, "1.2.3"), sample(e.source)
	if e.source != "" && e.typ == "" && e.language == "" {
		s.pkg.Type = "deb"
	}
	if s.pkg.Type == "deb" || s.pkg.Type == "rpm" || s.pkg.Type == "apk" {
		s.pkg.Source, s.pkg.SourceVersion = cmp.Or(s.pkg.Source, s.pkg.Name), s.pkg.Version
		s.pkg.Arch = "amd64"
	}
	switch e.fixState {
	case "not-fixed":
		s.fixed = ""
	case "wont-fix":
		s.fixed, s.wontFix = "", true
	case "unknown":
		s.fixed, s.state = "", "unknown"
	}
	return e.withPURLs(e.withPaths(s))
}

// withPaths returns a subject for each path of an entry.
func (e item) withPaths(s subject) []subject {
	var all []subject
	for _, p := range append(slices.Clone(e.paths), e.location) {
		if p != "" {
			o := s
			o.path = concrete(p)
			all = append(all, o)
		}
	}
	if len(all) == 0 {
		return []subject{s}
	}
	return all
}

// withPURLs returns each subject with each package URL of an entry.
func (e item) withPURLs(before []subject) []subject {
	if len(e.purls) == 0 {
		return before
	}
	var all []subject
	for _, text := range e.purls {
		var p purl.PURL
		if p.Parse(text) != nil {
			continue
		}
		for _, o := range before {
			o.pkg, o.system = p.Package(), p.System()
			o.pkg.Version = cmp.Or(o.pkg.Version, "1.2.3")
			if o.system.ID == "" {
				o.system = inventory.System{ID: p.Namespace, VersionID: "12"}
			}
			all = append(all, o)
		}
	}
	return all
}
