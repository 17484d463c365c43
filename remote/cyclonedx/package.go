package cyclonedx

import (
	"errors"
	"strings"

	"assay/inspect/inventory"
	"assay/remote/purl"
)

var errNoPURL = errors.New("it has no purl")

// packageOf reads a component whole, and its purl. With an error the package
// is what could be read without knowing its type.
func packageOf(c *component) (inventory.Package, purl.PURL, error) {
	p, u, err := basePackage(c)
	props := c.Properties
	for _, o := range overrides() {
		if value, ok := lookup(props, o.name); ok {
			*o.of(&p) = value
			if o.name == propType {
				err = nil
			}
		}
	}
	if hashes := all(props, propHash); hashes != nil {
		p.Hashes = hashes
	}
	if sets := all(props, propContentSet); sets != nil {
		p.ContentSets = sets
	}
	if owner, ok := lookup(props, propOwner); ok {
		digest, _ := lookup(props, propOwnerDigest)
		p.Owner = &inventory.Owner{Package: owner, Digest: inventory.Digest(digest)}
	}
	return p, u, err
}

// An override is a property that takes the place of a field.
type override struct {
	name string
	of   func(*inventory.Package) *string
}

func overrides() [9]override {
	return [...]override{
		{propType, func(p *inventory.Package) *string { return &p.Type }},
		{propName, func(p *inventory.Package) *string { return &p.Name }},
		{propVersion, func(p *inventory.Package) *string { return &p.Version }},
		{propArch, func(p *inventory.Package) *string { return &p.Arch }},
		{propSource, func(p *inventory.Package) *string { return &p.Source }},
		{propSourceVersion, func(p *inventory.Package) *string { return &p.SourceVersion }},
		{propVendor, func(p *inventory.Package) *string { return &p.Vendor }},
		{propModule, func(p *inventory.Package) *string { return &p.Module }},
		{propEmbeddedIn, func(p *inventory.Package) *string { return &p.EmbeddedIn }},
	}
}

// basePackage reads a component but for our own properties.
func basePackage(c *component) (inventory.Package, purl.PURL, error) {
	var p inventory.Package
	var u purl.PURL
	err := errNoPURL
	if c.PURL != "" {
		if u, err = purl.Parse(c.PURL); err == nil {
			p = u.Package()
		}
	}
	if p.Version == "" {
		p.Version = c.Version
		if p.Source != "" && p.SourceVersion == "" {
			p.SourceVersion = c.Version
		}
	}
	p.Vendor = c.Publisher
	if p.Vendor == "" && c.Supplier != nil {
		p.Vendor = c.Supplier.Name
	}
	p.CPE = c.CPE
	for _, h := range c.Hashes {
		p.Hashes = append(p.Hashes, hashName(h.Alg)+":"+strings.ToLower(h.Content))
	}
	peerProperties(&p, c.Properties)
	p.Evidence = evidenceOf(c)
	return p, u, err
}

// hashName turns "SHA-256" into "sha256" and "SHA3-256" into "sha3-256".
func hashName(alg string) string {
	alg = strings.ToLower(alg)
	if size, ok := strings.CutPrefix(alg, "sha-"); ok {
		return "sha" + size
	}
	return alg
}

// peerProperties takes what Syft and Trivy say about a package in properties.
func peerProperties(p *inventory.Package, props []property) {
	if module, ok := first(props, "aquasecurity:trivy:Modularitylabel", "syft:metadata:modularityLabel"); ok && p.Module == "" {
		p.Module = module
	}
	p.ContentSets = all(props, "aquasecurity:trivy:ContentSet")
	if name, ok := lookup(props, "syft:metadata:source"); ok && name != "" {
		p.Source = name
		if version, ok := lookup(props, "syft:metadata:sourceVersion"); ok && version != "" {
			p.SourceVersion = version
		}
	}
	if name, ok := lookup(props, "aquasecurity:trivy:SrcName"); ok && name != "" {
		p.Source = name
		if version, ok := lookup(props, "aquasecurity:trivy:SrcVersion"); ok && version != "" {
			if release, ok := lookup(props, "aquasecurity:trivy:SrcRelease"); ok && release != "" {
				version += "-" + release
			}
			if epoch, _ := lookup(props, "aquasecurity:trivy:SrcEpoch"); epoch != "0" && p.Type != "rpm" {
				version = purl.WithEpoch(epoch, version)
			}
			p.SourceVersion = version
		}
	}
}

// evidenceOf says where a component was found: its occurrences, else what Syft,
// Trivy and cdxgen write in properties.
func evidenceOf(c *component) []inventory.Evidence {
	var found []inventory.Evidence
	if c.Evidence != nil {
		for _, o := range c.Evidence.Occurrences {
			found = append(found, inventory.Evidence{Path: relative(o.Location), Kind: o.Context})
		}
	}
	if len(found) > 0 {
		return found
	}
	kind, _ := first(c.Properties, "syft:package:foundBy", "aquasecurity:trivy:PkgType")
	for _, p := range c.Properties {
		if strings.HasPrefix(p.Name, "syft:location:") && strings.HasSuffix(p.Name, ":path") {
			found = append(found, inventory.Evidence{Path: relative(p.Value), Kind: kind})
		}
	}
	if path, ok := first(c.Properties, "aquasecurity:trivy:FilePath", "SrcFile"); ok && len(found) == 0 {
		found = append(found, inventory.Evidence{Path: relative(path), Kind: kind})
	}
	return found
}

func relative(path string) string { return strings.TrimLeft(path, "/") }

// lookup returns the value of the first property of a name.
func lookup(props []property, name string) (string, bool) {
	for _, p := range props {
		if p.Name == name {
			return p.Value, true
		}
	}
	return "", false
}

// first returns the value of the first of several names that is there.
func first(props []property, names ...string) (string, bool) {
	for _, name := range names {
		if value, ok := lookup(props, name); ok {
			return value, true
		}
	}
	return "", false
}

// all returns the values of all properties of a name.
func all(props []property, name string) []string {
	var values []string
	for _, p := range props {
		if p.Name == name {
			values = append(values, p.Value)
		}
	}
	return values
}
