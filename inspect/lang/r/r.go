// Package r reads the packages in a library of R: one folder per package, with its
// name, that contains a file DESCRIPTION. The file has fields in the format of Debian's
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
	// Limit is how many bytes of a DESCRIPTION may be read. Large ones have 10 kB.
	Limit = 1 << 20

	// maxLine is how many bytes of a line are read; the rest is skipped.
	maxLine = 4 << 10
)

// Bases returns the names of the files that Wants decides about.
func Bases() []string { return []string{"DESCRIPTION"} }

// Wants reports whether the file at path file, relative to the root, can be that of an
// installed package: it is in a folder that is not test data or documentation. A
// library may be anywhere; the content of the file decides.
func Wants(file string) bool {
	return strings.HasSuffix(file, "/DESCRIPTION") && !fixture.In(path.Dir(file))
}

// fields are the fields of a DESCRIPTION that are used.
type fields struct {
	name, version, built, repository string
	views                            bool // it has biocViews, which Bioconductor requires
}

// Read reads the DESCRIPTION at file. Only "R CMD INSTALL" writes the field Built. A
// file without Built, or in a folder with a name other than the package's, belongs to a
// source tree or to something else; it has no package and is not an error. R's
// installed.packages uses the same rules. The type of a package is bioconductor if its
// repository is, or if it has no repository but has Bioconductor's field biocViews. All
// other packages, including those that come with R, have the type cran.
func Read(r io.Reader, file string) ([]inventory.Package, error) {
	f, err := readFields(r)
	if err != nil {
		return nil, err
	}
	switch {
	case f.built == "" || f.name != path.Base(path.Dir(file)):
		return nil, nil
	case !isName(f.name):
		return nil, fmt.Errorf("invalid package name %q", f.name)
	case !ident.Is(f.version):
		return nil, fmt.Errorf("package %q: invalid version %q", f.name, f.version)
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

// readFields reads all fields. The values of those that are used have one line.
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

// isName reports whether s is a name according to "Writing R Extensions": ASCII
// letters, digits and dots, beginning with a letter and not ending with a dot.
func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !ident.IsLetter(c) && (i == 0 || c != '.' && !ident.IsDigit(c)) {
			return false
		}
	}
	return ident.Is(s) && !strings.HasSuffix(s, ".")
}
