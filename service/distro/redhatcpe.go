package distro

import (
	"slices"
	"strings"

	"assay/service/version"
)

// RepositoryEcosystem is the ecosystem of Red Hat's table of repositories. It has no
// package that an image has: a name is a repository ("rhel-9-for-x86_64-baseos-rpms"), and
// the versions that an entry lists are the CPEs of the products that it belongs to.
const RepositoryEcosystem = "Red Hat repositories"

// A product is a product of Red Hat by its CPE.
type product struct {
	name, version string // "openshift", "4.12"; the version may be empty
	edition       string // the release of Red Hat Enterprise Linux that it is built for, "el8", or empty
}

// productOf reads a CPE of one of Red Hat's products, in the form of version 2.2
// ("cpe:/a:redhat:openshift:4.12::el8") or 2.3. Of the edition only the release of Red Hat
// Enterprise Linux counts: the names of repositories in it are left out, because no package
// name means different things in two of them.
func productOf(cpe string) (product, bool) {
	cpe = strings.ToLower(cpe)
	rest, ok := strings.CutPrefix(cpe, "cpe:/")
	if !ok {
		rest, ok = strings.CutPrefix(cpe, "cpe:2.3:")
	}
	parts := strings.Split(rest, ":")
	if !ok || len(parts) < 3 || parts[1] != "redhat" {
		return product{}, false
	}
	field := func(i int) string {
		if i >= len(parts) || parts[i] == "*" || parts[i] == "-" {
			return ""
		}
		return strings.ReplaceAll(parts[i], `\`, "")
	}
	p := product{name: field(2), version: strings.TrimRight(field(3), ".*"), edition: field(5)}
	if number, ok := strings.CutPrefix(p.edition, "el"); !ok || !version.Digits(number) || number == "" || p.name == enterpriseLinux {
		p.edition = ""
	}
	return p, p.name != "" && !strings.ContainsAny(p.name+p.version, " \x00")
}

const enterpriseLinux = "enterprise_linux"

// extensions are the kinds of extended support for a release, as the names of their products
// end: "rhel_eus" up to 9, "enterprise_linux_eus" since 10.
var extensions = []string{"eus", "aus", "tus", "e4s", "els", "eus_long_life"}

// extendsSupport reports whether p is a Red Hat Enterprise Linux with extended support.
func (p product) extendsSupport() bool {
	kind, ok := strings.CutPrefix(p.name, "rhel_")
	if !ok {
		kind, ok = strings.CutPrefix(p.name, enterpriseLinux+"_")
	}
	return ok && slices.Contains(extensions, kind)
}

// ecosystem returns the ecosystem of a product: "Red Hat:openshift:4.12::el8".
func (p product) ecosystem() string {
	s := "Red Hat:" + p.name
	if p.version != "" {
		s += ":" + p.version
	}
	if p.edition != "" {
		if p.version == "" {
			s += ":"
		}
		s += "::" + p.edition
	}
	return s
}

// RedHatEcosystem returns the ecosystem in which records have the packages of the product
// with a CPE. It is not ok for other CPEs than those of Red Hat.
func RedHatEcosystem(cpe string) (ecosystem string, ok bool) {
	p, ok := productOf(cpe)
	return p.ecosystem(), ok
}

// patterns returns the ecosystems of all CPEs that match a product: its own, and those that
// leave out the edition, the end of the version, or the version. Red Hat's documents use
// the CPE of all versions ("cpe:/a:redhat:openshift:4") for what no version has fixed.
func (p product) patterns() []string {
	var all []string
	for v := p.version; ; {
		for _, edition := range [...]string{p.edition, ""} {
			all = append(all, product{p.name, v, edition}.ecosystem())
		}
		if v == "" {
			break
		}
		v = v[:max(0, strings.LastIndexByte(v, '.'))]
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// SourceSuffix ends the names of source packages in Red Hat's records ("openssl.src"), in
// contrast to those of binary packages.
const SourceSuffix = ".src"
