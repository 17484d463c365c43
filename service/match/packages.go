package match

import (
	"slices"
	"strings"

	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/version"
)

// A scheme is how packages of one purl type are looked up and compared.
type scheme struct {
	typ string // purl type of the packages
	// ecosystems hold the advisories that speak of them. Where ranked, the most
	// telling is first: "Ubuntu:Pro:22.04:LTS", "Ubuntu:22.04:LTS", "Ubuntu".
	ecosystems []string
	joined     string // ecosystems as one
	// extended is the minor release of Red Hat Enterprise Linux ("8.4") whose extended
	// support has ecosystems before those of the whole release; empty for none.
	extended string
	ranked   bool
	order    version.Order
	names    naming
	// spellings: versions that compare as equal are one release, so a listed
	// version may be written in another way.
	spellings bool
}

// hold leaves those ecosystems that are held.
func (s *scheme) hold(held []string) {
	s.ecosystems, s.joined = held, strings.Join(held, "\x00")
}

// A naming is which of a package's names advisories use.
type naming int

const (
	byName   naming = iota // its own
	bySource               // that of its source package
	byBoth                 // its own and that of its source package
)

// language returns how the packages of a purl type that belongs to no operating
// system are looked up; ok is false for a type that no advisories are known of.
func language(typ string, origin origin) (s scheme, ok bool) {
	ecosystem, order := "", ""
	switch typ {
	case "bioconductor":
		ecosystem = "Bioconductor"
	case "bitnami":
		ecosystem = "Bitnami"
	case "cargo":
		ecosystem = "crates.io"
	case "composer":
		ecosystem, order = "Packagist", "Composer"
	case "conan":
		ecosystem = "ConanCenter"
	case "cran":
		ecosystem = "CRAN"
	case "gem":
		ecosystem = "RubyGems"
	case "githubactions":
		ecosystem = "GitHub Actions"
	case "golang":
		ecosystem = "Go"
	case "hackage":
		ecosystem = "Hackage"
	case "hex":
		ecosystem = "Hex"
	case "julia":
		ecosystem = "Julia"
	case "maven":
		ecosystem = "Maven"
	case "npm":
		ecosystem = "npm"
	case "nuget":
		ecosystem = "NuGet"
	case "pub":
		ecosystem = "Pub"
	case "pypi":
		ecosystem = "PyPI"
	case "swift":
		ecosystem = "SwiftURL"
	default:
		return scheme{}, false
	}
	s = scheme{typ: typ, ecosystems: []string{ecosystem}, spellings: true}
	if order == "" {
		order = ecosystem
	}
	s.order, ok = version.For(order)
	switch {
	case origin == fromRoot:
		s.ecosystems = []string{"Root:" + ecosystem}
	case origin == fromDrupal && typ == "composer":
		s.ecosystems = append(s.ecosystems, "Packagist:https://packages.drupal.org/8")
	}
	return s, ok
}

// An origin is where a package comes from if its name shows that it has
// advisories of its own.
type origin int

const (
	fromAnywhere origin = iota
	fromRoot            // Root, which mends the packages of others
	fromDrupal          // Drupal, whose modules have a repository of their own
)

// originOf tells the origin of a package: "rootio-jq", "@rootio/json-schema",
// "io.root.org.springframework:spring-core", "drupal/core".
func originOf(name string) origin {
	switch {
	case strings.HasPrefix(name, "rootio-"), strings.HasPrefix(name, "@rootio/"), strings.HasPrefix(name, "io.root."):
		return fromRoot
	case strings.HasPrefix(name, "drupal/"):
		return fromDrupal
	}
	return fromAnywhere
}

// NormalName returns the one spelling under which a package of the ecosystem is
// kept and looked up:
//
//   - PyPI: as PEP 503 has it, lower case and a hyphen for any run of ".-_".
//   - crates.io: lower case, "_" as "-", since Cargo keeps no two apart by them.
//   - Bitnami, GitHub Actions, NuGet, Packagist: lower case, as they do not tell
//     cases apart.
//   - Go: lower case, since the purl specification wants paths so and many tools
//     write them so, and no two modules differ by case alone; "!x" of the module
//     cache's escaping is "x".
//   - SwiftURL: lower case, without scheme and ".git".
//   - All others, npm and Maven among them: as it stands.
func NormalName(ecosystem, name string) string {
	for {
		vendor, rest, _ := strings.Cut(ecosystem, ":")
		if vendor != "Root" && vendor != "Seal" && vendor != "TuxCare" {
			ecosystem = vendor
			break
		}
		ecosystem = rest
	}
	switch ecosystem {
	case "PyPI":
		words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
			return r == '-' || r == '_' || r == '.'
		})
		return strings.Join(words, "-")
	case "crates.io":
		return strings.ReplaceAll(strings.ToLower(name), "_", "-")
	case "Bitnami", "GitHub Actions", "NuGet", "Packagist":
		return strings.ToLower(name)
	case "Go":
		return strings.ReplaceAll(strings.ToLower(name), "!", "")
	case "SwiftURL":
		name = strings.TrimPrefix(strings.ToLower(name), "https://")
		return strings.TrimSuffix(name, ".git")
	}
	return name
}

