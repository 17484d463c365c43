// Package dotnet finds the NuGet packages that .NET applications are made of, by
// the file NAME.deps.json that is published beside each: the host of .NET loads
// the application's assemblies by it.
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
	// Limit is how many bytes of a file are read. Large applications have half a
	// megabyte.
	Limit = 8 << 20
	// maxLibraries bounds the libraries of one file, in all of its parts together.
	maxLibraries = 50_000

	runtimePack = "runtimepack."
)

// Exts are the endings of the files that Wants decides about.
func Exts() []string { return []string{".json"} }

// Wants reports whether the file at path, relative to the root, is of a published
// application. In NuGet's cache of unpacked packages, in test data and in
// documentation none are.
func Wants(path string) bool {
	if !strings.HasSuffix(path, ".deps.json") {
		return false
	}
	return !strings.HasPrefix(path, ".nuget/packages/") && !strings.Contains(path, "/.nuget/packages/") &&
		!fixture.In(path)
}

// Read reads the file at path and returns the packages that it says belong to the
// application: libraries of type package, and those of type runtimepack, the parts
// of .NET itself that an application brings with it, by the name of their package
// ("Microsoft.NETCore.App.Runtime.linux-x64"). The application's own projects and
// the assemblies that it was only compiled against are none. Where the file
// has targets, a package counts only if one of them names a file of it: the others
// are there for what they depend on, or their files are part of .NET.
//
// A library whose name or version cannot be one is an error; the packages of the
// others come with it.
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
	deployed  map[string]bool // keys of the libraries that a target names files of
	targets   bool            // there are targets
	n         int
}

// A library is called NAME/VERSION.
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
				first = fmt.Errorf("library %.*q", ident.Max, l.key)
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
