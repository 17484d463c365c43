package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"assay/check/testkit/pkgdb"
	"assay/remote/purl"
)

// A component has the fields of a CycloneDX component that are compared.
type component struct {
	Name, Version, PURL string
	Properties          []struct{ Name, Value string }
}

// readCycloneDX adds the packages of a document to a tally.
func readCycloneDX(text []byte, t tally) error {
	var doc struct{ Components []component }
	if err := json.Unmarshal(text, &doc); err != nil {
		return err
	}
	for _, c := range doc.Components {
		if c.PURL == "" || c.Name == "gpg-pubkey" {
			continue
		}
		var p purl.PURL
		if err := p.Parse(c.PURL); err != nil {
			return err
		}
		if !ofSystem(p.Type) {
			t.addPackage(p.Type, p.Package().Name, p.Version)
			continue
		}
		row, err := c.row(p.Type)
		if err != nil {
			return fmt.Errorf("purl %q: %w", c.PURL, err)
		}
		t.add(p.Type, row)
	}
	return nil
}

// row returns a component that is a package of an operating system. Assay and Syft write
// its source to the purl's "upstream", without the parts that equal those of the package.
// Assay also has properties for what does not fit there. Trivy only uses properties.
func (c component) row(kind string) (row pkgdb.Row, err error) {
	_, query, _ := strings.Cut(c.PURL, "?")
	q, err := url.ParseQuery(query)
	if err != nil {
		return row, err
	}
	row = pkgdb.Row{Name: c.Name, Version: c.Version, Arch: q.Get("arch")}
	if epoch := q.Get("epoch"); epoch != "" && !strings.Contains(row.Version, ":") {
		row.Version = epoch + ":" + row.Version
	}
	row.Source, row.SourceVersion = row.Name, row.Version
	upstream := q.Get("upstream")
	switch base, isFile := strings.CutSuffix(upstream, ".src.rpm"); {
	case isFile:
		if f := strings.Split(base, "-"); len(f) > 2 {
			row.Source, row.SourceVersion = strings.Join(f[:len(f)-2], "-"), strings.Join(f[len(f)-2:], "-")
		}
	case upstream != "":
		source, version, _ := strings.Cut(upstream, "@")
		row.Source = source
		if version != "" {
			row.SourceVersion = version
		}
	}
	c.properties(&row)
	if kind == "rpm" { // the lists have no epoch of the source
		if _, version, ok := strings.Cut(row.SourceVersion, ":"); ok {
			row.SourceVersion = version
		}
	}
	return row, nil
}

func (c component) properties(row *pkgdb.Row) {
	var version, release, epoch string
	for _, p := range c.Properties {
		switch p.Name {
		case "assay:name":
			row.Name = p.Value
		case "assay:version":
			row.Version = p.Value
		case "assay:arch":
			row.Arch = p.Value
		case "assay:source", "aquasecurity:trivy:SrcName":
			row.Source = p.Value
		case "assay:source-version":
			row.SourceVersion = p.Value
		case "aquasecurity:trivy:SrcVersion":
			version = p.Value
		case "aquasecurity:trivy:SrcRelease":
			release = p.Value
		case "aquasecurity:trivy:SrcEpoch":
			epoch = p.Value
		}
	}
	if version == "" {
		return
	}
	if row.SourceVersion = version; release != "" {
		row.SourceVersion += "-" + release
	}
	if epoch != "" {
		row.SourceVersion = epoch + ":" + row.SourceVersion
	}
}

// readScanner adds the packages of languages in osv-scanner's JSON to one of two
// tallies. Without packages it prints nothing.
func readScanner(text []byte, installed, locked tally) error {
	var doc struct {
		Results []struct {
			Source   struct{ Type string }
			Packages []struct {
				Package struct{ Name, Version, Ecosystem string }
			}
		}
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("osv-scanner: %w", err)
	}
	types := map[string]string{"npm": "npm", "PyPI": "pypi", "RubyGems": "gem", "Maven": "maven", "Packagist": "composer",
		"Go": "golang", "crates.io": "cargo", "NuGet": "nuget", "CRAN": "cran", "Pub": "pub", "Hex": "hex", "Hackage": "hackage",
		"ConanCenter": "conan", "GitHub Actions": "githubactions", "SwiftURL": "swift"}
	for _, r := range doc.Results {
		t := locked
		if r.Source.Type == "artifact" {
			t = installed
		}
		for _, p := range r.Packages {
			ecosystem, _, _ := strings.Cut(p.Package.Ecosystem, ":")
			typ, ok := types[ecosystem]
			if !ok {
				continue // of operating systems
			}
			t.addPackage(typ, p.Package.Name, p.Package.Version)
		}
	}
	return nil
}
