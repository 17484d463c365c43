// Package spdx writes an inventory as an SPDX 2.3 document in JSON
// (https://spdx.github.io/spdx-spec/v2.3/), alone or inside the in-toto statement that BuildKit
// expects, and reads the documents of assay and other tools.
//
// A document of an inventory with scan errors has an annotation for each of them, so that a
// reader of the document does not take the image for completely read:
//
//	assay:partial {"path":…,"kind":…,"error":…}
//
// A package and the system have an annotation with what SPDX has no field for: the properties of
// remote/cyclonedx, and where the package was found by which reader.
//
//	assay:about {"properties":[{"name":…,"value":…}],"evidence":[{"path":…,"kind":…}]}
package spdx

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"assay/inspect/inventory"
	"assay/remote/cyclonedx"
	"assay/remote/purl"
)

// A Document is an SPDX document.
type Document struct {
	// Name is the name of the tree, "sbom".
	Name string
	// Namespace is a unique URI.
	Namespace string
	Created   time.Time
	Tool      string // "assay 1.0.0"
	Inventory inventory.Inventory
	// Notes are sentences about the whole document, in addition to that about scan errors.
	Notes []string
}

type statement struct {
	Type          string   `json:"_type"`
	PredicateType string   `json:"predicateType"`
	Predicate     document `json:"predicate"`
}

type document struct {
	Version       string         `json:"spdxVersion"`
	License       string         `json:"dataLicense"`
	ID            string         `json:"SPDXID"`
	Name          string         `json:"name"`
	Namespace     string         `json:"documentNamespace"`
	Comment       string         `json:"comment,omitempty"`
	Creation      creation       `json:"creationInfo"`
	Packages      []spdxPackage  `json:"packages"`
	Relationships []relationship `json:"relationships"`
	Annotations   []annotation   `json:"annotations,omitempty"`
}

type annotation struct {
	Date      string `json:"annotationDate"`
	Type      string `json:"annotationType"`
	Annotator string `json:"annotator"`
	Comment   string `json:"comment"`
}

type creation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type spdxPackage struct {
	ID               string        `json:"SPDXID"`
	Name             string        `json:"name"`
	Version          string        `json:"versionInfo,omitempty"`
	Purpose          string        `json:"primaryPackagePurpose,omitempty"`
	DownloadLocation string        `json:"downloadLocation"`
	FilesAnalyzed    bool          `json:"filesAnalyzed"`
	SourceInfo       string        `json:"sourceInfo,omitempty"`
	Supplier         string        `json:"supplier,omitempty"`
	External         []externalRef `json:"externalRefs,omitempty"`
	Annotations      []annotation  `json:"annotations,omitempty"`
}

// An about is the value of an annotation about a package or the system.
type about struct {
	Properties []cyclonedx.Property `json:"properties,omitempty"`
	Evidence   []found              `json:"evidence,omitempty"`
	PrettyName string               `json:"pretty_name,omitempty"`
}

type found struct {
	Path string `json:"path"`
	Kind string `json:"kind,omitempty"`
}

type externalRef struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type relationship struct {
	Element string `json:"spdxElementId"`
	Type    string `json:"relationshipType"`
	Related string `json:"relatedSpdxElement"`
}

const (
	documentID = "SPDXRef-DOCUMENT"
	treeID     = "SPDXRef-Tree"
	systemID   = "SPDXRef-System"

	unknown = "NOASSERTION"
	none    = "NONE"

	annotationPartial = "assay:partial " // followed by the scan error
	annotationAbout   = "assay:about "   // followed by an about
)

// WriteStatement writes the document as the predicate of an in-toto statement. The statement
// has no subjects; BuildKit adds them.
func WriteStatement(w io.Writer, d Document) error {
	doc, err := d.document()
	if err != nil {
		return fmt.Errorf("write SPDX: %w", err)
	}
	return write(w, statement{Type: "https://in-toto.io/Statement/v0.1", PredicateType: predicateSPDX, Predicate: doc})
}

// Write writes the document alone.
func Write(w io.Writer, d Document) error {
	doc, err := d.document()
	if err != nil {
		return fmt.Errorf("write SPDX: %w", err)
	}
	return write(w, doc)
}

