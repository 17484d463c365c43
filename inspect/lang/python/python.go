// Package python reads the records of installed Python packages: METADATA in a
// dist-info folder, PKG-INFO in an egg-info folder, the egg-info file that distutils
// writes, eggs as folders and as archives, and the records of conda.
//
// The formats are described on packaging.python.org ("Core metadata specifications",
// "Recording installed projects"), by setuptools ("The internal structure of Python
// eggs") and by conda (conda-meta in a prefix). A package is installed if "pip list"
// shows it.
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
	// Kind is the evidence's kind of packages that pip lists.
	Kind = "python"
	// Limit is how many bytes of a METADATA or PKG-INFO may be read. The largest
	// contain a project's whole history, about 500 kB; only their beginning is read.
	Limit = 8 << 20
)

// ReadMetadata reads the record of an installed package at path: a METADATA, a
// PKG-INFO, or the .egg-info file of distutils. It stops after Name and Version, which
// are among the first lines.
//
// A record without a version or a valid PyPI name gives an error and no package. The
// records of the standard library (Python itself, argparse and wsgiref) are not
// packages, and pip does not list them either.
func ReadMetadata(r io.Reader, path string) ([]inventory.Package, error) {
	h, err := readHeaders(r)
	if err != nil {
		return nil, err
	}
	switch {
	case h.name == "":
		return nil, errors.New("no Name")
	case !isName(h.name):
		return nil, fmt.Errorf("invalid package name %q", h.name)
	case h.version == "":
		return nil, fmt.Errorf("package %q: no Version", h.name)
	case !ident.Is(h.version):
		return nil, fmt.Errorf("package %q: invalid version %q", h.name, h.version)
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

// isName reports whether s is a name according to the core metadata: ASCII letters and
// digits and, between them, dots, hyphens and underscores.
func isName(s string) bool {
	for i := range len(s) {
		if !ident.IsAlnum(s[i]) && (i == 0 || i == len(s)-1 || strings.IndexByte("._-", s[i]) < 0) {
			return false
		}
	}
	return s != ""
}

// isStandardLibrary reports whether pip never lists the package (stdlib_pkgs in its
// utils/compat.py).
func isStandardLibrary(name string) bool {
	return strings.EqualFold(name, "python") || strings.EqualFold(name, "argparse") || strings.EqualFold(name, "wsgiref")
}
