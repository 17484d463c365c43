// Package dotnet finds the NuGet packages of .NET applications in the file
// NAME.deps.json that is published with each application. The .NET host uses it to load
// the application's assemblies.
package dotnet

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
	Kind = "dotnet"
	// Limit is how many bytes of a file are read. Those of large applications have half
	// a megabyte.
	Limit = 8 << 20
	// maxLibraries bounds the libraries of one file, in all of its parts together.
	maxLibraries = 50_000

	runtimePack = "runtimepack."
)

// Exts returns the extensions of the files that Wants decides about.
func Exts() []string { return []string{".json"} }

// Wants reports whether the file at path, relative to the root, belongs to a published
// application. Files in NuGet's cache of unpacked packages, in test data and in
// documentation do not.
func Wants(path string) bool {
	if !strings.HasSuffix(path, ".deps.json") {
		return false
	}
	return !strings.HasPrefix(path, ".nuget/packages/") && !strings.Contains(path, "/.nuget/packages/") &&
		!fixture.In(path)
}

// Read reads the file at path and returns the packages that belong to the application:
// libraries of type package, and libraries of type runtimepack, the parts of .NET that
// are published with the application, by the name of their package
// ("Microsoft.NETCore.App.Runtime.linux-x64"). The application's own projects and
// assemblies that it was only compiled against are not packages. If the file has
// targets, a package counts only if a target names a file of it: other packages are
// only there for their dependencies, or their files are part of .NET.
//
// A library with an invalid name or version is an error. The packages of the others are
// returned with it.
func Read(r io.Reader, path string) ([]inventory.Package, error) {
	d := deps{path: path, deployed: map[string]bool{}}
	s := jsonscan.New(r)
	object, err := s.Object(func(key string) error {
		switch key {
		case "targets":
			d.targets = true
			_, err := s.Object(func(string) error { return d.target(s) })
			return err
		case "libraries":
			return d.list(s)
		}
		return nil
	})
	if err == nil {
		err = s.End()
	}
	if err == nil && !object {
		err = errors.New("not an object")
	}
	packages, bad := d.packages()
	if err == nil {
		err = bad
	}
	if err != nil {
		return packages, fmt.Errorf("deps.json: %w", err)
	}
	return packages, nil
}

// deps is what was read of a file.
type deps struct {
	path      string
	libraries []library
	deployed  map[string]bool // keys of the libraries with files in a target
	targets   bool            // the file has targets
	n         int
}

// A library has the key NAME/VERSION.
type library struct{ key, typ string }

func (d *deps) count() error {
	if d.n++; d.n > maxLibraries {
		return fmt.Errorf("more than %d libraries", maxLibraries)
	}
	return nil
}

// target reads the libraries of a target.
func (d *deps) target(s *jsonscan.Scanner) error {
	_, err := s.Object(func(key string) error {
		if err := d.count(); err != nil {
			return err
		}
		_, err := s.Object(func(part string) error {
			switch part {
			case "runtime", "native", "runtimeTargets", "resources":
				_, err := s.Object(func(string) error {
					d.deployed[key] = true
					return nil
				})
				return err
			}
			return nil
		})
		return err
	})
	return err
}

// list reads the types of the libraries.
func (d *deps) list(s *jsonscan.Scanner) error {
	_, err := s.Object(func(key string) error {
		if err := d.count(); err != nil {
			return err
		}
		var typ string
		_, err := s.Object(func(field string) (err error) {
			if field == "type" {
				typ, _, err = s.String()
			}
			return err
		})
		d.libraries = append(d.libraries, library{key, typ})
		return err
	})
	return err
}

func (d *deps) packages() ([]inventory.Package, error) {
	var packages []inventory.Package
	var first error
	for _, l := range d.libraries {
		key := l.key
		switch l.typ {
		case "package":
		case "runtimepack":
			key = strings.TrimPrefix(key, runtimePack)
		default:
			continue
		}
		if d.targets && !d.deployed[l.key] {
			continue
		}
		name, version, _ := strings.Cut(key, "/")
		if !ident.Is(name) || !ident.Is(version) || strings.Contains(version, "/") {
			if first == nil {
				first = fmt.Errorf("invalid library %.*q", ident.Max, l.key)
			}
			continue
		}
		packages = append(packages, inventory.Package{
			Type:     "nuget",
			Name:     name,
			Version:  version,
			Evidence: []inventory.Evidence{{Path: d.path, Kind: Kind}},
		})
	}
	return packages, first
}

// InContext reports whether what Wants wants can depend on a folder of this name in the
// path.
func InContext(name string) bool {
	return name == ".nuget"
}
