// Package golang reads what the Go toolchain leaves in each program and library
// that it makes: its own version, and the modules that were built in.
package golang

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"assay/inspect/elf"
	"assay/inspect/inventory"
)

// Kind is the evidence's kind of what this package reads.
const Kind = "go"

// Type is the purl type of modules.
const Type = "golang"

// Stdlib is the name of what the toolchain itself puts into a program, as the
// advisories for the standard library have it.
const Stdlib = "stdlib"

// noVersion is what the toolchain calls the version of what was built from a
// folder: nobody can say which it is.
const noVersion = "(devel)"

// Read returns the modules in the program at path as "go version -m" tells them,
// its own among them, and the toolchain as the package stdlib. A module that was
// replaced is the one that took its place; one that a folder took the place of has
// the version "(devel)", as the program itself often has. A program without Go in
// it has none, and gives no error.
//
// The file has been opened with Sections.
func Read(f *elf.File, path string) ([]inventory.Package, error) {
	toolchain, text, err := buildInfo(f)
	if errors.Is(err, errNotGo) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("go build information: %w", err)
	}
	return packages(toolchain, text, path)
}

// packages returns what the build information says: the version of the toolchain,
// and the list of modules as runtime/debug writes it.
func packages(toolchain, modules, path string) ([]inventory.Package, error) {
	found := []inventory.Package{pack(Stdlib, release(toolchain), path)}
	info, err := debug.ParseBuildInfo(modules)
	if err != nil {
		return found, fmt.Errorf("go build information: %w", err)
	}
	if info.Main.Path != "" {
		found = append(found, module(&info.Main, path))
	}
	for _, dep := range info.Deps {
		found = append(found, module(dep, path))
	}
	return found, nil
}

func module(m *debug.Module, path string) inventory.Package {
	name, version := m.Path, m.Version
	switch by := m.Replace; {
	case by != nil && by.Version != "" && by.Version != noVersion:
		name, version = by.Path, by.Version
	case by != nil || version == "":
		version = noVersion // the path of a replacement is that of a folder
	}
	return pack(name, version, path)
}

func pack(name, version, path string) inventory.Package {
	return inventory.Package{
		Type:       Type,
		Name:       inventory.Text(name),
		Version:    inventory.Text(version),
		Evidence:   []inventory.Evidence{{Path: path, Kind: Kind}},
		EmbeddedIn: path,
	}
}

// release returns the version of a toolchain as advisories write it: without "go",
// and without the experiments that follow after a blank. What is none stays as it is.
func release(toolchain string) string {
	version, _, _ := strings.Cut(toolchain, " ")
	if rest, ok := strings.CutPrefix(version, "go"); ok && rest != "" {
		return rest
	}
	return toolchain
}
