// Package distro has what the service knows about Linux distributions: how an
// image's release is recognised, in which ecosystems its packages are looked up and
// by which name, who builds them, which words rate vulnerabilities, which source
// packages are kernels, and when security support ends.
//
// Each family of distributions has a file. A new distribution is a Distribution in
// such a file and a line in the list at the end of this one. What distributions with
// the same package format have in common is in deb.go and rpm.go.
package distro

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/version"
	"assay/verdict"
)

// The package formats, by the purl types of their packages.
const (
	Alpm = "alpm" // of pacman
	Apk  = "apk"
	Deb  = "deb"
	RPM  = "rpm"
)

// SystemPackage reports whether packages of a purl type belong to an operating
// system.
func SystemPackage(purlType string) bool {
	switch purlType {
	case Deb, Apk, RPM, Alpm, "opkg":
		return true
	}
	return false
}

// Names says which of a package's names advisories use.
type Names int

const (
	ByName   Names = iota // its own
	BySource              // that of its source package
	ByBoth                // its own and that of its source package
	// ByBinary: its own, and that of its source package with SourceSuffix. Entries under the
	// second are compared with the version of the source package.
	ByBinary
)

// A Distribution is one Linux distribution. Distributions are read-only.
type Distribution struct {
	// Name is the distribution's name for people.
	Name string
	// IDs are the values of ID in os-release.
	IDs []string
	// Format is the package format.
	Format string
	// Ecosystem is the OSV ecosystem, without a release.
	Ecosystem string
	Names     Names
	// Release recognises the release of an image. If that fails, reason says why.
	// A nil Release means that there are no releases.
	Release func(inv inventory.Inventory) (r Release, reason string)
	// EndOfLife has the last day of free security support by Release.Name. That day
	// counts as supported. Releases with an unknown end are missing.
	EndOfLife map[string]string

	// Builds reports whether a vendor, or a maintainer for Debian packages, is the
	// distribution itself.
	Builds func(vendor string) bool
	// Signers are the names in the table of keys under which the keys of the distribution
	// are.
	Signers []string
	// PPA: an address at launchpad.net belongs to a personal package archive.
	PPA bool
	// Kernel reports whether a package is a kernel, its modules or its headers, by
	// its own name and that of its source package.
	Kernel func(name, source string) bool
	// OtherBuild, if set, reports whether the fix of an advisory is for a build of the
	// package that the installed version is not, or for a repository that it cannot be
	// from.
	OtherBuild func(ecosystem, advisory, fix, installed string) bool

	// WithProducts, if set, returns the release of an image that was built from the
	// repositories of products with these CPEs, in the place of what Release returns.
	WithProducts func(inv inventory.Inventory, cpes []string) Release

	// Lacks, if set, returns the repository that an image with known repositories lacks to
	// upgrade its packages, or nil if it lacks none or that is unknown.
	Lacks func(inv inventory.Inventory) *verdict.Repositories

	// Publisher is the source that reads the distribution's own data, or empty if there is
	// none. Where it has an entry about a package and a vulnerability, the copies of the
	// source osv do not count.
	Publisher string
	// OwnNames: the entries of Publisher have a package's own name and version, although
	// Names is BySource.
	OwnNames bool
	// OwnUnfixed: a record of Publisher has all products, and includes vulnerabilities
	// without a fix, in contrast to the copies of osv.
	OwnUnfixed bool
	// ListsUnfixed: the advisories include vulnerabilities without a fix. If they
	// find nothing in a package, no vulnerability in it is known.
	ListsUnfixed bool
	// FixesOwn: the distribution fixes what has to be fixed in its packages, so the
	// advisories of other publishers do not decide about them.
	FixesOwn bool

	// Severities are the words with which it rates vulnerabilities, in lower case, in
	// addition to critical, high, medium and low. A word means the same wherever it is
	// used.
	Severities map[string]verdict.Severity
	// Statuses are the words in the place of a rating that say what it does about a
	// vulnerability, in lower case.
	Statuses map[string]advisory.Status

	// Errata are the first words of the ids of the distribution's announcements of
	// updates, such as "DSA". One of them may name many vulnerabilities.
	Errata []string
	// ErrataPrefix begins such words if there is no complete list of them.
	ErrataPrefix string
	// Notices are those of Errata that announce bug fixes and enhancements.
	Notices []string
	// RelatedCVEs: errata name their CVEs in the field related.
	RelatedCVEs bool
}

