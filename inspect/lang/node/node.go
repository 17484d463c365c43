// Package node finds the packages of Node.js: the package.json at the root of
// each package that npm, pnpm, Yarn or another program has put where Node.js
// looks for it.
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
	// Limit is how many bytes of a package.json are read. Real ones have some
	// 2 KiB, few have more than 20.
	Limit = 8 << 20
	// maxName is how many bytes npm allows a name to have.
	maxName = 214
)

// Bases are the names of the files that Wants decides about.
func Bases() []string { return []string{manifest, corepackFile} }

// Read reads the package.json or the file of Corepack at path, relative to the root,
// and returns its package. The name is the one in the file, which an alias of npm does not change;
// a file without one has the name of its folder, as in npm. Of a key that is there
// twice the last counts, as it does to JSON.parse. The version is as written.
//
// Errors are: no JSON object, also when that shows only after name and version,
// which are returned then; an invalid name; a missing or invalid version. Node.js
// loads a package without a version all the same, and nobody can say which it is.
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
		return nil, fmt.Errorf("package.json: name %.*q", ident.Max, name)
	case !isVersion(version):
		return nil, fmt.Errorf("package.json: %q: version %.*q", name, ident.Max, version)
	}
	return []inventory.Package{{
		Type:     "npm",
		Name:     name,
		Version:  version,
		Evidence: []inventory.Evidence{{Path: path, Kind: Kind}},
	}}, err
}

// isName reports whether npm could install a package of that name: NAME or
// @SCOPE/NAME. Capital letters were allowed once, and are still in use.
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

// isVersion reports whether s begins as a semantic version does, with the "v" or
// "=" that npm reads past, and is one word.
func isVersion(s string) bool {
	digits := strings.TrimLeft(s, "v=")
	return ident.Is(s) && digits != "" && ident.IsDigit(digits[0])
}
