package vex

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"assay/remote/purl"
	"assay/verdict"
)

func isOpenVEX(context string) bool { return strings.HasPrefix(context, "https://openvex.dev/ns") }

type openVEX struct {
	Author      string     `json:"author"`
	Timestamp   *time.Time `json:"timestamp"`
	LastUpdated *time.Time `json:"last_updated"`
	Statements  []struct {
		Vulnerability   vulnerability `json:"vulnerability"`
		Timestamp       *time.Time    `json:"timestamp"`
		LastUpdated     *time.Time    `json:"last_updated"`
		Products        []component   `json:"products"`
		Subcomponents   []component   `json:"subcomponents"` // of all products, in version 0.0.1
		Status          Status        `json:"status"`
		StatusNotes     string        `json:"status_notes"`
		Justification   string        `json:"justification"`
		ImpactStatement string        `json:"impact_statement"`
	} `json:"statements"`
}

// A vulnerability is a text in version 0.0.1, and an object since.
type vulnerability struct {
	ID      string   `json:"@id"`
	Name    string   `json:"name"`
	Aliases []string `json:"aliases"`
}

func (v *vulnerability) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &v.Name)
	}
	type plain vulnerability
	return json.Unmarshal(b, (*plain)(v))
}

// A component is a text in version 0.0.1, and an object since.
type component struct {
	ID          string `json:"@id"`
	Identifiers struct {
		PURL string `json:"purl"`
	} `json:"identifiers"`
	Subcomponents []component `json:"subcomponents"`
}

func (c *component) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &c.ID)
	}
	type plain component
	return json.Unmarshal(b, (*plain)(c))
}

func (c component) purl() *purl.PURL { return parsePURL(cmp.Or(c.Identifiers.PURL, c.ID)) }

func (d *Document) parseOpenVEX(b []byte) error {
	var doc openVEX
	if err := json.Unmarshal(b, &doc); err != nil {
		return fmt.Errorf("invalid OpenVEX: %s", verdict.Short(err.Error()))
	}
	for _, from := range doc.Statements {
		s := &Statement{
			Status: from.Status,
			At:     newest(from.Timestamp, from.LastUpdated),
			By:     doc.Author,
			Reason: cmp.Or(from.ImpactStatement, from.StatusNotes, strings.ReplaceAll(from.Justification, "_", " ")),
		}
		if s.At.IsZero() {
			s.At = newest(doc.Timestamp, doc.LastUpdated)
		}
		for _, id := range append([]string{cmp.Or(from.Vulnerability.Name, from.Vulnerability.ID)}, from.Vulnerability.Aliases...) {
			if id != "" {
				s.IDs = append(s.IDs, id)
			}
		}
		for _, c := range from.Products {
			p := c.purl()
			if p == nil {
				continue
			}
			about := product{purl: *p}
			parts := append(c.Subcomponents, from.Subcomponents...)
			for _, part := range parts {
				if p := part.purl(); p != nil {
					about.components = append(about.components, *p)
				}
			}
			if len(parts) > 0 && len(about.components) == 0 {
				continue // parts that have no purl
			}
			s.products = append(s.products, about)
		}
		if err := d.add(s); err != nil {
			return err
		}
	}
	return nil
}
