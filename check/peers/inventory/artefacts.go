package main

import (
	"archive/zip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// compareArtefacts compares the packages of languages in the test data with their lists.
func compareArtefacts(ctx context.Context, dir, tmp string, peers []peer, r *report) error {
	lists, err := filepath.Glob(filepath.Join(dir, "*", "*", "expected.json"))
	if err != nil {
		return err
	}
	if len(lists) == 0 {
		return fmt.Errorf("%s: no list", dir)
	}
	for _, path := range lists {
		from := filepath.Dir(path)
		language := filepath.Base(filepath.Dir(from))
		s := tree{name: "lang/" + language + "/" + filepath.Base(from), root: filepath.Join(tmp, language, filepath.Base(from))}
		if err := layArtefact(from, s.root, language); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		typ, expected, err := readExpected(path, language)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		s.addPackages("the list", typ, expected...)
		if err := s.compare(ctx, peers, r); err != nil {
			return err
		}
	}
	return nil
}

// readExpected returns the packages of a list, and their type.
func readExpected(path, language string) (typ string, all []namedVersion, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", nil, err
	}
	type item struct {
		namedVersion
		Group, Artifact, Kind string
		ReplacedBy            *namedVersion `json:"replaced_by"`
	}
	var items []item
	if err := json.Unmarshal(text, &items); err != nil {
		return "", nil, err
	}
	types := map[string]string{"java": "maven", "python": "pypi", "node": "npm", "ruby": "gem", "go-buildinfo": "golang", "rust-audit": "cargo"}
	typ, ok := types[language]
	if !ok {
		return "", nil, fmt.Errorf("unknown language %q", language)
	}
	for _, i := range items {
		switch {
		case i.Artifact != "":
			i.Name = i.Group + ":" + i.Artifact
		case i.ReplacedBy != nil:
			i.namedVersion = *i.ReplacedBy
		case i.Kind == "stdlib": // the list adds experiments to the version
			i.Version, err = toolchain(filepath.Dir(path))
		case i.Kind == "build":
			continue
		}
		if err != nil {
			return "", nil, err
		}
		if i.Name != "" && i.Version != "" {
			all = append(all, i.namedVersion)
		}
	}
	return typ, all, nil
}

// toolchain returns the version of Go that "go version -m" printed.
func toolchain(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "go-version-m.txt"))
	if err != nil {
		return "", err
	}
	for _, m := range modules(string(text)) {
		if m.Name == "stdlib" {
			return m.Version, nil
		}
	}
	return "", errors.New("the version of Go is missing")
}

// layArtefact puts an artefact into a root as it would be installed. It copies archives
// and files, and unpacks packed trees. Of programs the data only has the lists of
// modules, which it writes into a program.
func layArtefact(from, root, language string) error {
	switch language {
	case "go-buildinfo":
		text, err := os.ReadFile(filepath.Join(from, "go-version-m.txt"))
		if err != nil {
			return err
		}
		return writeProgram(filepath.Join(root, "app/program"), ".go.buildinfo", buildInfo(string(text)))
	case "rust-audit":
		data, err := os.ReadFile(filepath.Join(from, "dep-v0.zlib"))
		if err != nil {
			return err
		}
		return writeProgram(filepath.Join(root, "app/program"), ".dep-v0", data)
	}
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "expected.json" {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if language == "python" {
			rel = inSitePackages(rel)
		}
		if filepath.Ext(path) == ".zip" {
			return unzip(path, filepath.Join(root, "app"))
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return writeFile(filepath.Join(root, "app", rel), f, 0o644)
	})
}

// inSitePackages returns the path of a file of a Python package in a folder
// site-packages, where it counts as installed. Each folder of the data gets its own.
func inSitePackages(path string) string {
	folders := strings.Split(path, "/")
	i := slices.IndexFunc(folders, func(name string) bool {
		return slices.Contains([]string{".dist-info", ".egg-info"}, strings.ToLower(filepath.Ext(name)))
	})
	if i < 0 {
		return path
	}
	return filepath.Join(strings.Join(folders[:i], "_"), "site-packages", filepath.Join(folders[i:]...))
}

func unzip(path, dir string) error {
	archive, err := zip.OpenReader(path)
	if err != nil {
		return err
	}
	defer archive.Close()
	for _, file := range archive.File {
		if strings.HasSuffix(file.Name, "/") {
			continue
		}
		if !filepath.IsLocal(file.Name) {
			return fmt.Errorf("%q leads out of the folder", file.Name)
		}
		f, err := file.Open()
		if err != nil {
			return err
		}
		err = writeFile(filepath.Join(dir, file.Name), f, 0o644)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func writeFile(path string, from io.Reader, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}
