// Package csaf reads documents of the Common Security Advisory Framework, version 2.0
// (https://docs.oasis-open.org/csaf/csaf/v2.0/csaf-v2.0.html), as far as the sources of
// distributions need them: the products, and the status of each in each vulnerability.
package csaf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Bounds of a document. Red Hat's largest have a hundred thousand products.
const (
	MaxSize     = 128 << 20 // bytes
	maxProducts = 1 << 20   // and as many relationships
	maxBranches = 32        // levels
	maxLevels   = 8         // of relationships

	// A value has at least sparse bytes on average, once a document is larger than free:
	// empty ones need many times their size in memory.
	sparse = 16
	free   = 1 << 20
)

// VEX is the category of documents that state the status of products.
const VEX = "csaf_vex"

// Lists of a product status.
const (
	Fixed              = "fixed"
	KnownAffected      = "known_affected"
	KnownNotAffected   = "known_not_affected"
	UnderInvestigation = "under_investigation"
)

// A Document is one document.
type Document struct {
	Category string
	ID       string // of the publisher's tracking
	Status   string // of the document, such as "final"
	Title    string
	Severity string // aggregate severity, the publisher's word
	// Initial and Current are the dates of the first and of this version.
	Initial, Current time.Time

	Vulnerabilities []Vulnerability

	products  map[string]Product
	relations map[string]relation
}

// A Product is a product or a component of the product tree.
type Product struct {
	ID, Name  string
	CPE, PURL string // empty if it has none
}

// A Component is a product that is part of another one.
type Component struct {
	Product
	// Of is the product at the end of the relationships, such as a distribution, and
	// Through those between, such as a module. Of has no ID if the product has no relationship.
	Of      Product
	Through []Product
}

// A Vulnerability is one vulnerability and what it does to products. All IDs are those of
// products.
type Vulnerability struct {
	CVE          string              `json:"cve"`
	Title        string              `json:"title"`
	Released     Time                `json:"release_date"`
	Status       map[string][]string `json:"product_status"` // by list
	Remediations []Remediation       `json:"remediations"`
	Threats      []Threat            `json:"threats"`
	Scores       []Score             `json:"scores"`
}

// A Remediation is what can be done about a vulnerability.
type Remediation struct {
	Category string   `json:"category"`
	Details  string   `json:"details"`
	URL      string   `json:"url"`
	Products []string `json:"product_ids"`
}

// A Threat is a rating in words, if its category is "impact".
type Threat struct {
	Category string   `json:"category"`
	Details  string   `json:"details"`
	Products []string `json:"product_ids"`
}

// A Score has the CVSS vectors of products.
type Score struct {
	V2       Vector   `json:"cvss_v2"`
	V3       Vector   `json:"cvss_v3"`
	V4       Vector   `json:"cvss_v4"`
	Products []string `json:"products"`
}

// A Vector is a CVSS vector, or empty.
type Vector struct {
	Text string `json:"vectorString"`
}

// A Time is a date of a document. An invalid date is the zero time and not an error, because
// no decision depends on a date.
type Time struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (t *Time) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		t.Time, _ = time.Parse(time.RFC3339, text)
	}
	return nil
}

type branch struct {
	Name     string    `json:"name"`
	Product  *product  `json:"product"`
	Branches []*branch `json:"branches"`
}

type product struct {
	Name   string `json:"name"`
	ID     string `json:"product_id"`
	Helper struct {
		CPE  string `json:"cpe"`
		PURL string `json:"purl"`
	} `json:"product_identification_helper"`
}

type relationship struct {
	Category string  `json:"category"`
	Product  product `json:"full_product_name"`
	Part     string  `json:"product_reference"`
	Whole    string  `json:"relates_to_product_reference"`
}

type relation struct{ part, whole string }

