// Package php finds the packages of PHP: those that Composer has installed into
// an application, and those of PEAR and PECL.
package php

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
	// Kind is the kind of the evidence.
	Kind = "php"
	// Limit is how many bytes of a record are read. Composer's has some 3 KiB for
	// each package, PEAR's a list of files and the texts of all releases.
	Limit = 16 << 20
	// maxPackages bounds the packages of one record; applications have hundreds.
	maxPackages = 20_000

	installed = "installed.json"
)

// ComposerBases are the names of the files that WantsComposer decides about.
func ComposerBases() []string { return []string{installed} }

// WantsComposer reports whether the file at path, relative to the root, is
// Composer's record of what it has installed: composer/installed.json in the
// vendor folder, which may have any name. Test data and documentation are left
// out.
func WantsComposer(path string) bool {
	vendor, ok := strings.CutSuffix(path, "/composer/"+installed)
	return ok && !fixture.In(vendor)
}

// ReadComposer reads Composer's record at path and returns its packages: an array
// of them in Composer 1, since then an object that has it as packages. Names and
// versions are as Composer shows them, "v5.4.1" and "dev-main" among them. What a
// package replaces or provides is not installed, and the application itself is
// not in the record.
//
// The first package without name or version is the error, and the others are
// returned with it, as are those before a place that is no JSON.
func ReadComposer(r io.Reader, path string) ([]inventory.Package, error) {
	c := composer{path: path}
	s := jsonscan.New(r)
	err := c.read(s)
	if err == nil {
		err = s.End()
	}
	if err == nil {
		err = c.err
	}
	if err != nil {
		return c.packages, fmt.Errorf("installed.json: %w", err)
	}
	return c.packages, nil
}

// composer is what was read of a record.
type composer struct {
	path     string
	packages []inventory.Package
	err      error // of the first package that is none
}

func (c *composer) read(s *jsonscan.Scanner) error {
	array, err := s.IsArray()
	if err != nil {
		return err
	}
	if array {
		return c.list(s)
	}
	has := false
	_, err = s.Object(func(key string) error {
		if key != "packages" {
			return nil
		}
		has = true
		return c.list(s)
	})
	if err == nil && !has {
		err = errors.New("no packages")
	}
	return err
}

// list reads the array of packages.
func (c *composer) list(s *jsonscan.Scanner) error {
	array, err := s.Array(func() error {
		if len(c.packages) == maxPackages {
			return fmt.Errorf("more than %d packages", maxPackages)
		}
		var name, version string
		_, err := s.Object(func(key string) (err error) {
			switch key {
			case "name":
				name, _, err = s.String()
			case "version":
				version, _, err = s.String()
			}
			return err
		})
		switch {
		case err != nil:
			return err
		case !isName(name) || !ident.Is(version):
			if c.err == nil {
				c.err = fmt.Errorf("package %.*q with version %.*q", ident.Max, name, ident.Max, version)
			}
			return nil
		}
		c.packages = append(c.packages, inventory.Package{
			Type:     "composer",
			Name:     name,
			Version:  version,
			Evidence: []inventory.Evidence{{Path: c.path, Kind: Kind}},
		})
		return nil
	})
	if err == nil && !array {
		err = errors.New("packages are no array")
	}
	return err
}

// isName reports whether s is VENDOR/NAME, as all packages of Composer are called.
func isName(s string) bool {
	vendor, name, ok := strings.Cut(s, "/")
	return ok && vendor != "" && name != "" && !strings.Contains(name, "/") && ident.Is(s)
}

// InContext reports whether what WantsComposer or WantsPEAR wants can depend on a folder of this name in the
// path.
func InContext(name string) bool {
	return name == "composer" || name == ".registry"
}
