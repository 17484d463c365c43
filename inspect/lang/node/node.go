// Package node finds Node.js packages: the package.json at the root of each package
// that npm, pnpm, Yarn or another tool has installed where Node.js looks for it.
package node

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"

	"assay/inspect/ident"
	"assay/inspect/inventory"
	"assay/inspect/jsonscan"
)

const (
	// Kind is the kind of the evidence.
	Kind = "node"
	// Limit is how many bytes of a package.json are read. Real ones have about 2 KiB,
	// few more than 20.
	Limit = 8 << 20
	// maxName is the longest name that npm allows, in bytes.
	maxName = 214
)

// Bases returns the names of the files that Wants decides about.
func Bases() []string { return []string{manifest, corepackFile} }

// Read reads the package.json or the file of Corepack at path, relative to the root,
// and returns its package. The name is the one in the file, which an npm alias does not
// change. Without a name in the file it is that of the folder, as in npm. If a key is
// repeated, the last one counts, as in JSON.parse. The version is returned as it is
// written.
//
// It is an error if the file is not a JSON object, if the name is invalid, or if the
// version is missing or invalid. If the JSON is invalid after the name and the version,
// the package is returned with the error. Node.js does load a package without a
// version, but it is unknown which version that is.
func Read(r io.Reader, path string) ([]inventory.Package, error) {
	if strings.HasSuffix(path, "/"+corepackFile) {
		return readCorepack(r, path)
	}
	var name, version string
	s := jsonscan.New(r)
	object, err := s.Object(func(key string) (err error) {
		switch key {
		case "name":
			name, _, err = s.String()
		case "version":
			version, _, err = s.String()
		}
		return err
	})
	if err == nil {
		err = s.End()
	}
	switch {
	case err != nil:
		err = fmt.Errorf("package.json: %w", err)
	case !object:
		return nil, errors.New("package.json: not an object")
	}
	if name == "" {
		name, _ = folderName(path)
	}
	version = strings.TrimSpace(version)
	switch {
	case name == "":
		return nil, err
	case version == "":
		return nil, cmp.Or(err, fmt.Errorf("package.json: %.*q: no version", ident.Max, name))
	case err != nil && (!isName(name) || !isVersion(version)):
		return nil, err
	case !isName(name):
		return nil, fmt.Errorf("package.json: invalid name %.*q", ident.Max, name)
	case !isVersion(version):
		return nil, fmt.Errorf("package.json: %q: invalid version %.*q", name, ident.Max, version)
	}
	return []inventory.Package{{
		Type:     "npm",
		Name:     name,
		Version:  version,
		Evidence: []inventory.Evidence{{Path: path, Kind: Kind}},
	}}, err
}

// isName reports whether npm can install a package with this name: NAME or @SCOPE/NAME.
// Capital letters were once allowed and are still in use.
func isName(s string) bool {
	if len(s) > maxName {
		return false
	}
	if scoped, ok := strings.CutPrefix(s, "@"); ok {
		scope, name, ok := strings.Cut(scoped, "/")
		return ok && isPart(scope) && isPart(name)
	}
	return isPart(s)
}

func isPart(s string) bool {
	return ident.Is(s) && s[0] != '.' && !strings.ContainsAny(s, `/\@%:"'<>`)
}

// isVersion reports whether s is one word and begins like a semantic version, after a
// "v" or "=" that npm ignores.
func isVersion(s string) bool {
	digits := strings.TrimLeft(s, "v=")
	return ident.Is(s) && digits != "" && ident.IsDigit(digits[0])
}
