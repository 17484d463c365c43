// Package vex reads VEX statements: what somebody says about a vulnerability in a product.
// The formats are OpenVEX, CycloneDX and the VEX profile of CSAF 2.0. It reads the few fields
// that a decision needs; what it does not understand about a product matches nothing.
package vex

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"assay/remote/purl"
	"assay/service/policy/ignore"
	"assay/verdict"
)

// The formats of documents.
const (
	OpenVEX   = verdict.FormatOpenVEX
	CycloneDX = verdict.FormatCycloneDX
	CSAF      = verdict.FormatCSAF
)

// Bounds of a document.
const (
	MaxBytes      = 8 << 20
	maxStatements = 10_000
	maxProducts   = 200_000 // of all statements
)

// A Document is a file of statements.
type Document struct {
	Name       string
	Format     string
	Statements []*Statement

	products int
}

// A Status is what a statement says.
type Status string

// The statuses. Only the first two say that a finding does not apply.
const (
	NotAffected        Status = "not_affected"
	Fixed              Status = "fixed"
	Affected           Status = "affected"
	UnderInvestigation Status = "under_investigation"
)

// A Statement is what its author says about one vulnerability in some products.
type Statement struct {
	N        int // its number in the document, from 1
	IDs      []string
	Status   Status
	At       time.Time // zero if unknown
	By       string
	Reason   string
	Size     int // about how many comparisons About takes
	products []product
}

// A product is what a statement is about.
type product struct {
	purl purl.PURL
	// components, if not empty, are the parts of the product that the statement is about.
	components []purl.PURL
	// versions, if not nil, are those that the statement is about.
	versions []string
}

// Accepts reports whether the statement says that the vulnerability does not apply.
func (s *Statement) Accepts() bool { return s.Status == NotAffected || s.Status == Fixed }

// Title names the statement within its document, for people.
func (s *Statement) Title() string {
	title := "no id"
	if len(s.IDs) > 0 {
		title = s.IDs[0]
	}
	if len(s.products) > 0 {
		title += " in " + s.products[0].purl.String()
	}
	return fmt.Sprintf("%s (statement %d)", verdict.Short(title), s.N)
}

// About reports whether the statement is about a package: the package is a product of it,
// or a part of the product whose purl is image, which is nil if it is unknown. A product
// without parts is about all packages of the image.
func (s *Statement) About(pkg *verdict.Package, image *purl.PURL) bool {
	return slices.ContainsFunc(s.products, func(p product) bool {
		if s.Status == Fixed && p.purl.Version == "" && p.versions == nil {
			return false // it does not say which version has the fix
		}
		if p.versions != nil && !slices.Contains(p.versions, pkg.Version) {
			return false
		}
		if len(p.components) == 0 && ignore.Names(p.purl, pkg) {
			return true
		}
		if image == nil || !ignore.Names(p.purl, &verdict.Package{Type: image.Type, PURL: image.String()}) {
			return false
		}
		return len(p.components) == 0 ||
			slices.ContainsFunc(p.components, func(c purl.PURL) bool { return ignore.Names(c, pkg) })
	})
}

// Parse reads a document of one of the formats.
func Parse(name string, b []byte) (Document, error) {
	d := Document{Name: name}
	if len(b) > MaxBytes {
		return d, fmt.Errorf("more than %d bytes", MaxBytes)
	}
	var head struct {
		Context   string `json:"@context"`
		BOMFormat string `json:"bomFormat"`
		Document  struct {
			CSAFVersion string `json:"csaf_version"`
		} `json:"document"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return d, fmt.Errorf("not a VEX document in JSON: %s", verdict.Short(err.Error()))
	}
	var err error
	switch {
	case isOpenVEX(head.Context):
		d.Format, err = OpenVEX, d.parseOpenVEX(b)
	case head.BOMFormat == "CycloneDX":
		d.Format, err = CycloneDX, d.parseCycloneDX(b)
	case head.Document.CSAFVersion != "":
		d.Format, err = CSAF, d.parseCSAF(b, head.Document.CSAFVersion)
	default:
		err = errors.New("neither OpenVEX nor CycloneDX nor CSAF")
	}
	if err != nil {
		return Document{Name: name, Format: d.Format}, err
	}
	return d, nil
}

// add adds a statement.
func (d *Document) add(s *Statement) error {
	s.N = len(d.Statements) + 1
	switch s.Status {
	case NotAffected, Fixed, Affected, UnderInvestigation:
	default:
		return fmt.Errorf("statement %d: unknown status %q", s.N, verdict.Short(string(s.Status)))
	}
	if s.N > maxStatements {
		return fmt.Errorf("more than %d statements", maxStatements)
	}
	s.Size = 1
	for _, p := range s.products {
		s.Size += 1 + len(p.components) + len(p.versions)
	}
	d.products += s.Size - 1
	if d.products > maxProducts {
		return fmt.Errorf("more than %d products", maxProducts)
	}
	d.Statements = append(d.Statements, s)
	return nil
}

// parsePURL returns a purl, or nil for other text.
func parsePURL(text string) *purl.PURL {
	var p purl.PURL
	if p.Parse(text) != nil {
		return nil
	}
	return &p
}

// newest returns the latest of some times, of which nil ones do not count.
func newest(times ...*time.Time) time.Time {
	var last time.Time
	for _, t := range times {
		if t != nil && t.After(last) {
			last = *t
		}
	}
	return last
}
