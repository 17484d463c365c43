// Package cyclonedx renders a scan as CycloneDX 1.6 (ECMA-424): the inventory that was sent,
// with its vulnerabilities. The document can be sent to the service again.
package cyclonedx

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"

	wire "assay/remote/cyclonedx"
	"assay/service/report"
	"assay/verdict"
)

// Format is the format "cyclonedx".
func Format() report.Format {
	return report.Format{
		Name: "cyclonedx", Type: "application/vnd.cyclonedx+json; version=1.6", Extension: ".cdx.json", Inventory: true, Render: render,
	}
}

const (
	maxText  = 1000 // runes of a text
	imageRef = "image"
)

// render writes the document of the request and adds to it. Texts are escaped by JSON and not
// changed, because a reader takes the packages from them.
func render(w io.Writer, s report.Scan) error {
	bom, err := request(s.Sent)
	if err != nil {
		return fmt.Errorf("encode CycloneDX: %w", err)
	}
	serial, err := serialNumber(s.Verdict)
	if err != nil {
		return fmt.Errorf("encode CycloneDX: %w", err)
	}
	bom.SerialNumber = serial
	refs := referComponents(bom)
	gaps := s.Incomplete()
	describe(bom, s, gaps)
	addVulnerabilities(bom, s, refs)

	e := cdx.NewBOMEncoder(verdict.ASCII(w), cdx.BOMFileFormatJSON)
	if err := e.Encode(bom); err != nil {
		return fmt.Errorf("encode CycloneDX: %w", err)
	}
	return nil
}

// request returns the document of a scan as the client sends it, without the files of
// exceptions: what they accept is in the vulnerabilities.
func request(sent wire.Scan) (*cdx.BOM, error) {
	sent.Files = nil
	var b bytes.Buffer
	if err := wire.Encode(&b, sent); err != nil {
		return nil, err
	}
	bom := &cdx.BOM{}
	return bom, cdx.NewBOMDecoder(&b, cdx.BOMFileFormatJSON).Decode(bom)
}

// serialNumber derives a UUID from the scan. That of a scan that is not kept, and has no id,
// depends on the whole verdict.
func serialNumber(v verdict.Verdict) (string, error) {
	of := []byte("scan " + v.Scan)
	if v.Scan == "" {
		text, err := json.Marshal(v)
		if err != nil {
			return "", err
		}
		of = text
	}
	return "urn:uuid:" + report.UUID(of), nil
}

// references finds the components of packages.
type references struct {
	byPlace map[string]string // purl and first path
	byPURL  map[string]string
}

// referComponents gives each component a reference: its purl, with a number if several
// components have the same one.
func referComponents(bom *cdx.BOM) references {
	refs := references{map[string]string{}, map[string]string{}}
	if bom.Components == nil {
		bom.Components = &[]cdx.Component{}
	}
	seen := map[string]int{}
	for i := range *bom.Components {
		c := &(*bom.Components)[i]
		base := cmp.Or(c.PackageURL, string(c.Type)+":"+c.Name)
		ref := base
		if seen[base]++; seen[base] > 1 {
			ref = fmt.Sprintf("%s#%d", base, seen[base])
		}
		c.BOMRef = ref
		place := placeKey(c.PackageURL, firstPath(c))
		refs.byPlace[place] = cmp.Or(refs.byPlace[place], ref)
		refs.byPURL[c.PackageURL] = cmp.Or(refs.byPURL[c.PackageURL], ref)
	}
	return refs
}

func firstPath(c *cdx.Component) string {
	if c.Evidence == nil || c.Evidence.Occurrences == nil || len(*c.Evidence.Occurrences) == 0 {
		return ""
	}
	return (*c.Evidence.Occurrences)[0].Location
}

func placeKey(purl, path string) string { return purl + "\x00" + path }

// of returns the reference of the component of a package. It adds a component for a package
// that the inventory lacks.
func (r references) of(bom *cdx.BOM, p verdict.Package) string {
	path := ""
	if len(p.Paths) > 0 {
		path = p.Paths[0]
	}
	if ref := r.byPlace[placeKey(p.PURL, path)]; ref != "" {
		return ref
	}
	if ref := r.byPURL[p.PURL]; ref != "" {
		return ref
	}
	ref := cmp.Or(p.PURL, "package:"+p.Name)
	*bom.Components = append(*bom.Components, cdx.Component{BOMRef: ref, Type: cdx.ComponentTypeLibrary, Name: p.Name, Version: p.Version, PackageURL: p.PURL})
	r.byPURL[p.PURL] = ref
	return ref
}

// describe sets the metadata, and says how complete the document is.
func describe(bom *cdx.BOM, s report.Scan, gaps []report.Gap) {
	v, m := s.Verdict, bom.Metadata
	if m == nil {
		m = &cdx.Metadata{}
		bom.Metadata = m
	}
	at := s.At.UTC().Format(time.RFC3339)
	m.Timestamp = at
	if m.Tools == nil {
		m.Tools = &cdx.ToolsChoice{}
	}
	if m.Tools.Components == nil {
		m.Tools.Components = &[]cdx.Component{}
	}
	assayd := cdx.Component{Type: cdx.ComponentTypeApplication, Name: "assayd", Version: s.Service}
	*m.Tools.Components = append(*m.Tools.Components, assayd)
	m.Component = &cdx.Component{
		BOMRef: imageRef, Type: cdx.ComponentTypeContainer,
		Name: cmp.Or(v.Options.Project, "image"), Version: v.Options.Commit, PackageURL: v.Options.VEXProduct,
	}
	var properties []cdx.Property
	if m.Properties != nil {
		properties = *m.Properties
	}
	properties = append(properties,
		cdx.Property{Name: "assay:outcome", Value: string(v.Decision.Outcome)},
		cdx.Property{Name: "assay:scan", Value: v.Scan},
		cdx.Property{Name: "assay:data-updated", Value: v.Data.Updated.UTC().Format(time.RFC3339)},
	)
	aggregate := cdx.CompositionAggregateComplete
	if len(gaps) > 0 {
		aggregate = cdx.CompositionAggregateIncomplete
	}
	var annotations []cdx.Annotation
	for _, g := range gaps {
		text := "not evaluated: " + report.Line(g.Text, maxText)
		properties = append(properties, cdx.Property{Name: "assay:not-evaluated", Value: report.Line(g.Rule+": "+g.Text, maxText)})
		annotations = append(annotations, cdx.Annotation{
			Subjects: &[]cdx.BOMReference{imageRef}, Annotator: &cdx.Annotator{Component: &assayd}, Timestamp: at, Text: text,
		})
	}
	m.Properties = &properties
	if len(annotations) > 0 {
		bom.Annotations = &annotations
	}
	bom.Compositions = &[]cdx.Composition{{Aggregate: aggregate, Assemblies: &[]cdx.BOMReference{imageRef}}}
}
