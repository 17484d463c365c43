// Package golang reads what the Go toolchain stores in each program and library: the
// version of the toolchain, and the modules that were built in.
package golang

import (
	"cmp"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
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
// program's own, and the toolchain as the package stdlib. Each package says which of its Go
// packages are linked, if the program's table of functions can be read. For a replaced module it
// returns the replacement. If the replacement is a folder, the version is "(devel)",
// which is often also the version of the program itself, unless its build has written its
// version into a variable. A program that is not written in Go has no modules, which is not an
// error.
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
	found, info, err := packages(toolchain, text, path)
	if err != nil {
		return found, err
	}
	if info.Main.Path != "" && found[1].Version == noVersion {
		found[1].Version = cmp.Or(stamped(f, info), noVersion)
	}
	linked, err := linkedPackages(f)
	if errors.Is(err, errNoTable) {
		return found, nil // nothing is known of what is linked, and nothing is claimed
	}
	if err != nil {
		return found, fmt.Errorf("go table of functions: %w", err)
	}
	setLinked(found, info, linked)
	return found, nil
}

// packages returns the packages in the build information: the version of the toolchain, the
// program's own module if it has one, and the others in the order of the list. The list of
// modules has the format of runtime/debug.
func packages(toolchain, modules, path string) ([]inventory.Package, *debug.BuildInfo, error) {
	found := []inventory.Package{pack(Stdlib, release(toolchain), path)}
	info, err := debug.ParseBuildInfo(modules)
	if err != nil {
		return found, nil, fmt.Errorf("go build information: %w", err)
	}
	if info.Main.Path != "" {
		found = append(found, module(&info.Main, path))
	}
	for _, dep := range info.Deps {
		found = append(found, module(dep, path))
	}
	return found, info, nil
}

// setLinked sets what is linked of the packages that the function packages returned, except
// of the program's own module. In a program that does not name its own module, the packages
// of the standard library cannot be told apart from its own, which are private. Neither can they
// from those of a module with a path like "log", which a folder may replace.
func setLinked(found []inventory.Package, info *debug.BuildInfo, linked map[string]bool) {
	var modules []string
	for _, dep := range info.Deps {
		modules = append(modules, dep.Path) // import paths are those before a replacement
	}
	in := linkedOf(linked, info.Main.Path, modules)
	if info.Main.Path != "" && !slices.ContainsFunc(append(modules, info.Main.Path), standard) {
		found[0].Linked = inventory.LinkedOf(in[Stdlib])
	}
	for i, path := range modules {
		found[len(found)-len(modules)+i].Linked = inventory.LinkedOf(in[path])
	}
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

// standard reports whether the path of a program's own module may be the beginning of import
// paths of the standard library, whose packages then cannot be told apart from its own.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return slices.Contains(roots(), first)
}

// roots returns the first elements of the import paths of the standard library.
func roots() []string {
	return []string{
		"archive", "bufio", "bytes", "cmp", "compress", "container", "context", "crypto", "database", "debug", "embed",
		"encoding", "errors", "expvar", "flag", "fmt", "go", "hash", "html", "image", "index", "internal", "io", "iter", "log",
		"maps", "math", "mime", "net", "os", "path", "plugin", "reflect", "regexp", "runtime", "slices", "sort", "strconv",
		"strings", "structs", "sync", "syscall", "testing", "text", "time", "unicode", "unique", "unsafe", "vendor", "weak",
	}
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
