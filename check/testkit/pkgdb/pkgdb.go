// Package pkgdb lays out the package databases of the test data, those of dpkg,
// apk and rpm, as the roots that they were taken from, and knows what is in them.
package pkgdb

import (
	"cmp"
	"compress/gzip"
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

// RPMDir is where Lay puts a database of rpm.
const RPMDir = "var/lib/rpm"

// A Database is one database of the collection.
type Database struct {
	Kind string // "dpkg", "apk" or "rpm"
	Name string // of its folder
	dir  string
}

// All returns the databases below dir, the folder pkgdb of the test data.
func All(dir string) ([]Database, error) {
	var all []Database
	for _, kind := range []string{"dpkg", "apk", "rpm"} {
		entries, err := os.ReadDir(filepath.Join(dir, kind))
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			all = append(all, Database{kind, e.Name(), filepath.Join(dir, kind, e.Name())})
		}
	}
	return all, nil
}

// String returns kind and name, "rpm/centos7-bdb".
func (d Database) String() string { return d.Kind + "/" + d.Name }

// Lay writes the files of the database, unpacked, below the folder root.
func (d Database) Lay(root string) error {
	return filepath.WalkDir(d.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(d.dir, path)
		if err != nil || e.IsDir() || strings.HasPrefix(rel, "expected") {
			return err
		}
		if d.Kind == "rpm" {
			rel = filepath.Join(RPMDir, rel)
		}
		return unpack(path, filepath.Join(root, strings.TrimSuffix(rel, ".gz")))
	})
}

func unpack(from, to string) (err error) {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	var r io.Reader = in
	if strings.HasSuffix(from, ".gz") {
		if r, err = gzip.NewReader(in); err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, r)
	return errors.Join(err, out.Close())
}

// A Row is what the list of a database has of a package, the source package
// filled in.
type Row struct {
	Name, Version, Arch, Source, SourceVersion string
}

// String returns all fields, for people.
func (r Row) String() string {
	return fmt.Sprintf("%s %s %s (source %s %s)", r.Name, r.Version, r.Arch, r.Source, r.SourceVersion)
}

// Compare orders rows.
func (r Row) Compare(s Row) int {
	return cmp.Or(
		cmp.Compare(r.Name, s.Name), cmp.Compare(r.Version, s.Version), cmp.Compare(r.Arch, s.Arch),
		cmp.Compare(r.Source, s.Source), cmp.Compare(r.SourceVersion, s.SourceVersion))
}

// Expected returns the packages that are installed as the list of the database,
// which was made by other means, has them, sorted. What the lists have beside is
// left out: keys that rpm keeps as packages, the packages of dpkg that are not
// installed, and the nameless and versionless of apk. The error is fs.ErrNotExist
// where there is no list.
func (d Database) Expected() ([]Row, error) {
	text, err := os.ReadFile(filepath.Join(d.dir, "expected.json"))
	if err != nil {
		return nil, err
	}
	var list []struct {
		Name, Version, Arch, Source, Status string
		SourceVersion                       string `json:"source_version"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", d, err)
	}
	var rows []Row
	for _, p := range list {
		switch {
		case d.Kind == "rpm" && p.Name == "gpg-pubkey",
			p.Status == "config-files", p.Status == "half-installed",
			p.Name == "", p.Version == "":
			continue
		}
		rows = append(rows, Row{p.Name, p.Version, p.Arch, cmp.Or(p.Source, p.Name), cmp.Or(p.SourceVersion, p.Version)})
	}
	slices.SortFunc(rows, Row.Compare)
	return rows, nil
}
