// Package golang reads what the Go toolchain stores in each program and library: the
// version of the toolchain, and the modules that were built in.
package golang

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"assay/inspect/elf"
	"assay/inspect/inventory"
)

// Kind is the kind of the evidence.
const Kind = "go"

// Type is the purl type of modules.
const Type = "golang"

// Stdlib is the name of the standard library and runtime, as in the advisories for
// them.
const Stdlib = "stdlib"

// noVersion is the version that the toolchain records for a module that was built from
// a folder. The actual version is unknown.
const noVersion = "(devel)"

// Read returns the modules in the program at path, like "go version -m", including the
// program's own, and the toolchain as the package stdlib. For a replaced module it
// returns the replacement. If the replacement is a folder, the version is "(devel)",
// which is often also the version of the program itself. A program that is not written
// in Go has no modules, which is not an error.
//
// The file must have been opened with Sections.
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

// packages returns the packages in the build information: the version of the toolchain,
// and the list of modules in the format of runtime/debug.
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
		version = noVersion // the path of the replacement is that of a folder
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

// release returns the version of a toolchain as advisories write it: without "go", and
// without the experiments that follow a space. A version without "go" is returned
// unchanged.
func release(toolchain string) string {
	version, _, _ := strings.Cut(toolchain, " ")
	if rest, ok := strings.CutPrefix(version, "go"); ok && rest != "" {
		return rest
	}
	return toolchain
}
