package spdx

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/remote/jsonread"
	"assay/remote/purl"
)

// errFound ends a reading whose result is known.
var errFound = errors.New("found")

// Is reports whether a JSON text is an SPDX document, or an in-toto statement about one, and
// not a CycloneDX document: the first member that names a format decides. It reads no more
// than that.
func Is(text string, limits jsonread.Limits) bool {
	is := false
	r := jsonread.New(text, limits)
	r.Object(func(key string) {
		switch key {
		case "spdxVersion", "predicateType", "predicate":
			is = true
			r.Stop(errFound)
		case "bomFormat":
			r.Stop(errFound)
		default:
			r.Skip()
		}
	})
	return is
}

// Decode reads an SPDX 2.2 or 2.3 document in JSON, written by Syft, Trivy, BuildKit, sbom-tool
// or assay, or an in-toto statement with one. The purl of a package says which package it is.
// What cannot be mapped is a scan error: a package without a valid purl, and a reference to
// another document. Files, snippets and licenses are ignored. A document has no options and no
// files of exceptions. The inventory is sorted, and its strings share the memory of the text.
func Decode(text string, limits jsonread.Limits) (cyclonedx.Scan, error) {
	d := decoder{Reader: jsonread.New(text, limits), limits: limits}
	var predicateType string
	isStatement, described := false, false
	d.Object(func(key string) {
		switch key {
		case "predicateType":
			isStatement = true
			d.String(&predicateType)
		case "predicate":
			isStatement, described = true, true
			d.reset()
			d.Object(d.member)
		default:
			if described { // a member of the statement
				d.Skip()
				return
			}
			d.member(key)
		}
	})
	if err := d.End(); err != nil {
		return cyclonedx.Scan{}, fmt.Errorf("read the SPDX document: %w", err)
	}
	if isStatement && (!described || !strings.HasPrefix(predicateType, predicateSPDX)) {
		return cyclonedx.Scan{}, fmt.Errorf("not a statement about an SPDX document: its predicateType is %q", predicateType)
	}
	if d.version != "SPDX-2.2" && d.version != "SPDX-2.3" {
		return cyclonedx.Scan{}, fmt.Errorf("SPDX of spdxVersion %q is not supported, only SPDX-2.2 and SPDX-2.3", d.version)
	}
	return d.scan()
}

const predicateSPDX = "https://spdx.dev/Document"

// A decoder reads the members of a document.
type decoder struct {
	jsonread.Reader
	version   string
	tools     []string
	partial   []string // values of annotations
	externals []string // ids of other documents
	packages  []inventory.Package
	system    inventory.System
	guess     inventory.System // from the first package of a distribution
	described map[string]bool  // ids that the document describes
	unmapped  []unmapped       // packages that have no valid purl
	limits    jsonread.Limits  // of what annotations and source infos contain
	current   spdxRead
}

// An unmapped package may be what the document describes, which is known at the end.
type unmapped struct {
	id      string
	failure inventory.ScanError
	applies bool // it is Trivy's name for a file that contains packages
}

func (d *decoder) reset() {
	*d = decoder{Reader: d.Reader, limits: d.limits}
}

// member reads a member of the document. A repeated list replaces the first.
func (d *decoder) member(key string) {
	switch key {
	case "spdxVersion":
		d.String(&d.version)
	case "creationInfo":
		d.Object(func(key string) {
			if key != "creators" {
				d.Skip()
				return
			}
			jsonread.List(&d.Reader, &d.tools, d.String)
		})
	case "annotations":
		d.partial = nil
		d.Array(func() {
			var comment string
			d.member1("comment", &comment)
			if value, ok := strings.CutPrefix(comment, annotationPartial); ok {
				d.partial = append(d.partial, value)
			}
		})
	case "externalDocumentRefs":
		d.externals = nil
		d.Array(func() {
			var id string
			d.member1("externalDocumentId", &id)
			d.externals = append(d.externals, id)
		})
	case "documentDescribes":
		var ids []string
		jsonread.List(&d.Reader, &ids, d.String)
		for _, id := range ids {
			d.describes(id)
		}
	case "relationships":
		d.Array(d.relationship)
	case "packages":
		d.packages, d.unmapped = nil, nil
		d.system, d.guess = inventory.System{}, inventory.System{}
		d.Array(d.pkg)
	default:
		d.Skip()
	}
}

