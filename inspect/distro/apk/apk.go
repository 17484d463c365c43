// Package apk reads the database of apk-tools 2 and 3: the text file installed,
// one paragraph a package, each line a letter, a colon and a value. Its form is
// apk-tools' own (apk_db_fdb_read in src/database.c).
package apk

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"

	"assay/inspect/ident"
	"assay/inspect/inventory"
)

const (
	// Kind is the kind of the evidence.
	Kind = "apk"
	// Limit is how many bytes of a database are read. It holds the list of all
	// files, some 60 bytes each: two million of them are within it.
	Limit = 128 << 20
	// maxPackages bounds the packages of one database; Alpine has about 30,000
	// for an architecture.
	maxPackages = 100_000
)

// InstalledFiles are the paths where a database may be. Of a tree with both,
// both count: which one its apk uses depends on how that was built.
func InstalledFiles() []string {
	return []string{"lib/apk/db/installed", "usr/lib/apk/db/installed"}
}

// ReadInstalled reads a database at path and returns its packages. All that is
// in it is installed. A package without origin is its own source; the version of
// the source is always the package's.
//
// An error names the first paragraph that is broken and how many more are; the
// packages of the others are returned with it. A package stays also when only
// the list of its files is broken. Broken are a line that is no field, a
// paragraph without name or version, a field given twice or after the files, a
// file of no folder, a digest of no file or of no known form, and the end of the
// database within a line. An empty database has no packages and is no error;
// that the last paragraph lacks its empty line is none either, nor that the last
// line lacks its newline where that line is a whole digest, or one of the fields
// that follow all that are kept, which are there.
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

// ReadFiles reads a database and calls file for each file and each link that a
// package installed, in the order of the database. It holds no more than a line
// at a time. The error is that of ReadInstalled; of a broken list the files
// before the broken line are given.
func ReadFiles(r io.Reader, file func(File)) error {
	return read(newScanner(r, file), func(*paragraph) error { return nil })
}

// read calls whole for each paragraph whose fields are whole.
func read(s *scanner, whole func(*paragraph) error) error {
	var first error
	broken := 0
	for s.next() {
		p := &s.paragraph
		if p.err != nil {
			if broken++; first == nil {
				first = fmt.Errorf("line %d: %w", p.errLine, p.err)
			}
		}
		if p.whole {
			if err := whole(p); err != nil {
				return fmt.Errorf("line %d: %w", p.line, err)
			}
		}
	}
	if broken > 1 {
		first = fmt.Errorf("%w, and %d more broken paragraphs", first, broken-1)
	}
	return join(first, s.err)
}

func join(a, b error) error {
	if a != nil && b != nil {
		return fmt.Errorf("%w; %w", a, b)
	}
	return cmp.Or(a, b)
}

// check judges the fields of a paragraph, once all were seen.
func (p *paragraph) check() error {
	name := p.value[fieldName]
	switch {
	case name == "":
		return errors.New("paragraph without P, the name")
	case p.value[fieldVersion] == "":
		return fmt.Errorf("package %q: no V, the version", name)
	}
	for f, v := range p.value {
		if f != fieldMaintainer && !ident.IsWord(v) {
			return fmt.Errorf("package %q: %c %q: not a word", name, letters[f], v)
		}
	}
	return nil
}
