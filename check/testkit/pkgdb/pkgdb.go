// Package pkgdb writes the package databases of the test data, of dpkg, apk and rpm, into
// root filesystems like those that they come from, and returns the packages in them.
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

// RPMDir is the folder of a root into which Lay puts a database of rpm.
const RPMDir = "var/lib/rpm"

// A Database is one database of the test data.
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

// String returns the kind and the name, such as "rpm/centos7-bdb".
func (d Database) String() string { return d.Kind + "/" + d.Name }

// Lay writes the unpacked files of the database into the folder root.
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

// A Row is a package in the list of a database. If the list has no source package, it is
// the package itself.
type Row struct {
	Name, Version, Arch, Source, SourceVersion string
}

// String returns all fields in one line.
func (r Row) String() string {
	return fmt.Sprintf("%s %s %s (source %s %s)", r.Name, r.Version, r.Arch, r.Source, r.SourceVersion)
}

// Compare orders rows.
func (r Row) Compare(s Row) int {
	return cmp.Or(
		cmp.Compare(r.Name, s.Name), cmp.Compare(r.Version, s.Version), cmp.Compare(r.Arch, s.Arch),
		cmp.Compare(r.Source, s.Source), cmp.Compare(r.SourceVersion, s.SourceVersion))
}

// Expected returns the installed packages of the list of the database, sorted. Other tools
// made these lists. It leaves out the keys that rpm stores as packages, packages of dpkg
// that are not installed, and packages without a name or a version. If there is no list,
// the error is fs.ErrNotExist.
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