func write(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write SPDX: %w", err)
	}
	return nil
}

func (d Document) document() (document, error) {
	created := d.Created.UTC().Format(time.RFC3339)
	// The specification requires a hyphen between name and version.
	tool := "Tool: " + strings.ReplaceAll(d.Tool, " ", "-")
	out := document{
		Version: "SPDX-2.3", License: "CC0-1.0", ID: documentID,
		Name: d.Name, Namespace: d.Namespace,
		Creation: creation{
			Created: created, Creators: []string{tool},
		},
	}
	var comments []string
	if n := len(d.Inventory.ScanErrors); n > 0 {
		comments = append(comments, fmt.Sprintf("This list may be incomplete: %d files or directories could not be read.", n))
	}
	out.Comment = strings.Join(append(comments, d.Notes...), "\n")
	annotate := func(to *[]annotation, comment string) { *to = append(*to, annotation{created, "OTHER", tool, comment}) }
	for _, note := range d.Notes {
		annotate(&out.Annotations, note)
	}
	for _, e := range d.Inventory.ScanErrors {
		value, err := cyclonedx.ScanErrorText(e)
		if err != nil {
			return out, err
		}
		annotate(&out.Annotations, annotationPartial+value)
	}
	add := func(p spdxPackage, relation string) {
		p.DownloadLocation = unknown
		out.Packages = append(out.Packages, p)
		from := treeID
		if relation == "DESCRIBES" {
			from = documentID
		}
		out.Relationships = append(out.Relationships, relationship{from, relation, p.ID})
	}
	add(spdxPackage{ID: treeID, Name: d.Name, Purpose: "CONTAINER"}, "DESCRIBES")
	if s := d.Inventory.System; s.Known() {
		p := spdxPackage{ID: systemID, Name: s.ID, Version: s.VersionID, Purpose: "OPERATING_SYSTEM"}
		p.External = appendCPE(nil, s.CPE)
		more := about{Properties: cyclonedx.SystemProperties(s), PrettyName: s.PrettyName}
		if s.Path != "" {
			more.Evidence = []found{{Path: s.Path}}
		}
		text, err := more.text()
		if err != nil {
			return out, err
		}
		annotate(&p.Annotations, text)
		add(p, "CONTAINS")
	}
	for i, p := range d.Inventory.Packages {
		// SPDX does not allow an empty name or version.
		written := spdxPackage{ID: fmt.Sprintf("SPDXRef-Package-%d", i+1), Name: cmp.Or(p.Name, unknown), Version: p.Version}
		written.External = appendCPE([]externalRef{{"PACKAGE-MANAGER", "purl", purl.Of(p, d.Inventory.System).String()}}, p.CPE)
		var paths []string
		for _, e := range p.Evidence {
			paths = append(paths, "/"+e.Path)
		}
		if len(paths) > 0 {
			written.SourceInfo = "found in " + strings.Join(paths, ", ")
		}
		if p.Vendor != "" {
			written.Supplier = "Organization: " + p.Vendor
		}
		more := about{Properties: cyclonedx.PackageProperties(p, d.Inventory.System)}
		for _, e := range p.Evidence {
			more.Evidence = append(more.Evidence, found{e.Path, e.Kind})
		}
		if len(more.Properties)+len(more.Evidence) > 0 {
			text, err := more.text()
			if err != nil {
				return out, err
			}
			annotate(&written.Annotations, text)
		}
		add(written, "CONTAINS")
	}
	return out, nil
}

// text returns the annotation with the value.
func (a about) text() (string, error) {
	value, err := json.Marshal(a)
	return annotationAbout + string(value), err
}

func appendCPE(refs []externalRef, cpe string) []externalRef {
	switch {
	case strings.HasPrefix(cpe, "cpe:2.3:"):
		return append(refs, externalRef{"SECURITY", "cpe23Type", cpe})
	case strings.HasPrefix(cpe, "cpe:/"):
		return append(refs, externalRef{"SECURITY", "cpe22Type", cpe})
	}
	return refs
}