// member1 reads one member of an object, a text.
func (d *decoder) member1(name string, to *string) {
	d.Object(func(key string) {
		if key != name {
			d.Skip()
			return
		}
		d.String(to)
	})
}

func (d *decoder) describes(id string) {
	if d.described == nil {
		d.described = map[string]bool{}
	}
	d.described[id] = true
}

func (d *decoder) relationship() {
	var r relationship
	d.Object(func(key string) {
		switch key {
		case "spdxElementId":
			d.String(&r.Element)
		case "relationshipType":
			d.String(&r.Type)
		case "relatedSpdxElement":
			d.String(&r.Related)
		default:
			d.Skip()
		}
	})
	switch {
	case r.Type == "DESCRIBES" && r.Element == documentID:
		d.describes(r.Related)
	case r.Type == "DESCRIBED_BY" && r.Related == documentID:
		d.describes(r.Element)
	}
}

// A spdxRead is the part of a package that is read.
type spdxRead struct {
	id, name, version, purpose, sourceInfo string
	supplier, originator                   string
	purls, cpes                            []string
	hashes                                 []string
	notes                                  []string // annotations and attribution texts
	paths                                  []string
}

func (d *decoder) pkg() {
	if d.Peek() != '{' {
		d.Object(nil) // null, or an error
		return
	}
	c := &d.current
	*c = spdxRead{purls: c.purls[:0], cpes: c.cpes[:0], notes: c.notes[:0]}
	d.Object(func(key string) {
		switch key {
		case "SPDXID":
			d.String(&c.id)
		case "name":
			d.String(&c.name)
		case "versionInfo":
			d.String(&c.version)
		case "primaryPackagePurpose":
			d.String(&c.purpose)
		case "sourceInfo":
			d.String(&c.sourceInfo)
		case "supplier":
			d.String(&c.supplier)
		case "originator":
			d.String(&c.originator)
		case "externalRefs":
			d.Array(d.externalRef)
		case "checksums":
			d.Array(d.checksum)
		case "annotations":
			d.Array(func() {
				var comment string
				d.member1("comment", &comment)
				c.notes = append(c.notes, comment)
			})
		case "attributionTexts":
			var texts []string
			jsonread.List(&d.Reader, &texts, d.String)
			c.notes = append(c.notes, texts...)
		default:
			d.Skip()
		}
	})
	if d.Err() != nil {
		return
	}
	if c.version == unknown || c.version == none {
		c.version = "" // it would be newer than any other to some package managers
	}
	c.paths = pathsIn(c.sourceInfo)
	d.charge(c)
	if d.Err() == nil {
		d.take(c)
	}
}

// charge takes what the purls of a package repeat from the limits: each has a package with all
// paths, and reads the texts again.
func (d *decoder) charge(c *spdxRead) {
	size := len(c.name) + len(c.id) + len(c.supplier) + len(c.originator)
	for _, note := range c.notes {
		size += len(note)
	}
	purls := max(1, len(c.purls))
	d.limits.Bytes -= int64(purls-1) * int64(size)
	const values = 4 // a path is short, and takes as much memory as a value that is longer
	d.limits.Values -= values * len(c.paths) * purls
	if d.limits.Bytes < 0 || d.limits.Values < 0 {
		d.Stop(fmt.Errorf("%w: too many paths or purls of packages", jsonread.ErrTooLarge))
	}
}

func (d *decoder) externalRef() {
	var typ, locator string
	d.Object(func(key string) {
		switch key {
		case "referenceType":
			d.String(&typ)
		case "referenceLocator":
			d.String(&locator)
		default:
			d.Skip()
		}
	})
	switch c := &d.current; typ {
	case "purl":
		c.purls = append(c.purls, locator)
	case "cpe23Type", "cpe22Type":
		c.cpes = append(c.cpes, locator)
	}
}

func (d *decoder) checksum() {
	var alg, value string
	d.Object(func(key string) {
		switch key {
		case "algorithm":
			d.String(&alg)
		case "checksumValue":
			d.String(&value)
		default:
			d.Skip()
		}
	})
	d.current.hashes = append(d.current.hashes, strings.ToLower(alg)+":"+strings.ToLower(value))
}

