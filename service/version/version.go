// Package version knows how each ecosystem orders its versions. The orders of
// dpkg, rpm, apk and semantic versions are the project's own, in the packages
// below; all others come from osv-scalibr.
package version

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/osv-scalibr/semantic"

	"assay/service/version/apk"
	"assay/service/version/dpkg"
	"assay/service/version/rpm"
	"assay/service/version/semver"
)

// A Compare orders two versions: -1, 0 or +1 as a is older than, equal to or
// newer than b. It fails for what is no version, and whether it does depends on
// each version alone.
type Compare func(a, b string) (int, error)

// An Order is how an ecosystem orders its versions. Its zero value orders none.
type Order struct {
	// compare orders versions as they stand.
	compare Compare
	// parse takes a version apart, for orders where that is what costs; compare
	// is nil then.
	parse func(string) (semantic.Version, error)
	// numbers is how the order compares numbers with dots between them, which
	// most versions are and need not be taken apart for.
	numbers numbering
}

// For returns the order of an ecosystem of the OSV schema, with or without a
// release ("Debian:12"), and ok false where there is none. "SemVer" and "RPM"
// name orders that many ecosystems have, and "Amazon Linux", "Fedora" and
// "Oracle Linux" are ecosystems that the schema has no name for.
//
// Packagist's order is that of PHP's version_compare, of versions as they
// stand; "Composer" is the order of what installs them, which fills them up
// first.
//
// Vendors that mend others' packages put their name before the ecosystem
// ("Root:Debian:12", "TuxCare:PyPI"); the order is that of the ecosystem.
func For(ecosystem string) (order Order, ok bool) {
	name, release, _ := strings.Cut(ecosystem, ":")
	switch name {
	case "Debian", "Ubuntu", "Echo":
		return Order{compare: dpkg.Compare}, true
	case "AlmaLinux", "Amazon Linux", "Azure Linux", "Fedora", "Mageia", "openEuler", "openSUSE",
		"Oracle Linux", "Photon OS", "Red Hat", "Rocky Linux", "RPM", "SUSE":
		return Order{compare: rpm.Compare}, true
	case "Alpaquita", "Alpine", "BellSoft Hardened Containers", "Chainguard", "CleanStart", "MinimOS", "Wolfi":
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
	case "Maven":
		return Order{parse: lenient(semantic.ParseMavenVersion), numbers: padded}, true
	case "NuGet":
		return Order{parse: numbered(semantic.ParseNuGetVersion), numbers: padded}, true
	case "Packagist":
		return Order{parse: lenient(semantic.ParsePackagistVersion), numbers: longer}, true
	case "Composer":
		return Order{parse: parser(parseComposer), numbers: padded}, true
	case "RubyGems":
		return Order{parse: numbered(parseGem), numbers: padded}, true
	case "Root", "Seal", "TuxCare":
		return For(release)
	}
	return Order{}, false
}

// Comparer returns a comparison that remembers the versions that it took apart,
// for comparing few versions with each other many times. It is not safe for
// concurrent use.
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
		v, err := o.take(s)
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

// Bounds of what an order takes apart. The longest genuine version has 72 bytes.
const (
	maxLength = 256  // bytes of a version
	maxKnown  = 4096 // versions that a Comparer remembers
)

var (
	errNoOrder = errors.New("no order of versions is known")
	errEmpty   = errors.New("is empty")
	errLong    = fmt.Errorf("is longer than %d bytes", maxLength)
	errStart   = errors.New("does not begin with a number")
)

// take takes one version apart.
func (o Order) take(s string) (semantic.Version, error) {
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

// parseGem parses a version of RubyGems, for which a hyphen begins a
// pre-release: 1.0-1 is 1.0.pre.1.
func parseGem(s string) semantic.RubyGemsVersion {
	return semantic.ParseRubyGemsVersion(strings.ReplaceAll(s, "-", ".pre."))
}

// parser makes a parse of one of osv-scalibr's functions.
func parser[V semantic.Version](parse func(string) (V, error)) func(string) (semantic.Version, error) {
	return func(s string) (semantic.Version, error) {
		v, err := parse(s)
		return v, err
	}
}

// lenient is a parser that takes any text for a version.
func lenient[V semantic.Version](parse func(string) V) func(string) (semantic.Version, error) {
	return func(s string) (semantic.Version, error) { return parse(s), nil }
}

// numbered is a lenient one for an order whose versions begin with a number,
// after blanks or a "v".
func numbered[V semantic.Version](parse func(string) V) func(string) (semantic.Version, error) {
	return func(s string) (semantic.Version, error) {
		s = strings.TrimSpace(s)
		if t := strings.TrimPrefix(s, "v"); t == "" || t[0] < '0' || t[0] > '9' {
			return nil, errStart
		}
		return parse(s), nil
	}
}
