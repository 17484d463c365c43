package cyclonedx

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"assay/inspect/inventory"
	"assay/remote/purl"
)

// Encode writes a scan as one line of JSON. The output is deterministic, without a serial
// number, and without a time other than that of s. Decode returns the same scan if its inventory is sorted. JSON cannot
// represent invalid UTF-8 in a name or path, so Decode returns U+FFFD for it. Components
// have no bom-ref, because nothing refers to them and it would repeat each purl.
func Encode(w io.Writer, s Scan) error {
	doc := document{
		Schema:      "http://cyclonedx.org/schema/bom-1.6.schema.json",
		BOMFormat:   "CycloneDX",
		SpecVersion: "1.6",
		Version:     1,
		Metadata:    metadata{Tools: toolOf(s.Client)},
		Components:  make([]*component, 0, len(s.Inventory.Packages)+1),
	}
	properties, err := metadataProperties(s)
	if err != nil {
		return fmt.Errorf("encode the scan: %w", err)
	}
	doc.Metadata.Properties = properties

	system := s.Inventory.System
	if !reflect.ValueOf(system).IsZero() {
		doc.Components = append(doc.Components, systemComponent(system))
	}
	for _, p := range s.Inventory.Packages {
		doc.Components = append(doc.Components, packageComponent(p, system))
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		return fmt.Errorf("encode the scan: %w", err)
	}
	return nil
}

// toolOf splits "assay 0.1.0" into name and version.
func toolOf(client string) tools {
	if client == "" {
		return tools{}
	}
	t := tool{Type: "application", Name: client}
	if i := strings.LastIndexByte(client, ' '); i > 0 && i+1 < len(client) {
		t.Name, t.Version = client[:i], client[i+1:]
	}
	return tools{Components: []tool{t}}
}

func metadataProperties(s Scan) ([]property, error) {
	var properties []property
	for _, o := range s.Options {
		if strings.Contains(o.Origin, ":") {
			return nil, fmt.Errorf("the origin %q of option %q contains a colon", o.Origin, o.Name)
		}
		properties = append(properties, property{propOption + o.Origin + ":" + o.Name, o.Value})
	}
	for _, f := range s.Files {
		properties = append(properties, property{propFile + f.Kind + ":" + f.Name, base64.StdEncoding.EncodeToString(f.Body)})
	}
	if !s.Modified.IsZero() {
		properties = append(properties, property{propModified, s.Modified.UTC().Format(time.RFC3339)})
	}
	if s.Image != nil {
		value, err := json.Marshal(s.Image)
		if err != nil {
			return nil, err
		}
		properties = append(properties, property{propImage, string(value)})
	}
	for _, p := range s.Inventory.ScanErrors {
		value, err := ScanErrorText(p)
		if err != nil {
			return nil, err
		}
		properties = append(properties, property{propPartial, value})
	}
	return properties, nil
}

func systemComponent(s inventory.System) *component {
	c := &component{
		Type:        "operating-system",
		Name:        s.ID,
		Version:     s.VersionID,
		Description: s.PrettyName,
		CPE:         s.CPE,
	}
	if s.Path != "" {
		c.Evidence.Occurrences = []occurrence{{Location: s.Path}}
	}
	if s.Codename != "" {
		c.Properties = append(c.Properties, property{propCodename, s.Codename})
	}
	for _, id := range s.IDLike {
		c.Properties = append(c.Properties, property{propIDLike, id})
	}
	for _, name := range s.Repositories {
		c.Properties = append(c.Properties, property{propRepository, name})
	}
	return c
}

func packageComponent(p inventory.Package, system inventory.System) *component {
	u := purl.Of(p, system)
	c := &component{
		Type:      "library",
		Publisher: p.Vendor,
		Name:      u.Name,
		Version:   p.Version,
		CPE:       p.CPE,
		PURL:      u.String(),
	}
	if !u.Distributed() {
		c.Group = u.Namespace
	}
	c.Hashes = hashesOf(p.Hashes)
	for _, e := range p.Evidence {
		c.Evidence.Occurrences = append(c.Evidence.Occurrences, occurrence{e.Path, e.Kind})
	}
	c.Properties = packageProperties(p, c)
	return c
}

// packageProperties returns the properties for what the rest of the component does not say.
func packageProperties(p inventory.Package, c *component) []property {
	var properties []property
	add := func(name, value string) { properties = append(properties, property{name, value}) }

	var read inventory.Package
	var u purl.PURL
	err := basePackage(&read, &u, c)
	for _, name := range overrides() {
		// Without a purl the type makes the component a package.
		if want := *overridden(&p, name); *overridden(&read, name) != want || name == propType && err != nil {
			add(name, want)
		}
	}
	if !slices.Equal(read.Hashes, p.Hashes) {
		for _, h := range p.Hashes {
			add(propHash, h)
		}
	}
	for _, set := range p.ContentSets {
		add(propContentSet, set)
	}
	if p.Held {
		add(propHeld, "true")
	}
	if p.Linked.Known() {
		add(propLinked, string(p.Linked))
	}
	if p.Layer != "" {
		add(propLayer, p.Layer)
	}
	if p.Owner != nil {
		add(propOwner, p.Owner.Package)
		add(propOwnerDigest, string(p.Owner.Digest))
	}
	return properties
}

// hashesOf returns the hashes in the form of the format, or nil if it has no form for one
// of them.
func hashesOf(hashes []string) []hash {
	var out []hash
	for _, h := range hashes {
		name, content, _ := strings.Cut(h, ":")
		alg, size := algorithm(name)
		if digest, err := hex.DecodeString(content); err != nil || len(digest) != size || strings.ToLower(content) != content {
			return nil
		}
		out = append(out, hash{alg, content})
	}
	return out
}

// algorithm returns the name of a hash in CycloneDX and its size in bytes. The size is 0
// for a hash that Encode does not write.
func algorithm(name string) (alg string, size int) {
	switch name {
	case "md5":
		return "MD5", 16
	case "sha1":
		return "SHA-1", 20
	case "sha256":
		return "SHA-256", 32
	case "sha384":
		return "SHA-384", 48
	case "sha512":
		return "SHA-512", 64
	}
	return "", 0
}
