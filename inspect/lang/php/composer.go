// Package php finds PHP packages: those that Composer installed in an application, and
// those of PEAR and PECL.
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
	// Limit is how many bytes of a record are read. Composer's record has about 3 KiB
	// per package; PEAR's has a list of files and the notes of all releases.
	Limit = 16 << 20
	// maxPackages bounds the packages of one record. Applications have hundreds.
	maxPackages = 20_000

	installed = "installed.json"
)

// ComposerBases returns the names of the files that WantsComposer decides about.
func ComposerBases() []string { return []string{installed} }

// WantsComposer reports whether the file at path, relative to the root, is Composer's
// record of installed packages: composer/installed.json in the vendor folder, which may
// have any name. Test data and documentation do not count.
func WantsComposer(path string) bool {
	vendor, ok := strings.CutSuffix(path, "/composer/"+installed)
	return ok && !fixture.In(vendor)
}

// ReadComposer reads Composer's record at path and returns its packages. The record is
// an array of packages in Composer 1, and an object with this array as packages in
// later versions. Names and versions are as Composer shows them, such as "v5.4.1" and
// "dev-main". Packages that a package replaces or provides are not installed, and the
// application itself is not in the record.
//
// The error is that of the first package without a name or version; the other packages
// are returned with it. If the JSON is invalid, the packages before that place are
// returned.
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
	err      error // of the first invalid package
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
				c.err = fmt.Errorf("invalid package name %.*q or version %.*q", ident.Max, name, ident.Max, version)
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
		err = errors.New("packages is not an array")
	}
	return err
}

// isName reports whether s is VENDOR/NAME, the form of all Composer package names.
func isName(s string) bool {
	vendor, name, ok := strings.Cut(s, "/")
	return ok && vendor != "" && name != "" && !strings.Contains(name, "/") && ident.Is(s)
}

// InContext reports whether the result of WantsComposer or WantsPEAR can depend on a
// folder of this name in the path.
func InContext(name string) bool {
	return name == "composer" || name == ".registry"
}
