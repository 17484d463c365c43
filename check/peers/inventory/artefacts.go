package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"assay/check/peers"
)

// compareArtefacts compares the packages of languages in the test data with their lists.
func compareArtefacts(ctx context.Context, dir, tmp string, tools []peer, r *report) error {
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
		if err := peers.LayArtefact(from, s.root, language); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		typ, expected, err := readExpected(path, language)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		s.addPackages("the list", typ, expected...)
		if err := s.compare(ctx, tools, r); err != nil {
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
