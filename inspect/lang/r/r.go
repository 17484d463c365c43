// Package r reads what installing leaves in a library of R packages: of each a
// folder of its name with the file DESCRIPTION, fields in the form of Debian's
// control files ("Writing R Extensions", 1.1.1).
package r

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"assay/inspect/fixture"
	"assay/inspect/ident"
	"assay/inspect/inventory"
)

const (
	// Kind is the evidence's kind.
	Kind = "r"
	// Limit is how many bytes of a DESCRIPTION may be read; large ones have 10 kB.
	Limit = 1 << 20

	// maxLine is how much of a line is looked at; the rest is read past.
	maxLine = 4 << 10
)

// Bases are the names of the files that Read reads, where Wants says so.
func Bases() []string { return []string{"DESCRIPTION"} }

// Wants reports whether the file at file, relative to the root, can be that of an
// installed package: it lies in some folder, which is not one of test data or
// documentation. A library may be anywhere; the file itself tells the rest.
func Wants(file string) bool {
	return strings.HasSuffix(file, "/DESCRIPTION") && !fixture.In(path.Dir(file))
}

// fields are those of a DESCRIPTION that are looked at.
type fields struct {
	name, version, built, repository string
	views                            bool // there is biocViews, which Bioconductor wants
}

// Read reads the DESCRIPTION at file. Only "R CMD INSTALL" writes the field Built;
// one without it, or in a folder that is not called as the package, is that of a
// source or of something else, gives nothing and is no error. So R's own
// installed.packages judges. A package is of type bioconductor where its
// repository is, or where it has none and has Bioconductor's field biocViews; all
// others, also those that come with R, are of type cran.
func Read(r io.Reader, file string) ([]inventory.Package, error) {
	f, err := readFields(r)
	if err != nil {
		return nil, err
	}
	switch {
	case f.built == "" || f.name != path.Base(path.Dir(file)):
		return nil, nil
	case !isName(f.name):
		return nil, fmt.Errorf("%q: not the name of a package", f.name)
	case !ident.Is(f.version):
		return nil, fmt.Errorf("package %q: %q: not a version", f.name, f.version)
	}
	typ := "cran"
	if strings.HasPrefix(f.repository, "Bioconductor") || f.repository == "" && f.views {
		typ = "bioconductor"
	}
	return []inventory.Package{{
		Type:     typ,
		Name:     f.name,
		Version:  f.version,
		Evidence: []inventory.Evidence{{Path: file, Kind: Kind}},
	}}, nil
}

// readFields reads all fields. Those looked at have values of one line.
func readFields(r io.Reader) (fields, error) {
	var f fields
	lines := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := lines.ReadSlice('\n')
		if err == nil || errors.Is(err, io.EOF) {
			key, value, _ := bytes.Cut(line, []byte(":"))
			text := string(bytes.TrimSpace(value))
			switch string(key) {
			case "Package":
				f.name = text
			case "Version":
				f.version = text
			case "Built":
				f.built = text
			case "Repository":
				f.repository = text
			case "biocViews":
				f.views = true
			}
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = lines.ReadSlice('\n')
		}
		if errors.Is(err, io.EOF) {
			return f, nil
		}
		if err != nil {
			return f, err
		}
	}
}

// isName reports whether s is a name in the sense of "Writing R Extensions": ASCII
// letters, digits and dots, of which a letter is first and a dot not last.
func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !ident.IsLetter(c) && (i == 0 || c != '.' && !ident.IsDigit(c)) {
			return false
		}
	}
	return ident.Is(s) && !strings.HasSuffix(s, ".")
}
