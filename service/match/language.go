package match

import (
	"cmp"
	"slices"
	"strings"

	"assay/service/distro"
	"assay/service/version"
)

// A language is how the packages of a purl type that belongs to no operating system
// are looked up.
type language struct {
	typ, ecosystem string
	// order is the ecosystem of the order of versions, if it is another one.
	order string
	// empty: the ecosystem is a name of the OSV schema under which nobody publishes
	// advisories.
	empty bool
}

// wordPress is the purl type of WordPress, its plugins and its themes.
const wordPress = "wordpress"

// languages has every purl type that has an ecosystem of its own.
var languages = []language{
	{typ: "bioconductor", ecosystem: "Bioconductor", empty: true},
	{typ: "bitnami", ecosystem: "Bitnami"},
	{typ: "cargo", ecosystem: "crates.io"},
	{typ: "composer", ecosystem: "Packagist", order: "Composer"},
	{typ: "conan", ecosystem: "ConanCenter", empty: true},
	{typ: "cran", ecosystem: "CRAN"},
	{typ: generic, ecosystem: "CPE"},
	{typ: "gem", ecosystem: "RubyGems"},
	{typ: "githubactions", ecosystem: "GitHub Actions"},
	{typ: "golang", ecosystem: "Go"},
	{typ: "hackage", ecosystem: "Hackage"},
	{typ: "hex", ecosystem: "Hex"},
	{typ: "jenkins", ecosystem: "Jenkins"},
	{typ: "julia", ecosystem: "Julia"},
	{typ: "maven", ecosystem: "Maven"},
	{typ: "npm", ecosystem: "npm"},
	{typ: "nuget", ecosystem: "NuGet"},
	{typ: "pub", ecosystem: "Pub"},
	{typ: "pypi", ecosystem: "PyPI"},
	{typ: "swift", ecosystem: "SwiftURL"},
	{typ: wordPress, ecosystem: "WordPress"},
}

// generic is the purl type of programs that no package manager has. They are looked up by the
// vendor and the product of their CPE.
const generic = "generic"

// languageOf returns the language of a purl type. It is not ok for a type that no
// advisories exist for.
func languageOf(typ string) (l language, ok bool) {
	i := slices.IndexFunc(languages, func(l language) bool { return l.typ == typ })
	if i < 0 {
		return language{}, false
	}
	return languages[i], true
}

// Covered reports whether public sources publish advisories for packages of a purl
// type.
func Covered(typ string) bool {
	l, ok := languageOf(typ)
	return ok && !l.empty
}

// LanguageEcosystem returns the ecosystem of a name, which is a purl type ("pypi") or
// an ecosystem ("PyPI"), in any case.
func LanguageEcosystem(name string) (ecosystem string, ok bool) {
	for _, l := range languages {
		if strings.EqualFold(name, l.typ) || strings.EqualFold(name, l.ecosystem) {
			return l.ecosystem, true
		}
	}
	return "", false
}

// EcosystemOf returns the ecosystem of the packages of a purl type ("PyPI" for "pypi"). It is
// not ok for an unknown type, and for programs, which have none in the OSV schema.
func EcosystemOf(typ string) (ecosystem string, ok bool) {
	l, ok := languageOf(typ)
	return l.ecosystem, ok && typ != generic
}

// VersionOrder returns the order of the versions of packages of a purl type. It is not ok
// for an unknown type.
func VersionOrder(typ string) (version.Order, bool) {
	if distro.SystemPackage(typ) {
		return version.For(typ)
	}
	l, ok := languageOf(typ)
	if !ok {
		return version.Order{}, false
	}
	return version.For(l.versions())
}

// versions returns the ecosystem of the order of versions.
func (l language) versions() string { return cmp.Or(l.order, l.ecosystem) }

// rulesFor returns the rules for the packages of a purl type and origin. They are not
// ok for a type that no advisories exist for.
func rulesFor(typ string, origin origin) (r rules, ok bool) {
	l, ok := languageOf(typ)
	if !ok {
		return rules{}, false
	}
	r = rules{typ: typ, ecosystems: []distro.Ecosystem{{Name: l.ecosystem}}, spellings: true}
	r.order, ok = version.For(l.versions())
	switch {
	case origin == fromRoot:
		r.ecosystems[0].Name = "Root:" + l.ecosystem
	case origin == fromDrupal && typ == "composer":
		r.ecosystems = append(r.ecosystems, distro.Ecosystem{Name: "Packagist:https://packages.drupal.org/8"})
	case typ == wordPress:
		// It has records only of what the operator of the service has named.
		r.ecosystems = append(r.ecosystems, distro.Ecosystem{Name: "WordPress:WPVulnerability"})
	case origin == fromJenkins && typ == "maven":
		r.ecosystems = append(r.ecosystems, distro.Ecosystem{Name: "Jenkins"})
	}
	return r, ok
}

// An origin is where a package comes from if its name shows that it has advisories of
// its own.
type origin int

const (
	fromAnywhere origin = iota
	fromRoot            // Root, which fixes the packages of others
	fromDrupal          // Drupal, whose modules have a repository of their own
	fromJenkins         // Jenkins and its plugins, which other tools name by Maven's coordinates
)

// originOf returns the origin that a package's name shows: "rootio-jq",
// "@rootio/json-schema", "io.root.org.springframework:spring-core", "drupal/core".
func originOf(name string) origin {
	switch {
	case strings.HasPrefix(name, "rootio-"), strings.HasPrefix(name, "@rootio/"), strings.HasPrefix(name, "io.root."):
		return fromRoot
	case strings.HasPrefix(name, "drupal/"):
		return fromDrupal
	}
	if group, _, ok := strings.Cut(name, ":"); ok {
		for _, jenkins := range [...]string{"org.jenkins-ci", "io.jenkins.plugins", "org.jvnet.hudson", "org.jenkinsci.plugins", "com.cloudbees.jenkins.plugins"} {
			if rest, ok := strings.CutPrefix(group, jenkins); ok && (rest == "" || rest[0] == '.') {
				return fromJenkins
			}
		}
	}
	return fromAnywhere
}

// goVersion returns a version of Go itself ("go1.22rc1", "1.22") in the form of the
// advisories for the pseudo-modules stdlib and toolchain: 1.22.0-rc.1. What follows
// after a blank, such as experiments, is dropped.
func goVersion(v string) string {
	v, _, _ = strings.Cut(strings.TrimPrefix(v, "go"), " ")
	for _, word := range [...]string{"beta", "rc"} {
		if numbers, n, ok := strings.Cut(v, word); ok && version.Digits(n) && !strings.HasSuffix(numbers, "-") {
			return numbers + "-" + word + "." + n
		}
	}
	return v
}

// gemVersion returns the version of a gem without the platform that it was built for,
// which many tools add to it: 1.15.4 of "1.15.4-x86_64-linux".
func gemVersion(v string) string {
	version, platform, ok := strings.Cut(v, "-")
	if !ok {
		return v
	}
	cpu, _, _ := strings.Cut(platform, "-")
	switch cpu {
	case "aarch64", "amd64", "arm", "arm64", "armv6l", "armv7l", "i386", "i486", "i586", "i686", "java", "jruby", "loongarch64", "mingw32",
		"mswin32", "mswin64", "powerpc", "ppc64", "ppc64le", "riscv64", "s390x", "sparc", "universal", "x64", "x86", "x86_64":
		return version
	}
	return v
}