// goVersion returns a version of Go itself ("go1.22rc1", "1.22") as the advisories
// for the pseudo-modules stdlib and toolchain write it, 1.22.0-rc.1. What follows
// after a blank are experiments and the like.
func goVersion(v string) string {
	v, _, _ = strings.Cut(strings.TrimPrefix(v, "go"), " ")
	for _, word := range [...]string{"beta", "rc"} {
		if numbers, n, ok := strings.Cut(v, word); ok && digits(n) && !strings.HasSuffix(numbers, "-") {
			return numbers + "-" + word + "." + n
		}
	}
	return v
}

// A subject is a package as it is judged: packages that differ in nothing of it
// have the same findings.
type subject struct {
	scheme  *scheme
	name    string
	source  string
	version string // of what is looked up
	stream  string // module stream, "nodejs:18"; empty where it has none or nobody says
	modular bool   // it is a module's build
	// noEpoch: nobody says the epoch of the version, so none is compared.
	noEpoch bool
	// owner is what the distribution says of its package that this one lies in,
	// and owned says how; nil where it stands for itself.
	owner *judgement
	owned string
	// embedded: it is built into a program of the owner.
	embedded bool
	// answered: the distribution that built the owner answers for it.
	answered bool
	// alone: nobody else does, and what is found is shown only.
	alone bool
}

// subjectOf returns what a package is judged as by a scheme.
func subjectOf(p inventory.Package, by *scheme) subject {
	s := subject{scheme: by, name: p.Name, source: p.Source, version: p.Version}
	if s.source == "" {
		s.source = p.Name
	}
	switch {
	case by.names == bySource && p.SourceVersion != "":
		s.version = p.SourceVersion
	case p.Type == "gem":
		s.version = gemVersion(p.Version)
	case p.Type == "golang" && (p.Name == "stdlib" || p.Name == "toolchain"):
		s.version = goVersion(p.Version)
	}
	if p.Type == rpm {
		name, rest, ok := strings.Cut(p.Module, ":")
		if ok {
			stream, _, _ := strings.Cut(rest, ":")
			s.stream = name + ":" + stream
		}
		s.modular = ok || modular(p.Version)
	}
	return s
}

// gemVersion returns the version of a gem without the platform that it was built
// for, which many tools write behind it: 1.15.4 of "1.15.4-x86_64-linux".
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

// public returns the version of a subject that an entry is compared with. The local label
// of a Python version ("2.12.0+cu128") tells builds of one release apart, and does
// not count where the entry's versions have none.
func (s subject) public(e Affected) string {
	if s.scheme.typ != "pypi" {
		return s.version
	}
	public, _, ok := strings.Cut(s.version, "+")
	if !ok || slices.ContainsFunc(e.Versions, labelled) || slices.ContainsFunc(e.Ranges, func(r Range) bool {
		return slices.ContainsFunc(r.Events, func(ev advisory.Event) bool {
			return labelled(ev.Introduced) || labelled(ev.Fixed) || labelled(ev.LastAffected) || labelled(ev.Limit)
		})
	}) {
		return s.version
	}
	return public
}

func labelled(version string) bool { return strings.Contains(version, "+") }

// comparer returns the order of the subject's versions.
func (s subject) comparer() version.Compare {
	compare := s.scheme.order.Comparer()
	if !s.noEpoch {
		return compare
	}
	return func(a, b string) (int, error) { return compare(withoutEpoch(a), withoutEpoch(b)) }
}

// withoutEpoch returns a version of an rpm or Debian package without its epoch.
func withoutEpoch(v string) string {
	if epoch, rest, ok := strings.Cut(v, ":"); ok && digits(epoch) {
		return rest
	}
	return v
}

// addEpoch completes the version of an rpm package's source, which is known by the
// name of a file, in which no epoch can stand. It is that of a package built from
// it under its version: of perl-libs 4:5.26.3, but not of perl-Errno 1.28, which
// has a version of its own.
func (m *matcher) addEpoch(p inventory.Package, s subject) subject {
	if p.Type != rpm || s.scheme.names != bySource || p.SourceVersion == "" || strings.Contains(p.SourceVersion, ":") {
		return s
	}
	if epoch, ok := epochFor(p); ok {
		s.version = epoch + s.version
		return s
	}
	if m.epochs == nil {
		m.epochs = make(map[[2]string]string)
		for _, p := range m.packages {
			if epoch, ok := epochFor(p); ok && p.Type == rpm {
				m.epochs[[2]string{p.Source, p.SourceVersion}] = epoch
			}
		}
	}
	epoch, ok := m.epochs[[2]string{p.Source, p.SourceVersion}]
	s.version, s.noEpoch = epoch+s.version, !ok
	return s
}

// epochFor returns the epoch that an rpm package knows of its source, with its
// colon; ok is false where it has another version than that.
func epochFor(p inventory.Package) (epoch string, ok bool) {
	rest := withoutEpoch(p.Version)
	return strings.TrimSuffix(p.Version, rest), rest == p.SourceVersion
}

// lookups returns the names under which a subject is looked up.
func (s subject) lookups() []string {
	switch {
	case s.scheme.names == bySource:
		return []string{s.source}
	case s.scheme.names == byBoth && s.source != s.name:
		return []string{s.name, s.source}
	}
	return []string{s.name}
}

// shownName is the name by which a subject is spoken of.
func (s subject) shownName() string {
	if s.scheme.names == bySource {
		return s.source
	}
	return s.name
}