// isSystem reports whether a package is the operating system. Older versions of Trivy say so in
// the id only.
func (c *spdxRead) isSystem() bool {
	return c.purpose == "OPERATING-SYSTEM" || c.purpose == "OPERATING_SYSTEM" || strings.HasPrefix(c.id, "SPDXRef-OperatingSystem")
}

// take adds a package that was read: one for each of its purls.
func (d *decoder) take(c *spdxRead) {
	if c.isSystem() {
		d.takeSystem(c)
		if len(c.purls) == 0 {
			return
		}
	}
	if len(c.purls) == 0 {
		d.unmap(c, errors.New("the purl is missing"))
	}
	for _, text := range c.purls {
		var u purl.PURL
		if err := u.Parse(text); err != nil {
			d.unmap(c, err)
			continue
		}
		switch u.Type {
		case "oci", "docker": // the image, which contains the packages
		case "swid":
			d.unmap(c, fmt.Errorf("a purl of type %q is not supported", u.Type))
		default:
			p := c.pkg(u)
			d.describe(c, func(a about) {
				cyclonedx.SetPackageProperties(&p, a.Properties)
				if len(a.Evidence) > 0 {
					p.Evidence = nil
				}
				for _, f := range a.Evidence {
					p.Evidence = append(p.Evidence, inventory.Evidence{Path: strings.TrimLeft(f.Path, "/"), Kind: f.Kind})
				}
			})
			d.packages = append(d.packages, p)
			if d.guess.ID == "" {
				d.guess = u.System()
			}
		}
	}
}

func (d *decoder) takeSystem(c *spdxRead) {
	if d.system.Known() || c.name == "" {
		d.unmap(c, errors.New("it is a second operating system, or has no name"))
		return
	}
	d.system = inventory.System{ID: cyclonedx.TrivyID(c.name), VersionID: c.version}
	if len(c.cpes) > 0 {
		d.system.CPE = c.cpes[0]
	}
	d.describe(c, func(a about) {
		cyclonedx.SetSystemProperties(&d.system, a.Properties)
		d.system.PrettyName = a.PrettyName
		if len(a.Evidence) > 0 {
			d.system.Path = strings.TrimLeft(a.Evidence[0].Path, "/")
		}
	})
}

// describe calls set with the values of assay's annotations of a package.
func (d *decoder) describe(c *spdxRead, set func(about)) {
	for _, note := range c.notes {
		value, ok := strings.CutPrefix(note, annotationAbout)
		if !ok {
			continue
		}
		r := aboutReader{Reader: jsonread.New(value, d.limits)}
		a, err := r.about()
		if err != nil {
			d.Stop(fmt.Errorf("annotation %.50q: %w", note, err))
			return
		}
		d.limits.Values -= r.Values() // those of all annotations together
		set(a)
	}
}

// An aboutReader reads the value of an annotation.
type aboutReader struct{ jsonread.Reader }

func (r *aboutReader) about() (about, error) {
	var a about
	r.Object(func(key string) {
		switch key {
		case "properties":
			jsonread.List(&r.Reader, &a.Properties, func(p *cyclonedx.Property) { r.pair("name", &p.Name, "value", &p.Value) })
		case "evidence":
			jsonread.List(&r.Reader, &a.Evidence, func(f *found) { r.pair("path", &f.Path, "kind", &f.Kind) })
		case "pretty_name":
			r.String(&a.PrettyName)
		default:
			r.Skip()
		}
	})
	return a, r.End()
}

// pair reads an object of two texts.
func (r *aboutReader) pair(first string, to *string, second string, too *string) {
	r.Object(func(key string) {
		switch key {
		case first:
			r.String(to)
		case second:
			r.String(too)
		default:
			r.Skip()
		}
	})
}

// unmap keeps a package that has no valid purl.
func (d *decoder) unmap(c *spdxRead, cause error) {
	failure := inventory.ScanError{Kind: inventory.KindFile, Err: fmt.Sprintf("package %q: %v", cmp.Or(c.name, c.id), cause)}
	if len(c.paths) > 0 {
		failure.Path = c.paths[0]
	}
	d.unmapped = append(d.unmapped, unmapped{
		id: c.id, failure: failure,
		applies: len(c.purls) == 0 && (c.purpose == "APPLICATION" || strings.HasPrefix(c.id, "SPDXRef-Application-")),
	})
}

