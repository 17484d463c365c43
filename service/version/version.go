// Package version orders the versions of each ecosystem. The orders of dpkg, rpm, apk and
// semantic versions are implemented in the packages below this one. All others come from
// osv-scalibr.
package version

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/osv-scalibr/semantic"

	"assay/service/version/alpm"
	"assay/service/version/apk"
	"assay/service/version/dpkg"
	"assay/service/version/rpm"
	"assay/service/version/semver"
)

// A Compare orders two versions: it returns -1, 0 or +1 if a is older than, equal to or
// newer than b. It fails if one of them is invalid, whatever the other is.
type Compare func(a, b string) (int, error)

// An Order is the order of versions in an ecosystem. The zero value orders none.
type Order struct {
	// compare orders versions without parsing them first.
	compare Compare
	// parse parses a version, for orders where that takes the most time. compare is nil
	// then.
	parse func(string) (semantic.Version, error)
	// numbers is how the order compares versions of numbers and dots, which most are. They
	// need not be parsed.
	numbers numbering
}

// For returns the order of an ecosystem of the OSV schema, with or without a release
// ("Debian:12"). It is not ok for an unknown ecosystem. "SemVer" and "RPM" are orders that
// many ecosystems have. "Amazon Linux", "Fedora" and "Oracle Linux" are ecosystems without
// a name in the schema. The package formats "apk", "deb" and "rpm" have the orders of
// their tools.
//
// The order of Packagist is that of PHP's version_compare. "Composer" is the order of
// Composer, which normalises versions first.
//
// Vendors that fix the packages of others put their name before the ecosystem
// ("Root:Debian:12", "TuxCare:PyPI"). The order is that of the ecosystem.
func For(ecosystem string) (order Order, ok bool) {
	name, release, _ := strings.Cut(ecosystem, ":")
	switch name {
	case "deb", "Debian", "Ubuntu", "Echo":
		return Order{compare: dpkg.Compare}, true
	case "AlmaLinux", "Amazon Linux", "Azure Linux", "Fedora", "Mageia", "openEuler", "openSUSE",
		"Oracle Linux", "Photon OS", "Red Hat", "Rocky Linux", "rpm", "RPM", "SUSE":
		return Order{compare: rpm.Compare}, true
	case "alpm", "Arch Linux":
		return Order{compare: alpm.Compare}, true
	case "apk", "Alpaquita", "Alpine", "BellSoft Hardened Containers", "Chainguard", "CleanStart", "MinimOS", "SecureOS", "Wolfi":
		return Order{compare: apk.Compare}, true
	case "Bioconductor", "crates.io", "Docker Hardened Images", "GHC", "GitHub Actions", "Go", "Hex",
		"Kubernetes", "npm", "SemVer", "SwiftURL", "VSCode":
		return Order{compare: semver.Compare}, true
	case "ConanCenter":
		return Order{compare: compareConan}, true
	case "Julia", "Pub":
		return Order{compare: semver.CompareBuild}, true
	case "Bitnami":
		return Order{compare: semver.CompareRevision}, true
	case "PyPI":
		return Order{parse: parser(semantic.ParsePyPIVersion), numbers: padded}, true
	case "CRAN":
		return Order{parse: parser(semantic.ParseCRANVersion)}, true
	case "Hackage":
		return Order{parse: parser(semantic.ParseHackageVersion)}, true
	case "Maven", "Jenkins": // Jenkins builds with Maven
		return Order{parse: lenient(semantic.ParseMavenVersion), numbers: padded}, true
	case "NuGet":
		return Order{parse: numbered(semantic.ParseNuGetVersion), numbers: padded}, true
	case "Packagist":
		return Order{parse: lenient(semantic.ParsePackagistVersion), numbers: longer}, true
	case "Composer":
		return Order{parse: parser(parseComposer), numbers: padded}, true
	case "CPE":
		return Order{compare: compareProgram}, true
	case "WordPress":
		return Order{parse: parser(parseWordPress), numbers: padded}, true
	case "RubyGems":
		return Order{parse: numbered(parseGem), numbers: padded}, true
	case "Root", "Seal", "TuxCare":
		return For(release)
	}
	return Order{}, false
}

// Comparer returns a comparison that remembers parsed versions, for comparing a few
// versions many times. It is not safe for concurrent use.
func (o Order) Comparer() Compare {
	switch {
	case o.compare != nil:
		return o.compare
	case o.parse == nil:
		return func(string, string) (int, error) { return 0, errNoOrder }
	}
	known := make(map[string]semantic.Version)
	parse := func(s string) (semantic.Version, error) {
		if v, ok := known[s]; ok {
			return v, nil
		}
		v, err := o.parseBounded(s)
		if err == nil && len(known) < maxKnown {
			known[s] = v
		}
		return v, err
	}
	return func(a, b string) (int, error) {
		if c, ok := o.numbers.compare(a, b); ok {
			return c, nil
		}
		va, err := parse(a)
		if err != nil {
			return 0, err
		}
		vb, err := parse(b)
		if err != nil {
			return 0, err
		}
		c, err := va.Compare(vb)
		if err != nil {
			return 0, fmt.Errorf("versions %.100q and %.100q: %w", a, b, err)
		}
		return c, nil
	}
}

// Bounds of parsing. The longest genuine version has 72 bytes.
const (
	maxLength = 256  // bytes of a version
	maxKnown  = 4096 // versions that a Comparer remembers
)

var (
	errNoOrder = errors.New("unknown order of versions")
	errEmpty   = errors.New("is empty")
	errLong    = fmt.Errorf("is longer than %d bytes", maxLength)
	errStart   = errors.New("does not begin with a number")
)

// parseBounded parses a version that is neither empty nor too long.
func (o Order) parseBounded(s string) (semantic.Version, error) {
	switch {
	case s == "":
		return nil, fmt.Errorf("version %q %w", s, errEmpty)
	case len(s) > maxLength:
		return nil, fmt.Errorf("version %.100q %w", s, errLong)
	}
	v, err := o.parse(s)
	if err != nil {
		return nil, fmt.Errorf("version %q: %w", s, err)
	}
	return v, nil
}

// parseGem parses a version of RubyGems, in which a hyphen begins a pre-release: 1.0-1 is
// 1.0.pre.1.
func parseGem(s string) semantic.RubyGemsVersion {
	return semantic.ParseRubyGemsVersion(strings.ReplaceAll(s, "-", ".pre."))
}

// parser adapts one of osv-scalibr's functions to parse.
func parser[V semantic.Version](parse func(string) (V, error)) func(string) (semantic.Version, error) {
	return func(s string) (semantic.Version, error) {
		v, err := parse(s)
		return v, err
	}
}

// lenient is a parser for an order in which any text is a version.
func lenient[V semantic.Version](parse func(string) V) func(string) (semantic.Version, error) {
	return func(s string) (semantic.Version, error) { return parse(s), nil }
}

// numbered is a lenient parser for an order in which versions begin with a number, after
// blanks or a "v".
func numbered[V semantic.Version](parse func(string) V) func(string) (semantic.Version, error) {
	return func(s string) (semantic.Version, error) {
		s = strings.TrimSpace(s)
		if t := strings.TrimPrefix(s, "v"); t == "" || t[0] < '0' || t[0] > '9' {
			return nil, errStart
		}
		return parse(s), nil
	}
}
