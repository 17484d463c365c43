// Package ignore reads files of exceptions: .assayignore.yaml, the .trivyignore and
// .trivyignore.yaml of Trivy, and the rules under "ignore" in the .grype.yaml of Grype. It
// matches them with findings, and writes them in the format of .assayignore.yaml.
package ignore

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"assay/remote/purl"
	"assay/service/advisory"
	"assay/service/match"
	"assay/verdict"
)

// The formats of files.
const (
	Assay     = "assayignore"
	TrivyText = "trivyignore"
	TrivyYAML = "trivyignore.yaml"
	Grype     = "grype"
)

// A File is a file of exceptions.
type File struct {
	Name   string
	Format string
	Rules  []*Rule
}

// A Rule accepts the findings that meet all of its conditions. Those that are empty do not
// count.
type Rule struct {
	Line int
	// ID is the id or an alias of the vulnerability.
	ID string
	// PURLs are packages, one of which must be that of the finding. What a purl does not
	// name may be anything.
	PURLs []string
	// Package and Source are the names of the package and of its source package. A Maven
	// package also has the name of its artifact alone.
	// PackagePattern and SourcePattern are regular expressions of whole names.
	Package, Source               string
	PackagePattern, SourcePattern string
	// Types are purl types.
	Types []string
	// Versions is a range of installed versions: "< 3.0.13", ">= 1.2, < 2", "1.2.3".
	Versions string
	// Paths are patterns of absolute paths, one of which must match a path of the package.
	// "**" stands for any number of folders.
	Paths []string
	// FixState is "fixed", "not-fixed" or "wont-fix".
	FixState string

	Reason, By string
	Expires    time.Time // zero: never

	// Inactive is why the rule accepts nothing, if it has a condition that is not supported.
	Inactive string

	purls           []purl.PURL
	pattern, source *regexp.Regexp
	versions        versionRange
}

// Size is about how many comparisons a match takes.
func (r *Rule) Size() int { return 1 + len(r.PURLs) + len(r.Paths) }

// Expired reports whether the rule has expired.
func (r *Rule) Expired(now time.Time) bool { return !r.Expires.IsZero() && !now.Before(r.Expires) }

