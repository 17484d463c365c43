// Package python reads the records that installing Python packages leaves behind:
// METADATA of a dist-info folder and PKG-INFO of an egg-info folder, the single
// file that distutils wrote for the latter, eggs as folders and as archives, and
// the records of conda.
//
// The formats are those of packaging.python.org ("Core metadata specifications",
// "Recording installed projects"), of setuptools ("The internal structure of
// Python eggs") and of conda (conda-meta in a prefix). What counts as installed is
// what "pip list" shows.
package python

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"assay/inspect/ident"
	"assay/inspect/inventory"
)

const (
	// Kind is the evidence's kind of what pip lists.
	Kind = "python"
	// Limit is how many bytes of a METADATA or PKG-INFO may be read. The largest
	// hold a project's whole history, some 500 kB; only their beginning is read.
	Limit = 8 << 20
)

// ReadMetadata reads the record of an installed package at path: a METADATA, a
// PKG-INFO, or what distutils wrote into a file of the ending .egg-info. It reads
// no further than Name and Version, which stand among the first lines.
//
// A record without a name as PyPI has them or without a version gives an error
// and no package. The standard library's records, of Python itself, argparse and
// wsgiref, are no packages: pip does not list them either.
func ReadMetadata(r io.Reader, path string) ([]inventory.Package, error) {
	h, err := readHeaders(r)
	if err != nil {
		return nil, err
	}
	switch {
	case h.name == "":
		return nil, errors.New("no Name")
	case !isName(h.name):
		return nil, fmt.Errorf("%q: not the name of a package", h.name)
	case h.version == "":
		return nil, fmt.Errorf("package %q: no Version", h.name)
	case !ident.Is(h.version):
		return nil, fmt.Errorf("package %q: %q: not a version", h.name, h.version)
	case isStandardLibrary(h.name):
		return nil, nil
	}
	return []inventory.Package{{
		Type:     "pypi",
		Name:     h.name,
		Version:  h.version,
		Evidence: []inventory.Evidence{{Path: path, Kind: Kind}},
	}}, nil
}

// isName reports whether s is a name in the sense of the core metadata: ASCII
// letters, digits, and between these also dots, hyphens and underscores.
func isName(s string) bool {
	for i := range len(s) {
		if !ident.IsAlnum(s[i]) && (i == 0 || i == len(s)-1 || strings.IndexByte("._-", s[i]) < 0) {
			return false
		}
	}
	return s != ""
}

// isStandardLibrary reports whether a package is one of those that pip never
// lists (stdlib_pkgs in its utils/compat.py).
func isStandardLibrary(name string) bool {
	return strings.EqualFold(name, "python") || strings.EqualFold(name, "argparse") || strings.EqualFold(name, "wsgiref")
}
