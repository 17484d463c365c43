package cyclonedx

import (
	"errors"
	"slices"
	"strings"

	"assay/inspect/inventory"
	"assay/remote/purl"
)

var errNoPURL = errors.New("the purl is missing")

// packageOf reads a component into p, and its purl into u. Both must be empty. On an error p
// has what could be read without knowing the type of the package.
func (d *decoder) packageOf(p *inventory.Package, u *purl.PURL, c *component) error {
	err := basePackage(p, u, c)
	p.Evidence = d.evidenceOf(c)
	if len(c.Properties) == 0 { // the usual case for assay's own documents
		return err
	}
	if applyProperties(p, c.Properties) {
		return nil
	}
	return err
}

// applyProperties sets what assay's own properties of a package say. It reports whether they say
// which type the package has.
func applyProperties(p *inventory.Package, props []property) (typed bool) {
	for _, property := range slices.Backward(props) { // the first one wins
		if of := overridden(p, property.Name); of != nil {
			*of = property.Value
			typed = typed || property.Name == propType
		}
	}
	if hashes := all(props, propHash); hashes != nil {
		p.Hashes = hashes
	}
	if sets := all(props, propContentSet); sets != nil {
		p.ContentSets = sets
	}
	held, _ := lookup(props, propHeld)
	p.Held = held == "true"
	linked, _ := lookup(props, propLinked)
	p.Linked = inventory.Linked(linked)
	p.Layer, _ = first(props, propLayer, "aquasecurity:trivy:LayerDiffID", "syft:location:0:layerID")
	if owner, ok := lookup(props, propOwner); ok {
		digest, _ := lookup(props, propOwnerDigest)
		p.Owner = &inventory.Owner{Package: owner, Digest: digestOf(digest)}
	}
	return typed
}

// digestOf returns how a file compares with the one that its owner installed. An unknown
// value counts as different, so that the owner does not decide about the package.
func digestOf(word string) inventory.Digest {
	switch d := inventory.Digest(word); d {
	case inventory.DigestEqual, inventory.DigestUnknown:
		return d
	}
	return inventory.DigestDifferent
}

// overrides lists the properties that replace a field.
func overrides() [10]string {
	return [...]string{
		propType, propName, propVersion, propArch, propSource, propSourceVersion, propVendor, propSignedBy, propModule, propEmbeddedIn,
	}
}

// overridden returns the field that a property replaces, or nil for other properties.
func overridden(p *inventory.Package, property string) *string {
	switch property {
	case propType:
		return &p.Type
	case propName:
		return &p.Name
	case propVersion:
		return &p.Version
	case propArch:
		return &p.Arch
	case propSource:
		return &p.Source
	case propSourceVersion:
		return &p.SourceVersion
	case propVendor:
		return &p.Vendor
	case propSignedBy:
		return &p.SignedBy
	case propModule:
		return &p.Module
	case propEmbeddedIn:
		return &p.EmbeddedIn
	}
	return nil
}

// basePackage is packageOf without assay's own properties and without the evidence.
func basePackage(p *inventory.Package, u *purl.PURL, c *component) error {
	err := errNoPURL
	if c.PURL != "" {
		if err = u.Parse(c.PURL); err == nil {
			*p = u.Package()
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
	if len(c.Properties) > 0 {
		peerProperties(p, c.Properties)
	}
	return err
}

// hashName turns "SHA-256" into "sha256" and "SHA3-256" into "sha3-256".
func hashName(alg string) string {
	alg = strings.ToLower(alg)
	if size, ok := strings.CutPrefix(alg, "sha-"); ok {
		return "sha" + size
	}
	return alg
}

// peerProperties reads the properties that Syft and Trivy write about a package.
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

// evidenceOf returns where a component was found: its occurrences, or else the properties of
// Syft, Trivy and cdxgen.
func (d *decoder) evidenceOf(c *component) []inventory.Evidence {
	if n := len(c.Evidence.Occurrences); n > 0 {
		if n > len(d.evidence) {
			d.evidence = make([]inventory.Evidence, max(n, 64))
		}
		found := d.evidence[:n:n]
		d.evidence = d.evidence[n:]
		for i, o := range c.Evidence.Occurrences {
			found[i] = inventory.Evidence{Path: relative(o.Location), Kind: o.Context}
		}
		return found
	}
	var found []inventory.Evidence
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

// lookup returns the value of the first property with a name.
func lookup(props []property, name string) (string, bool) {
	for _, p := range props {
		if p.Name == name {
			return p.Value, true
		}
	}
	return "", false
}

// first returns the value of the first name for which there is a property.
func first(props []property, names ...string) (string, bool) {
	for _, name := range names {
		if value, ok := lookup(props, name); ok {
			return value, true
		}
	}
	return "", false
}

// all returns the values of all properties with a name.
func all(props []property, name string) []string {
	var values []string
	for _, p := range props {
		if p.Name == name {
			values = append(values, p.Value)
		}
	}
	return values
}
