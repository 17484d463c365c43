package ruby

import (
	"strings"

	"assay/inspect/fixture"
	"assay/inspect/ident"
)

// Exts are the endings of the files that Read reads, where Wants says so.
func Exts() []string { return []string{".gemspec"} }

// Wants reports whether the file at path, relative to the root, is the
// specification of an installed gem. That is, of gems
//
//   - that are installed: HOME/specifications/NAME-VERSION.gemspec, whatever the
//     gem home: that of the system, a user, rbenv or rvm, Debian's
//     rubygems-integration, a bundle's vendor/bundle/ruby/3.1.0;
//   - that come with Ruby: HOME/specifications/default/NAME-VERSION.gemspec;
//   - that Bundler has from a git repository:
//     HOME/bundler/gems/REPOSITORY-COMMIT/NAME.gemspec, and NAME/NAME.gemspec for a
//     repository of several gems. Bundler puts the specification as RubyGems
//     writes it in the place of the source's.
//
// Not the gemspec within a gem or any other source tree, and nothing below folders
// of test data and documentation (package fixture) or in the tests of RubyGems.
func Wants(path string) bool {
	names := strings.Split(path, "/")
	n := len(names) - 1 // folders
	name, ok := strings.CutSuffix(names[n], ".gemspec")
	if !ok || name == "" || n == 0 || fixture.In(path) {
		return false
	}
	home := n
	if n > 1 && names[n-1] == "default" {
		home--
	}
	if names[home-1] == "specifications" {
		return !inGem(names[:home-1])
	}
	if names[n-1] == name {
		n--
	}
	return n > 2 && names[n-3] == "bundler" && names[n-2] == "gems" && strings.Contains(names[n-1], "-")
}

// inGem reports whether a gem home that lies below the folders of these names is
// part of a gem or of the source of RubyGems, so that nothing in it is installed.
// A folder gems of a gem home holds those of gems, NAME-VERSION; rvm keeps gem
// homes in such a folder, gems/ruby-3.1.0@app.
func inGem(names []string) bool {
	for i := range names {
		rest := names[i:]
		if len(rest) > 2 && rest[0] == "gems" && hasVersion(rest[1]) ||
			len(rest) == 2 && rest[0] == "test" && rest[1] == "rubygems" {
			return true
		}
	}
	return false
}

// hasVersion reports whether a folder's name is a gem's with its version.
func hasVersion(name string) bool {
	for i := 1; i < len(name)-1; i++ {
		if name[i] == '-' && ident.IsDigit(name[i+1]) && !ident.IsDigit(name[0]) {
			return true
		}
	}
	return false
}

// InContext reports whether what Wants wants can depend on a folder of this name in the
// path.
func InContext(name string) bool {
	switch name {
	case "specifications", "bundler", "gems", "default", "test":
		return true
	}
	return false
}
