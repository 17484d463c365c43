package python

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"assay/inspect/fixture"
	"assay/inspect/ident"
	"assay/inspect/inventory"
	"assay/inspect/jsonscan"
)

const (
	// CondaKind is the evidence's kind of packages that conda installed.
	CondaKind = "conda"
	// CondaLimit is how many bytes of a conda record may be read. A record lists the
	// package's files with their digests.
	CondaLimit = 64 << 20
)

// CondaExts returns the extensions of the files that WantsConda decides about.
func CondaExts() []string { return []string{".json"} }

// WantsConda reports whether the file at path, relative to the root, is conda's record
// of a package in a prefix: PREFIX/conda-meta/NAME-VERSION-BUILD.json.
func WantsConda(path string) bool {
	dir, base := split(path)
	above, meta := split(dir)
	if meta != "conda-meta" || !strings.HasSuffix(base, ".json") {
		return false
	}
	return !fixture.In(above)
}

// ReadConda reads conda's record of a package. Python packages also have a METADATA and
// are found a second time through it.
//
// A record without a name or version, or in a file that is not named after them, gives
// an error and no package; conda ignores a file with another name as well. If a record
// is damaged after the name and the version, the package is returned with the error.
func ReadConda(r io.Reader, path string) ([]inventory.Package, error) {
	var name, version string
	scanner := jsonscan.New(r)
	ok, err := scanner.Object(func(key string) (err error) {
		switch key {
		case "name":
			name, _, err = scanner.String()
		case "version":
			version, _, err = scanner.String()
		}
		return err
	})
	if err != nil && (name == "" || version == "") {
		return nil, err
	}
	_, base := split(path)
	switch {
	case !ok:
		return nil, errors.New("not a JSON object")
	case name == "":
		return nil, errors.New("no name")
	case version == "":
		return nil, fmt.Errorf("package %q: no version", name)
	case !ident.Is(name) || !ident.Is(version):
		return nil, fmt.Errorf("invalid package name %q or version %q", name, version)
	case !strings.HasPrefix(base, name+"-"+version+"-") && base != name+"-"+version+".json":
		return nil, fmt.Errorf("the record of package %q %q is in a file with another name", name, version)
	}
	return []inventory.Package{{
		Type:     "conda",
		Name:     name,
		Version:  version,
		Evidence: []inventory.Evidence{{Path: path, Kind: CondaKind}},
	}}, err
}
