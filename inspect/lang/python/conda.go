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
	// CondaKind is the evidence's kind of what conda has installed.
	CondaKind = "conda"
	// CondaLimit is how many bytes of a record of conda may be read. It has the
	// list of the package's files, each with its digests.
	CondaLimit = 64 << 20
)

// CondaExts are the endings of the files that ReadConda reads, where WantsConda
// says so.
func CondaExts() []string { return []string{".json"} }

// WantsConda reports whether the file at path, relative to the root, is conda's
// record of a package in a prefix: PREFIX/conda-meta/NAME-VERSION-BUILD.json.
func WantsConda(path string) bool {
	dir, base := split(path)
	above, meta := split(dir)
	if meta != "conda-meta" || !strings.HasSuffix(base, ".json") {
		return false
	}
	return !fixture.In(above)
}

// ReadConda reads conda's record of a package. The packages of Python among them
// have a METADATA too, and come a second time by that.
//
// One that has no name or version, or is not in a file of that name and version,
// gives an error and no package; conda, too, passes over the last. Of one that is
// damaged after name and version the package is returned with the error.
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
		return nil, fmt.Errorf("package %q %q: not a name and a version", name, version)
	case !strings.HasPrefix(base, name+"-"+version+"-") && base != name+"-"+version+".json":
		return nil, fmt.Errorf("record of package %q %q is in a file of another name", name, version)
	}
	return []inventory.Package{{
		Type:     "conda",
		Name:     name,
		Version:  version,
		Evidence: []inventory.Evidence{{Path: path, Kind: CondaKind}},
	}}, err
}