// Title names the rule within its file, for people.
func (r *Rule) Title() string {
	what := r.ID
	for _, s := range []string{r.Package, r.PackagePattern, r.Source, r.SourcePattern, first(r.PURLs), first(r.Paths), first(r.Types), r.FixState} {
		if what == "" {
			what = s
		}
	}
	if what == "" {
		what = "an entry"
	}
	if r.ID != "" && r.Package != "" {
		what += " in " + r.Package
	}
	return fmt.Sprintf("%s (line %d)", verdict.Short(what), r.Line)
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// The forms of ids.
var (
	anyID  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*[-:][A-Za-z0-9][A-Za-z0-9._:-]*$`)
	cveID  = regexp.MustCompile(`^CVE-[0-9]{4}-[0-9]{4,19}$`)
	ghsaID = regexp.MustCompile(`^GHSA(-[0-9a-z]{4}){3}$`)
)

// UnknownID says why no vulnerability can have the id of the rule, or returns "". Ids are
// compared as they are written.
func (r *Rule) UnknownID() string {
	prefix, _, _ := strings.Cut(strings.ToUpper(r.ID), "-")
	switch {
	case r.ID == "":
	case !anyID.MatchString(r.ID):
		return "an id has a form such as CVE-2024-1234"
	case prefix == "CVE" && !cveID.MatchString(r.ID):
		return "the id of a CVE has the form CVE-2024-1234, in upper case"
	case prefix == "GHSA" && !ghsaID.MatchString(r.ID):
		return "the id of a GHSA has the form GHSA-xxxx-xxxx-xxxx, in lower case after the first hyphen"
	case r.ID == strings.ToLower(r.ID):
		return "ids are not in lower case"
	}
	return ""
}

// conditions reports whether the rule has any. One without accepts nothing.
func (r *Rule) conditions() bool {
	return r.ID != "" || r.Package != "" || r.Source != "" || r.PackagePattern != "" || r.SourcePattern != "" ||
		r.FixState != "" || len(r.PURLs)+len(r.Types)+len(r.Paths) > 0
}

// maxPattern bounds the bytes of a pattern.
const maxPattern = 1 << 10

// compile checks the conditions and prepares them for Matches.
func (r *Rule) compile() error {
	for _, s := range r.PURLs {
		var p purl.PURL
		if err := p.Parse(s); err != nil {
			return err
		}
		r.purls = append(r.purls, p)
	}
	var err error
	if r.pattern, err = compilePattern(r.PackagePattern); err != nil {
		return err
	}
	if r.source, err = compilePattern(r.SourcePattern); err != nil {
		return err
	}
	for _, p := range r.Paths {
		if len(p) > maxPattern || strings.Count(p, "**") > 4 || !doublestar.ValidatePattern(p) {
			return fmt.Errorf("invalid path pattern %q", verdict.Short(p))
		}
	}
	r.versions, err = parseRange(r.Versions)
	return err
}

// compilePattern compiles a pattern of a whole name.
func compilePattern(pattern string) (*regexp.Regexp, error) {
	if pattern == "" {
		return nil, nil
	}
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("invalid pattern %q: it has more than %d bytes", verdict.Short(pattern), maxPattern)
	}
	// On its own first: "a)|(b" is only valid within parentheses.
	if _, err := regexp.Compile(pattern); err != nil {
		return nil, fmt.Errorf("invalid pattern %q: %w", verdict.Short(pattern), err)
	}
	re, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("invalid pattern %q: %w", verdict.Short(pattern), err)
	}
	return re, nil
}

// Matches reports whether a finding meets the conditions, whether the rule has expired or
// not.
func (r *Rule) Matches(f match.Finding) bool {
	if r.Inactive != "" || r.ID != "" && r.ID != f.ID && !slices.Contains(f.Aliases, r.ID) {
		return false
	}
	return (r.FixState == "" || r.FixState == fixState(f)) && r.MatchesPackage(f.Package)
}

// MayMatch is like Matches, but a version that cannot be compared is in the range: a rule
// that forbids must not miss what it cannot evaluate.
func (r *Rule) MayMatch(f match.Finding) bool {
	if r.Matches(f) {
		return true
	}
	if _, ok := r.versions.contains(f.Package); ok {
		return false
	}
	ofAnyVersion := *r
	ofAnyVersion.versions = nil
	return ofAnyVersion.Matches(f)
}

func fixState(f match.Finding) string {
	switch {
	case f.Fixed != "":
		return "fixed"
	case f.Status == advisory.StatusWontFix:
		return "wont-fix"
	}
	return "not-fixed"
}

// MatchesPackage reports whether a package meets the conditions about packages.
func (r *Rule) MatchesPackage(p *verdict.Package) bool {
	if len(r.Types) > 0 && !slices.Contains(r.Types, p.Type) {
		return false
	}
	if r.Package != "" && !slices.Contains(PackageNames(p), r.Package) && !(p.Type == "pypi" && PythonName(r.Package) == PythonName(p.Name)) {
		return false
	}
	if r.pattern != nil && !slices.ContainsFunc(PackageNames(p), r.pattern.MatchString) {
		return false
	}
	if r.Source != "" && r.Source != p.Source || r.source != nil && (p.Source == "" || !r.source.MatchString(p.Source)) {
		return false
	}
	if len(r.purls) > 0 && !slices.ContainsFunc(r.purls, func(want purl.PURL) bool { return Names(want, p) }) {
		return false
	}
	if len(r.Paths) > 0 && !slices.ContainsFunc(p.Paths, r.matchesPath) {
		return false
	}
	in, ok := r.versions.contains(p)
	return in && ok
}

// PackageNames returns the names of a package: its own, and for a Maven package that of its
// artifact alone.
func PackageNames(p *verdict.Package) []string {
	names := []string{p.Name}
	if _, artifact, ok := strings.Cut(p.Name, ":"); ok && p.Type == "maven" {
		names = append(names, artifact)
	}
	return names
}

func (r *Rule) matchesPath(path string) bool {
	path = "/" + strings.TrimPrefix(path, "/")
	return slices.ContainsFunc(r.Paths, func(pattern string) bool {
		ok, err := doublestar.Match(pattern, path)
		return ok && err == nil
	})
}

// PythonName returns a name of Python in the normal form of its packaging specification, in
// which "Zope.Interface" and "zope-interface" are equal.
func PythonName(name string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(name), func(c rune) bool { return c == '-' || c == '_' || c == '.' }), "-")
}

// Names reports whether a purl names a package. Version, epoch, subpath and qualifiers count
// only if the purl has them.
func Names(want purl.PURL, pkg *verdict.Package) bool {
	var p purl.PURL
	if want.Type != pkg.Type || p.Parse(pkg.PURL) != nil {
		return false
	}
	if want.Namespace != p.Namespace || want.Name != p.Name || want.Subpath != "" && want.Subpath != p.Subpath {
		return false
	}
	if want.Version != "" {
		epoch, version := spelled(want)
		ofEpoch, of := spelled(p)
		if version != of || epoch != "" && epoch != ofEpoch && !(epoch == "0" && ofEpoch == "") {
			return false
		}
	}
	return qualified(want, p)
}

// qualified reports whether a purl has the qualifiers of another one. Names compares epochs
// together with versions.
func qualified(want, p purl.PURL) bool {
	for _, q := range want.Qualifiers {
		switch {
		case q.Key == "epoch" && want.Distributed() && want.Version != "":
		case q.Key == "distro" && want.Distributed() && sameRelease(want, p):
		case p.Qualifier(q.Key) != q.Value:
			return false
		}
	}
	return true
}

// sameRelease reports whether the qualifiers "distro" of two purls name the same release of a
// distribution. Trivy writes the point release of Debian, "debian-12.4", and assay what is in
// os-release, "debian-12".
func sameRelease(a, b purl.PURL) bool {
	s, t := a.System(), b.System()
	// Of Alpine, Trivy only writes the version.
	v, w := cmp.Or(s.VersionID, s.Codename), cmp.Or(t.VersionID, t.Codename)
	if s.ID == "" || s.ID != t.ID || v == "" || w == "" {
		return false
	}
	return strings.HasPrefix(v+".", w+".") || strings.HasPrefix(w+".", v+".")
}

// spelled returns the epoch and the version of a purl in one spelling. Some tools write the
// epoch into the version, and others into a qualifier. Trivy writes "v1.22.1" for Go's standard
// library, and Syft "go1.22.1".
func spelled(p purl.PURL) (epoch, version string) {
	switch {
	case p.Distributed():
		if before, after, ok := strings.Cut(p.Version, ":"); ok {
			return before, after
		}
		return p.Qualifier("epoch"), p.Version
	case p.Type == "golang" && p.Namespace == "" && p.Name == "stdlib":
		return "", strings.TrimPrefix(strings.TrimPrefix(p.Version, "go"), "v")
	}
	return "", p.Version
}
