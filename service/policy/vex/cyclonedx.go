package vex

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"assay/remote/purl"
	"assay/verdict"
)

type cycloneDX struct {
	Metadata struct {
		Timestamp *time.Time `json:"timestamp"`
		Authors   []named    `json:"authors"`
		Supplier  named      `json:"supplier"`
		Component *part      `json:"component"`
	} `json:"metadata"`
	Components      []part `json:"components"`
	Vulnerabilities []struct {
		ID         string     `json:"id"`
		Updated    *time.Time `json:"updated"`
		References []struct {
			ID string `json:"id"`
		} `json:"references"`
		Analysis *struct {
			State         string     `json:"state"`
			Justification string     `json:"justification"`
			Detail        string     `json:"detail"`
			FirstIssued   *time.Time `json:"firstIssued"`
			LastUpdated   *time.Time `json:"lastUpdated"`
		} `json:"analysis"`
		Affects []struct {
			Ref      string `json:"ref"`
			Versions []struct {
				Version string `json:"version"`
			} `json:"versions"`
		} `json:"affects"`
	} `json:"vulnerabilities"`
}

type named struct {
	Name string `json:"name"`
}

// A part is a component, which may have others in it.
type part struct {
	Ref        string `json:"bom-ref"`
	PURL       string `json:"purl"`
	Components []part `json:"components"`
}

// states are the statuses of the states of an analysis.
var states = map[string]Status{
	"not_affected": NotAffected, "false_positive": NotAffected,
	"resolved": Fixed, "resolved_with_pedigree": Fixed,
	"exploitable": Affected, "in_triage": UnderInvestigation,
}

func (d *Document) parseCycloneDX(b []byte) error {
	var doc cycloneDX
	if err := json.Unmarshal(b, &doc); err != nil {
		return fmt.Errorf("invalid CycloneDX: %s", verdict.Short(err.Error()))
	}
	purls := map[string]string{} // by bom-ref
	var collect func(parts []part)
	collect = func(parts []part) {
		for _, p := range parts {
			if p.Ref != "" {
				purls[p.Ref] = p.PURL
			}
			collect(p.Components)
		}
	}
	collect(doc.Components)
	if c := doc.Metadata.Component; c != nil {
		collect([]part{*c})
	}
	by := doc.Metadata.Supplier.Name
	if len(doc.Metadata.Authors) > 0 {
		by = cmp.Or(doc.Metadata.Authors[0].Name, by)
	}
	for _, from := range doc.Vulnerabilities {
		if from.Analysis == nil || from.Analysis.State == "" {
			continue // a vulnerability that nobody has analysed
		}
		a := from.Analysis
		s := &Statement{Status: states[a.State], By: by, At: newest(a.FirstIssued, a.LastUpdated)}
		if s.Status == "" {
			s.Status = Status(a.State) // an error
		}
		if s.At.IsZero() {
			s.At = newest(from.Updated)
		}
		if s.At.IsZero() {
			s.At = newest(doc.Metadata.Timestamp)
		}
		s.Reason = cmp.Or(a.Detail, strings.ReplaceAll(a.Justification, "_", " "))
		if from.ID != "" {
			s.IDs = append(s.IDs, from.ID)
		}
		for _, r := range from.References {
			if r.ID != "" {
				s.IDs = append(s.IDs, r.ID)
			}
		}
		for _, affected := range from.Affects {
			about, ok := productOf(affected.Ref, purls, doc.Metadata.Component)
			if !ok {
				continue
			}
			for _, v := range affected.Versions {
				about.versions = append(about.versions, v.Version) // empty for a range, which matches nothing
			}
			s.products = append(s.products, about)
		}
		if err := d.add(s); err != nil {
			return err
		}
	}
	return nil
}

// productOf returns what a reference is about. A component of the document is a part of its
// subject, if the document names one: it may be vulnerable in another product.
func productOf(ref string, purls map[string]string, subject *part) (product, bool) {
	p := parsePURL(purlOf(ref, purls))
	if p == nil {
		return product{}, false
	}
	if _, component := purls[ref]; !component || subject == nil || subject.Ref == ref {
		return product{purl: *p}, true
	}
	whole := parsePURL(subject.PURL)
	if whole == nil {
		return product{}, false
	}
	return product{purl: *whole, components: []purl.PURL{*p}}, true
}

// purlOf returns the purl that a reference is about: that of a component of the document,
// the reference itself, or the component in a BOM-Link ("urn:cdx:UUID/1#pkg:npm/x@1").
func purlOf(ref string, purls map[string]string) string {
	if p, ok := purls[ref]; ok {
		return p
	}
	if strings.HasPrefix(ref, "urn:cdx:") {
		_, fragment, _ := strings.Cut(ref, "#")
		if decoded, err := url.PathUnescape(fragment); err == nil && !strings.HasPrefix(fragment, "pkg:") {
			fragment = decoded
		}
		return fragment
	}
	return ref
}
