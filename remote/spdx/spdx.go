// Package spdx writes an inventory as an SPDX 2.3 document in JSON
// (https://spdx.github.io/spdx-spec/v2.3/), inside the in-toto statement that BuildKit
// expects.
package spdx

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"assay/inspect/inventory"
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
	External         []externalRef `json:"externalRefs,omitempty"`
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
)

// WriteStatement writes the document as the predicate of an in-toto statement. The statement
// has no subjects; BuildKit adds them.
func WriteStatement(w io.Writer, d Document) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	err := e.Encode(statement{
		Type:          "https://in-toto.io/Statement/v0.1",
		PredicateType: "https://spdx.dev/Document",
		Predicate:     d.document(),
	})
	if err != nil {
		return fmt.Errorf("write SPDX: %w", err)
	}
	return nil
}

func (d Document) document() document {
	out := document{
		Version: "SPDX-2.3", License: "CC0-1.0", ID: documentID,
		Name: d.Name, Namespace: d.Namespace,
		Creation: creation{
			Created: d.Created.UTC().Format(time.RFC3339),
			// The specification requires a hyphen between name and version.
			Creators: []string{"Tool: " + strings.ReplaceAll(d.Tool, " ", "-")},
		},
	}
	if n := len(d.Inventory.ScanErrors); n > 0 {
		out.Comment = fmt.Sprintf("This list may be incomplete: %d files or directories could not be read.", n)
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
		add(p, "CONTAINS")
	}
	for i, p := range d.Inventory.Packages {
		// SPDX does not allow an empty name or version.
		out := spdxPackage{ID: fmt.Sprintf("SPDXRef-Package-%d", i+1), Name: cmp.Or(p.Name, unknown), Version: p.Version}
		out.External = appendCPE([]externalRef{{"PACKAGE-MANAGER", "purl", purl.Of(p, d.Inventory.System).String()}}, p.CPE)
		var paths []string
		for _, e := range p.Evidence {
			paths = append(paths, "/"+e.Path)
		}
		if len(paths) > 0 {
			out.SourceInfo = "found in " + strings.Join(paths, ", ")
		}
		add(out, "CONTAINS")
	}
	return out
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
