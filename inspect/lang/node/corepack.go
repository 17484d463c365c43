package node

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"assay/inspect/ident"
	"assay/inspect/inventory"
	"assay/inspect/jsonscan"
)

// corepackFile is what Corepack writes next to a package manager. Yarn 2 and later are
// one file, yarn.js, without a package.json: their version is here.
const corepackFile = ".corepack"

// yarnPackage is the package of npm that yarn.js of Yarn 2 and later is built from. The
// package yarn is Yarn 1.
const yarnPackage = "@yarnpkg/cli"

// wantsCorepack reports whether path is the file of a Yarn that has no package.json.
func wantsCorepack(path string) bool {
	dir, ok := strings.CutSuffix(path, "/"+corepackFile)
	if !ok {
		return false
	}
	name, ok := cutCorepack(dir)
	version := dir[strings.LastIndexByte(dir, '/')+1:]
	return ok && name == "yarn" && !strings.HasPrefix(version, "0.") && !strings.HasPrefix(version, "1.")
}

// readCorepack reads the file .corepack of a Yarn:
//
//	{"locator":{"name":"yarn","reference":"4.5.0"},"bin":["yarn","yarnpkg"],"hash":"sha512.…"}
func readCorepack(r io.Reader, path string) ([]inventory.Package, error) {
	var name, version string
	s := jsonscan.New(r)
	object, err := s.Object(func(key string) error {
		if key != "locator" {
			return nil
		}
		_, err := s.Object(func(key string) (err error) {
			switch key {
			case "name":
				name, _, err = s.String()
			case "reference":
				version, _, err = s.String()
			}
			return err
		})
		return err
	})
	if err == nil {
		err = s.End()
	}
	version, _, _ = strings.Cut(version, "+") // the digest of the file
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", corepackFile, err)
	case !object:
		return nil, errors.New(corepackFile + ": not an object")
	case name != "yarn":
		return nil, fmt.Errorf("%s: package manager %.*q, not yarn", corepackFile, ident.Max, name)
	case !isVersion(version):
		return nil, fmt.Errorf("%s: version %.*q", corepackFile, ident.Max, version)
	}
	return []inventory.Package{{
		Type: "npm", Name: yarnPackage, Version: version,
		Evidence: []inventory.Evidence{{Path: path, Kind: Kind}},
	}}, nil
}
