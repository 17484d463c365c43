package cyclonedx

import "assay/inspect/inventory"

// A Property is one of assay's own properties, a name and a value.
type Property = property

// PackageProperties returns the properties for what the purl, the vendor, the CPE and the hashes
// of a package do not say.
func PackageProperties(p inventory.Package, system inventory.System) []Property {
	return packageComponent(p, system).Properties
}

// SetPackageProperties sets what properties of a package say.
func SetPackageProperties(p *inventory.Package, properties []Property) {
	applyProperties(p, properties)
}

// SystemProperties returns the properties for what the ID, the version, the name and the CPE of
// a system do not say.
func SystemProperties(s inventory.System) []Property { return systemComponent(s).Properties }

// SetSystemProperties sets what properties of a system say.
func SetSystemProperties(s *inventory.System, properties []Property) {
	read := systemOf(&component{Properties: properties})
	s.Codename, s.IDLike, s.Repositories = read.Codename, read.IDLike, read.Repositories
}
