// Package pacman reads the database of installed packages of pacman, the package manager of
// Arch Linux and its relatives. It has a folder for each package, with the files desc
// (alpm-files(5) of libalpm), files and mtree.
package pacman

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"assay/inspect/ident"
	"assay/inspect/inventory"
)

const (
	// Kind is the kind of the evidence.
	Kind = "pacman"
	// Type is the purl type of packages.
	Type = "alpm"
	// Limit is how many bytes of a desc file are read. Real ones have up to 20 KB.
	Limit = 1 << 20
	// database has a folder for each package.
	database = "var/lib/pacman/local/"
	desc     = "desc"
)

// Bases returns the names of the files that Wants may accept.
func Bases() []string { return []string{desc} }

// Wants reports whether path is the description of a package in the database.
func Wants(path string) bool {
	rest, ok := strings.CutPrefix(path, database)
	if !ok {
		return false
	}
	dir, name, ok := strings.Cut(rest, "/")
	return ok && dir != "" && name == desc
}

// Read reads the description of a package, the file desc at path. The name of its folder is
// that of the package, a hyphen and its version. It is an error if the description says
// something else, or has no name or version.
func Read(r io.Reader, at string) ([]inventory.Package, error) {
	fields, err := readFields(r)
	if err != nil {
		return nil, err
	}
	name, version := fields["NAME"], fields["VERSION"]
	switch {
	case name == "" || version == "":
		return nil, errors.New("no name or version")
	case !ident.IsWord(name) || !ident.IsWord(version):
		return nil, fmt.Errorf("invalid name %q or version %q", name, version)
	case path.Base(path.Dir(at)) != name+"-"+version:
		return nil, fmt.Errorf("it describes %q in version %q, and its folder has another name", name, version)
	}
	p := inventory.Package{
		Type:     Type,
		Name:     name,
		Version:  version,
		Arch:     inventory.Text(fields["ARCH"]),
		Vendor:   inventory.Text(fields["PACKAGER"]),
		Evidence: []inventory.Evidence{{Path: at, Kind: Kind}},
	}
	if base := fields["BASE"]; base != "" {
		p.Source, p.SourceVersion = inventory.Text(base), version
	}
	return []inventory.Package{p}, nil
}

// readFields returns the first value of each field. A field is a line "%NAME%", and its
// values are the lines after it up to an empty one.
func readFields(r io.Reader) (map[string]string, error) {
	fields := make(map[string]string)
	s := bufio.NewScanner(r)
	s.Buffer(nil, Limit)
	field := ""
	for s.Scan() {
		line := s.Text()
		switch {
		case line == "":
			field = ""
		case field == "" && len(line) > 2 && line[0] == '%' && line[len(line)-1] == '%':
			field = line[1 : len(line)-1]
		case field != "":
			if _, known := fields[field]; !known && wanted(field) {
				fields[field] = line
			}
		}
	}
	return fields, s.Err()
}

func wanted(field string) bool {
	switch field {
	case "NAME", "VERSION", "BASE", "ARCH", "PACKAGER":
		return true
	}
	return false
}
