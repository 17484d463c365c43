// Package apk reads the database of apk-tools 2 and 3: the text file installed, with
// one paragraph per package. Each line is a letter, a colon and a value. The format is
// defined by apk-tools (apk_db_fdb_read in src/database.c).
package apk

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"

	"assay/inspect/failures"
	"assay/inspect/ident"
	"assay/inspect/inventory"
)

const (
	// Kind is the kind of the evidence.
	Kind = "apk"
	// Limit is how many bytes of a database are read. The database lists all files,
	// with about 60 bytes each; two million files are within the limit.
	Limit = 128 << 20
	// maxPackages bounds the packages of one database. Alpine has about 30,000 for one
	// architecture.
	maxPackages = 100_000
)

// InstalledFiles returns the paths where a database may be. If a tree has both, both
// are read: which one its apk uses depends on how apk was built.
func InstalledFiles() []string {
	return []string{"lib/apk/db/installed", "usr/lib/apk/db/installed"}
}

// ReadInstalled reads the database at path and returns its packages, all of which are
// installed. A package without an origin is its own source. The version of the source
// is always that of the package.
//
// If paragraphs are invalid, the error names the first one and counts the others, and
// the packages of the valid paragraphs are returned with it. A package is also returned
// if only its list of files is invalid. These are invalid: a line that is not a field,
// a paragraph without a name or version, a field that is repeated or comes after the
// files, a file without a folder, a digest without a file or in an unknown form, and a
// database that ends within a line. These are valid: an empty database, which has no
// packages; a last paragraph without an empty line after it; and a last line without a
// newline if it is a complete digest, or a field that apk writes after all the fields
// that are kept and those are there.
func ReadInstalled(r io.Reader, path string) ([]inventory.Package, error) {
	var packages []inventory.Package
	err := read(newScanner(r, nil), func(p *paragraph) error {
		if len(packages) == maxPackages {
			return fmt.Errorf("more than %d packages", maxPackages)
		}
		packages = append(packages, inventory.Package{
			Type:          "apk",
			Name:          p.value[fieldName],
			Version:       p.value[fieldVersion],
			Arch:          p.value[fieldArch],
			Source:        cmp.Or(p.value[fieldOrigin], p.value[fieldName]),
			SourceVersion: p.value[fieldVersion],
			Vendor:        strings.TrimSpace(p.value[fieldMaintainer]),
			Evidence:      []inventory.Evidence{{Path: path, Kind: Kind}},
		})
		return nil
	})
	return packages, err
}

// ReadFiles reads a database and calls file for each file and link that a package
// installed, in the order of the database. It holds only one line in memory. The error
// is that of ReadInstalled. Of an invalid list, the files before the invalid line are
// passed to file.
func ReadFiles(r io.Reader, file func(File)) error {
	return read(newScanner(r, file), func(*paragraph) error { return nil })
}

// read calls whole for each paragraph with valid fields.
func read(s *scanner, whole func(*paragraph) error) error {
	var broken failures.List
	for s.next() {
		p := &s.paragraph
		if p.err != nil {
			broken.Add(p.errLine, p.err)
		}
		if p.whole {
			if err := whole(p); err != nil {
				return fmt.Errorf("line %d: %w", p.line, err)
			}
		}
	}
	return join(broken.Err("invalid paragraphs"), s.err)
}

func join(a, b error) error {
	if a != nil && b != nil {
		return fmt.Errorf("%w; %w", a, b)
	}
	return cmp.Or(a, b)
}

// check checks the fields of a paragraph after all of them have been read.
func (p *paragraph) check() error {
	name := p.value[fieldName]
	switch {
	case name == "":
		return errors.New("paragraph without a name (P)")
	case p.value[fieldVersion] == "":
		return fmt.Errorf("package %q: no version (V)", name)
	}
	for f, v := range p.value {
		if f != fieldMaintainer && !ident.IsWord(v) {
			return fmt.Errorf("package %q: invalid %c %q", name, letters[f], v)
		}
	}
	return nil
}