// pkg returns the package of a purl, with what the rest of c says.
func (c *spdxRead) pkg(u purl.PURL) inventory.Package {
	p := u.Package()
	if p.Version == "" {
		p.Version = c.version
		if p.Source != "" && p.SourceVersion == "" {
			p.SourceVersion = c.version
		}
	}
	p.Vendor = cmp.Or(person(c.supplier), person(c.originator))
	if len(c.cpes) > 0 {
		p.CPE = c.cpes[0]
	}
	p.Hashes = c.hashes
	for _, path := range c.paths {
		p.Evidence = append(p.Evidence, inventory.Evidence{Path: path})
	}
	for _, note := range c.notes {
		if label, ok := strings.CutPrefix(note, "Modularitylabel: "); ok && p.Module == "" {
			p.Module = label
		}
	}
	if source, ok := strings.CutPrefix(c.sourceInfo, "built package from: "); ok { // Trivy
		if name, version, ok := strings.Cut(source, " "); ok && name != "" {
			p.Source = name
			if p.Type == "rpm" { // its source package has no epoch
				if _, rest, ok := strings.Cut(version, ":"); ok {
					version = rest
				}
			}
			p.SourceVersion = version
		}
	}
	return p
}

// pathsIn returns where a package was found, which Syft, Trivy and assay write into its source
// info: "acquired package info from DPKG DB: /var/lib/dpkg/status, /usr/share/doc/bash".
func pathsIn(text string) []string {
	for _, prefix := range [...]string{"found in ", "package found in: ", "acquired package info from "} {
		rest, ok := strings.CutPrefix(text, prefix)
		if !ok {
			continue
		}
		if prefix == "acquired package info from " {
			if _, rest, ok = strings.Cut(rest, ": "); !ok {
				return nil
			}
		}
		var paths []string
		for path := range strings.SplitSeq(rest, ", /") {
			if path = strings.TrimLeft(path, "/"); path != "" && (len(paths) == 0 || paths[len(paths)-1] != path) {
				paths = append(paths, path)
			}
		}
		return paths
	}
	return nil
}

// person returns "Name <address>" for "Person: Name (address)", the form of package databases.
func person(text string) string {
	for _, kind := range [...]string{"Person: ", "Organization: "} {
		name, ok := strings.CutPrefix(text, kind)
		if !ok {
			continue
		}
		if before, address, ok := strings.Cut(name, " ("); ok && strings.Contains(address, "@") && strings.HasSuffix(address, ")") {
			return before + " <" + strings.TrimSuffix(address, ")") + ">"
		}
		return name
	}
	return ""
}

// scan returns what was read.
func (d *decoder) scan() (cyclonedx.Scan, error) {
	s := cyclonedx.Scan{Client: d.client(), Inventory: inventory.Inventory{System: d.system, Packages: d.packages}}
	inv := &s.Inventory
	if !inv.System.Known() {
		inv.System = d.guess
	}
	trivy := strings.HasPrefix(s.Client, "trivy")
	for _, u := range d.unmapped {
		// The one package that the document is about is not one in it.
		root := len(d.described) == 1 && d.described[u.id]
		if root || trivy && u.applies {
			continue
		}
		inv.ScanErrors = append(inv.ScanErrors, u.failure)
	}
	for _, id := range d.externals {
		inv.ScanErrors = append(inv.ScanErrors, inventory.ScanError{
			Kind: inventory.KindFile, Err: fmt.Sprintf("the document refers to the document %q, which was not sent", id),
		})
	}
	for _, value := range d.partial {
		e, err := cyclonedx.ScanErrorOf(value)
		if err != nil {
			return cyclonedx.Scan{}, fmt.Errorf("read the SPDX document: annotation %q: %w", annotationPartial+value, err)
		}
		inv.ScanErrors = append(inv.ScanErrors, e)
	}
	inv.Sort()
	return s, nil
}

// client returns the tool that wrote the document: "syft 1.57.0" for "Tool: syft-1.57.0".
func (d *decoder) client() string {
	i := slices.IndexFunc(d.tools, func(s string) bool { return strings.HasPrefix(s, "Tool: ") })
	if i < 0 {
		return ""
	}
	tool := strings.TrimPrefix(d.tools[i], "Tool: ")
	for at := range len(tool) - 1 {
		if tool[at] == '-' && '0' <= tool[at+1] && tool[at+1] <= '9' {
			return tool[:at] + " " + tool[at+1:]
		}
	}
	return tool
}
