package purl

import (
	"strings"

	"assay/inspect/inventory"
)

// Of returns the purl of an installed package of a system. In addition to the qualifiers of
// the specification it has those that Syft introduced and other scanners read: "upstream"
// for a source package with another name or version, "distro", and "rpmmod" for a module
// label.
func Of(p inventory.Package, system inventory.System) PURL {
	u := PURL{Type: p.Type, Version: p.Version}
	u.Namespace, u.Name = splitName(p.Type, p.Name)
	if !distributed(p.Type) {
		return u
	}
	u.Namespace = vendor(system.ID)
	u.set("arch", p.Arch)
	u.set("distro", distro(system))
	if p.Type == "rpm" {
		var epoch string
		epoch, u.Version = cutEpoch(p.Version)
		u.set("epoch", epoch)
		u.set("rpmmod", p.Module)
	}
	u.set("upstream", upstream(p))
	return u
}

// Package returns the package that a purl describes: type, name, version, architecture,
// source package and module label. Without an "upstream" qualifier a package of a
// distribution is its own source package. The source version of an rpm has no epoch, as in
// the name of the source package.
func (p PURL) Package() inventory.Package {
	pkg := inventory.Package{
		Type:    p.Type,
		Name:    joinName(p.Type, p.Namespace, p.Name),
		Version: p.Version,
	}
	if p.Type == "golang" && isMajor(p.Subpath) {
		pkg.Name += "/" + p.Subpath
	}
	if typ, name, ok := p.application(); ok {
		pkg.Type, pkg.Name = typ, name
	}
	if !distributed(p.Type) {
		return pkg
	}
	epoch := p.Qualifier("epoch")
	if epoch == "0" && p.Type != "rpm" {
		epoch = "" // only rpm distinguishes a zero epoch from no epoch
	}
	pkg.Version = WithEpoch(epoch, p.Version)
	pkg.Arch = p.Qualifier("arch")
	pkg.Source, pkg.SourceVersion = pkg.Name, pkg.Version
	up := p.Qualifier("upstream")
	if p.Type == "rpm" {
		pkg.Module = p.Qualifier("rpmmod")
		_, pkg.SourceVersion = cutEpoch(pkg.Version)
		if name, version, ok := cutSourceRPM(up); ok {
			pkg.Source, pkg.SourceVersion = name, version
			return pkg
		}
	}
	if up == "" {
		return pkg
	}
	name, version, ok := strings.Cut(up, "@")
	pkg.Source = name
	if ok {
		pkg.SourceVersion = version
	}
	return pkg
}

// isMajor reports whether a subpath is the major version suffix of a Go module
// ("v2"), which some tools write as a subpath and others as the name.
func isMajor(subpath string) bool {
	digits, ok := strings.CutPrefix(subpath, "v")
	return ok && digits != "" && allBytes(digits, isDigit)
}

// System returns the system that the "distro" qualifier of a distribution's package names, or
// the zero value without that qualifier.
func (p PURL) System() inventory.System {
	value := p.Qualifier("distro")
	if value == "" || !distributed(p.Type) {
		return inventory.System{}
	}
	if i := strings.LastIndexByte(value, '-'); i > 0 && i+1 < len(value) && isDigit(value[i+1]) {
		id := value[:i]
		if id == "redhat" {
			id = "rhel" // Trivy's name for it
		}
		return inventory.System{ID: id, VersionID: value[i+1:]}
	}
	if p.Namespace != "" && value != p.Namespace {
		return inventory.System{ID: p.Namespace, Codename: value}
	}
	return inventory.System{ID: value}
}

// Distributed reports whether the packages of a purl type come from a
// distribution, so that the namespace is the distribution.
func (p PURL) Distributed() bool { return distributed(p.Type) }

func distributed(typ string) bool {
	switch typ {
	case "alpm", "apk", "deb", "rpm":
		return true
	}
	return false
}

// splitName splits an ecosystem's name into the namespace and the name of a purl.
func splitName(typ, name string) (string, string) {
	separator := "/"
	if distributed(typ) {
		return "", name
	}
	if typ == "maven" {
		separator = ":"
	}
	if i := strings.LastIndex(name, separator); i > 0 && i+1 < len(name) {
		return name[:i], name[i+1:]
	}
	return "", name
}

func joinName(typ, namespace, name string) string {
	switch {
	case namespace == "" || distributed(typ):
		return name
	case typ == "maven":
		return namespace + ":" + name
	}
	return namespace + "/" + name
}

// vendor returns the namespace of a system's packages. It is the ID of the system, except for
// two systems for which other tools use another one.
func vendor(id string) string {
	switch {
	case id == "rhel":
		return "redhat"
	case strings.HasPrefix(id, "opensuse"):
		return "opensuse"
	}
	return id
}

func distro(system inventory.System) string {
	if system.ID == "" || system.VersionID == "" {
		return system.ID
	}
	return system.ID + "-" + system.VersionID
}

// upstream writes a source package as Syft does. For an rpm it is the file name of the source
// package. For others it is the name and version, as far as they differ from the package.
func upstream(p inventory.Package) string {
	switch {
	case p.Source == "":
		return ""
	case p.Type == "rpm":
		_, version := cutEpoch(p.SourceVersion)
		return p.Source + "-" + version + ".src.rpm"
	case p.SourceVersion != p.Version:
		return p.Source + "@" + p.SourceVersion
	case p.Source != p.Name:
		return p.Source
	}
	return ""
}

// cutSourceRPM splits "name-version-release.src.rpm".
func cutSourceRPM(file string) (name, version string, ok bool) {
	file, ok = strings.CutSuffix(file, ".src.rpm")
	if !ok {
		return "", "", false
	}
	release := strings.LastIndexByte(file, '-')
	if release < 0 {
		return "", "", false
	}
	i := strings.LastIndexByte(file[:release], '-')
	if i <= 0 {
		return "", "", false
	}
	return file[:i], file[i+1:], true
}

// cutEpoch splits "1:2.3-4" into "1" and "2.3-4".
func cutEpoch(version string) (epoch, rest string) {
	if i := strings.IndexByte(version, ':'); i > 0 && allBytes(version[:i], isDigit) {
		return version[:i], version[i+1:]
	}
	return "", version
}

// WithEpoch adds an epoch to a version without one.
func WithEpoch(epoch, version string) string {
	if epoch == "" || version == "" {
		return version
	}
	if has, _ := cutEpoch(version); has != "" {
		return version
	}
	return epoch + ":" + version
}