// A Release is one release of a distribution as far as an image shows it.
type Release struct {
	*Distribution
	// Name is the release as EndOfLife has it: "12", "v3.19".
	Name string
	// Ecosystems are those in which the packages are looked up. At least one is main.
	Ecosystems []Ecosystem
	// Extended is the minor release with extended support ("8.4"), if the image is of
	// one.
	Extended string
}

// An Ecosystem is one of those in which the packages of a release are looked up.
type Ecosystem struct {
	Name string // "Debian:12"
	// Rank orders ecosystems by how specific they are. A record of a lower rank takes
	// precedence.
	Rank int
	// Main: a release whose main ecosystems have no records is not evaluated.
	Main bool
	// Subscription is what has to be paid for to install the fixes, if anything.
	Subscription string
	// Applies, if set, reports whether the record of a fix applies to the release.
	Applies func(fix string, published time.Time) bool
}

// main returns main ecosystems of the same rank.
func main(names ...string) []Ecosystem {
	list := make([]Ecosystem, len(names))
	for i, name := range names {
		list[i] = Ecosystem{Name: name, Main: true}
	}
	return list
}

// MainEcosystem returns the first of the main ecosystems, or an empty string.
func MainEcosystem(list []Ecosystem) string {
	for _, e := range list {
		if e.Main {
			return e.Name
		}
	}
	return ""
}

// Of recognises the release of an image. If its packages cannot be evaluated, the
// result is the zero Release and reason says why.
//
// A derivative is not evaluated with the advisories of its parent: Raspbian, Kali,
// Mint and others rebuild or replace packages under their own versions, with which
// the parent's fixed versions cannot be compared. There are two exceptions.
// Distroless images identify as Debian and consist of Debian's packages, and CentOS
// Linux rebuilt the packages of Red Hat under the same versions.
func Of(inv inventory.Inventory) (r Release, reason string) {
	s := inv.System
	if !s.Known() {
		return Release{}, "no operating system was recognised"
	}
	if d := OfID(s.ID); d != nil {
		if d.Release == nil {
			r.Ecosystems = main(d.Ecosystem)
		} else if r, reason = d.Release(inv); reason != "" {
			return Release{}, reason
		}
		r.Distribution = d
		return r, ""
	}
	name := strings.TrimSpace(verdict.Short(s.ID) + " " + verdict.Short(s.VersionID))
	if len(s.IDLike) > 0 {
		return Release{}, fmt.Sprintf("%s derives from %s, whose advisories do not cover its packages",
			name, verdict.Short(strings.Join(s.IDLike, " and ")))
	}
	return Release{}, fmt.Sprintf("this service has no advisories for %s", name)
}

// OfEcosystem returns a distribution whose packages have an ecosystem, with or without a
// release ("Debian:12"), or nil. Several distributions may have it.
func OfEcosystem(ecosystem string) *Distribution {
	var found *Distribution
	for _, d := range list {
		rest, ok := strings.CutPrefix(ecosystem, d.Ecosystem)
		if ok && (rest == "" || rest[0] == ':') && (found == nil || len(d.Ecosystem) >= len(found.Ecosystem)) {
			found = d
		}
	}
	return found
}

// OfID returns the distribution with an ID of os-release, or nil.
func OfID(id string) *Distribution {
	for _, d := range list {
		if slices.Contains(d.IDs, id) {
			return d
		}
	}
	return nil
}

// Lacking returns the package repository that an image lacks to upgrade its packages. It
// returns nil if the configured repositories have the fixes, and if they are unknown.
func Lacking(inv inventory.Inventory) *verdict.Repositories {
	s := inv.System
	if len(s.Repositories) == 0 {
		return nil
	}
	if slices.Equal(s.Repositories, []string{inventory.NoRepository}) {
		return &verdict.Repositories{}
	}
	if d := OfID(s.ID); d != nil && d.Lacks != nil {
		return d.Lacks(inv)
	}
	return nil
}

// noRelease is the reason for a version that is not a release.
func noRelease(s inventory.System) string {
	return fmt.Sprintf("%s has advisories for each release, and %q is not a release", s.ID, verdict.Short(s.VersionID))
}

// EndOfLife returns the last day of free security support, or an empty string if
// it is unknown.
func (r Release) EndOfLife() string { return r.Distribution.EndOfLife[r.Name] }

