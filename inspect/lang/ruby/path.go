package ruby

import (
	"strings"

	"assay/inspect/fixture"
	"assay/inspect/ident"
)

// Exts returns the extensions of the files that Wants decides about.
func Exts() []string { return []string{".gemspec"} }

// Wants reports whether the file at path, relative to the root, is the specification of
// an installed gem:
//
//   - HOME/specifications/NAME-VERSION.gemspec for installed gems. The gem home may be
//     that of the system, a user, rbenv or rvm, Debian's rubygems-integration, or a
//     bundle's vendor/bundle/ruby/3.1.0;
//   - HOME/specifications/default/NAME-VERSION.gemspec for gems that come with Ruby;
//   - HOME/bundler/gems/REPOSITORY-COMMIT/NAME.gemspec for gems that Bundler installs
//     from a git repository, and NAME/NAME.gemspec there for a repository with several
//     gems. Bundler replaces the gemspec in the repository by the specification that
//     RubyGems writes.
//
// The gemspec inside a gem or any other source tree does not count, and neither does
// anything below folders of test data and documentation (package fixture) or in the
// tests of RubyGems.
func Wants(path string) bool {
	names := strings.Split(path, "/")
	n := len(names) - 1 // number of folders
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

// inGem reports whether a gem home below the folders names is part of a gem or of the
// source of RubyGems, so that nothing in it is installed. The folder gems of a gem home
// contains gems, NAME-VERSION; rvm keeps gem homes in a folder of the same name,
// gems/ruby-3.1.0@app.
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

// hasVersion reports whether the name of a folder is that of a gem with its version.
func hasVersion(name string) bool {
	for i := 1; i < len(name)-1; i++ {
		if name[i] == '-' && ident.IsDigit(name[i+1]) && !ident.IsDigit(name[0]) {
			return true
		}
	}
	return false
}

// InContext reports whether the result of Wants can depend on a folder of this name in
// the path.
func InContext(name string) bool {
	switch name {
	case "specifications", "bundler", "gems", "default", "test":
		return true
	}
	return false
}