// Parse parses a document. It checks the product tree only: that each ID has one meaning.
func Parse(b []byte) (*Document, error) {
	if len(b) > MaxSize {
		return nil, fmt.Errorf("the document has %d bytes, more than %d", len(b), MaxSize)
	}
	if n := bytes.Count(b, []byte("{")) + bytes.Count(b, []byte(`""`)); n*sparse > len(b)+free {
		return nil, fmt.Errorf("the document has too many values: %d", n)
	}
	var in struct {
		Document struct {
			Category string `json:"category"`
			Version  string `json:"csaf_version"`
			Title    string `json:"title"`
			Severity struct {
				Text string `json:"text"`
			} `json:"aggregate_severity"`
			Tracking struct {
				ID      string `json:"id"`
				Status  string `json:"status"`
				Initial Time   `json:"initial_release_date"`
				Current Time   `json:"current_release_date"`
			} `json:"tracking"`
		} `json:"document"`
		Tree struct {
			Branches      []*branch      `json:"branches"`
			Products      []product      `json:"full_product_names"`
			Relationships []relationship `json:"relationships"`
		} `json:"product_tree"`
		Vulnerabilities []Vulnerability `json:"vulnerabilities"`
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return nil, fmt.Errorf("not a CSAF document: %w", err)
	}
	about := in.Document
	if about.Tracking.ID == "" {
		return nil, errors.New("not a CSAF document: it has no tracking ID")
	}
	if major, _, _ := strings.Cut(about.Version, "."); about.Version != "" && major != "2" {
		return nil, fmt.Errorf("unsupported version %.20q of CSAF, want 2.x", about.Version)
	}
	d := &Document{
		Category: about.Category, ID: about.Tracking.ID, Status: about.Tracking.Status, Title: about.Title, Severity: about.Severity.Text,
		Initial: about.Tracking.Initial.Time, Current: about.Tracking.Current.Time,
		Vulnerabilities: in.Vulnerabilities,
		products:        make(map[string]Product, len(in.Tree.Relationships)/2),
		relations:       make(map[string]relation, len(in.Tree.Relationships)),
	}
	for _, p := range in.Tree.Products {
		if err := d.add(p); err != nil {
			return nil, err
		}
	}
	if err := d.walk(in.Tree.Branches, 0); err != nil {
		return nil, err
	}
	listed := 0
	for _, v := range d.Vulnerabilities {
		for _, ids := range v.Status {
			listed += len(ids)
		}
	}
	if listed > maxProducts {
		return nil, fmt.Errorf("the document has the status of %d products, more than %d", listed, maxProducts)
	}
	return d, d.relate(in.Tree.Relationships)
}

func (d *Document) walk(branches []*branch, level int) error {
	if level > maxBranches {
		return fmt.Errorf("the product tree has more than %d levels", maxBranches)
	}
	for _, b := range branches {
		if b == nil {
			continue
		}
		if b.Product != nil {
			if err := d.add(*b.Product); err != nil {
				return err
			}
		}
		if err := d.walk(b.Branches, level+1); err != nil {
			return err
		}
	}
	return nil
}

func (d *Document) add(p product) error {
	is := Product{ID: p.ID, Name: p.Name, CPE: p.Helper.CPE, PURL: p.Helper.PURL}
	before, ok := d.products[p.ID]
	switch {
	case p.ID == "":
		return fmt.Errorf("the product %.100q has no ID", p.Name)
	case ok && (before.CPE != is.CPE || before.PURL != is.PURL):
		return fmt.Errorf("the product ID %.100q is that of two products", p.ID)
	case len(d.products) >= maxProducts:
		return fmt.Errorf("the document has more than %d products", maxProducts)
	}
	d.products[p.ID] = is
	return nil
}

// relate adds the relationships.
func (d *Document) relate(all []relationship) error {
	if len(all) > maxProducts {
		return fmt.Errorf("the document has more than %d relationships", maxProducts)
	}
	for _, r := range all {
		is := relation{part: r.Part, whole: r.Whole}
		before, ok := d.relations[r.Product.ID]
		switch {
		case r.Product.ID == "" || is.part == "" || is.whole == "":
			return fmt.Errorf("a relationship of %.100q is not complete", r.Product.ID)
		case ok && before != is:
			return fmt.Errorf("the product ID %.100q is that of two relationships", r.Product.ID)
		}
		d.relations[r.Product.ID] = is
	}
	return nil
}

// Component resolves the ID of a product in a list of a status. It is an error if the
// product tree does not have the product, or one that it is related to.
func (d *Document) Component(id string) (Component, error) {
	var c Component
	part, whole := id, ""
	for level := 0; ; level++ {
		r, ok := d.relations[part]
		if !ok {
			break
		}
		if level == maxLevels {
			return c, fmt.Errorf("%.100q has more than %d levels of relationships", id, maxLevels)
		}
		if whole == "" {
			whole = r.whole
		}
		part = r.part
	}
	var err error
	if c.Product, err = d.product(part); err != nil || whole == "" {
		return c, err
	}
	for level := 0; ; level++ {
		r, ok := d.relations[whole]
		if !ok {
			c.Of, err = d.product(whole)
			return c, err
		}
		if level == maxLevels {
			return c, fmt.Errorf("%.100q has more than %d levels of relationships", id, maxLevels)
		}
		through, err := d.product(r.part)
		if err != nil {
			return c, err
		}
		c.Through = append(c.Through, through)
		whole = r.whole
	}
}

func (d *Document) product(id string) (Product, error) {
	p, ok := d.products[id]
	if !ok {
		return Product{}, fmt.Errorf("the product tree does not have %.100q", id)
	}
	return p, nil
}