// OtherVendor returns who built a package of the distribution's format, if it was
// not the distribution as far as can be seen. Such packages have the names of the
// distribution's, but versions that its advisories do not cover: by these,
// nginx.org's 1.25.3 would have every fix of Debian's 1.22.1, and NodeSource's
// 18.20.4 would lack it.
//
// An rpm names the key that signed it, and its vendor. The key decides if it is known,
// since anybody can write the name of a distribution into the vendor field. The
// maintainers of Debian's and Alpine's packages may have any address. So other vendors
// are recognised by their own addresses only, and by what they write into versions.
func (d *Distribution) OtherVendor(p inventory.Package) string {
	switch d.Format {
	case RPM:
		switch signer, own := d.signer(p); {
		case own:
		case signer != "":
			return signer
		case p.Vendor != "" && p.Vendor != "(none)" && !d.Builds(p.Vendor):
			return verdict.Short(p.Vendor)
		}
	case Deb:
		vendor := addressVendor(p.Vendor)
		if vendor == fromPPA && !d.PPA { // some of Debian's teams have lists there
			vendor = ""
		}
		if vendor == "" {
			vendor = versionVendor(p.Version)
		}
		return vendor
	case Apk:
		if vendor := addressVendor(p.Vendor); vendor == "nginx.org" {
			return vendor
		}
	}
	return ""
}

// Erratum returns the distribution whose announcement of updates has an id, or nil
// for all other records.
func Erratum(id string) *Distribution {
	if advisory.CVEIn(id) != "" { // a record of one vulnerability, such as SUSE-CVE-2024-1
		return nil
	}
	kind, _, _ := strings.Cut(id, "-")
	all := words()
	if d := all.errata[kind]; d != nil {
		return d
	}
	for _, d := range all.prefixes {
		if strings.HasPrefix(kind, d.ErrataPrefix) {
			return d
		}
	}
	return nil
}

// IsNotice reports whether an id is that of an erratum that announces bug fixes or
// enhancements.
func IsNotice(id string) bool {
	d := Erratum(id)
	if d == nil {
		return false
	}
	kind, _, _ := strings.Cut(id, "-")
	return slices.Contains(d.Notices, kind)
}

// Severity returns the severity of a word with which distributions and databases rate,
// in any case. Other words are unrated.
func Severity(word string) verdict.Severity {
	word = strings.ToLower(word)
	switch word {
	case "critical":
		return verdict.Critical
	case "high":
		return verdict.High
	case "medium":
		return verdict.Medium
	case "low":
		return verdict.Low
	}
	if s, ok := words().severities[word]; ok {
		return s
	}
	return verdict.Unrated
}

// Status returns the status that a distribution's word in the place of a rating means,
// given in lower case.
func Status(word string) advisory.Status { return words().statuses[word] }

// A vocabulary has the words of all distributions.
type vocabulary struct {
	severities map[string]verdict.Severity
	statuses   map[string]advisory.Status
	errata     map[string]*Distribution
	prefixes   []*Distribution // those with an ErrataPrefix
}

var words = sync.OnceValue(func() vocabulary {
	v := vocabulary{make(map[string]verdict.Severity), make(map[string]advisory.Status), make(map[string]*Distribution), nil}
	for _, d := range list {
		maps.Copy(v.severities, d.Severities)
		maps.Copy(v.statuses, d.Statuses)
		for _, kind := range d.Errata {
			v.errata[kind] = d
		}
		if d.ErrataPrefix != "" {
			v.prefixes = append(v.prefixes, d)
		}
	}
	return v
})

// Rolling reports whether the distribution of an ecosystem has no releases, and so
// no end of support.
func Rolling(ecosystem string) bool {
	return slices.ContainsFunc(list, func(d *Distribution) bool { return d.Release == nil && d.Ecosystem == ecosystem })
}

// number reports whether s is a number of at most three digits.
func number(s string) bool {
	return s != "" && len(s) <= 3 && version.Digits(s)
}

// list has every distribution.
var list = []*Distribution{
	&almaLinux,
	&alpaquita,
	&alpine,
	&amazonLinux,
	&archLinux,
	&azureLinux,
	&centOS,
	&chainguard,
	&debian,
	&echo,
	&fedora,
	&hummingbird,
	&mageia,
	&minimOS,
	&openEuler,
	&openSUSELeap,
	&openSUSETumbleweed,
	&oracleLinux,
	&photon,
	&redHat,
	&rockyLinux,
	&secureOS,
	&suseLinux,
	&suseLinuxEnterpriseMicro,
	&suseLinuxMicro,
	&ubuntu,
	&wolfi,
}
