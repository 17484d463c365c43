package vex

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"assay/remote/purl"
	"assay/verdict"
)

type csaf struct {
	Document struct {
		Publisher named `json:"publisher"`
		Tracking  struct {
			Current *time.Time `json:"current_release_date"`
		} `json:"tracking"`
	} `json:"document"`
	Tree struct {
		Branches      []branch       `json:"branches"`
		Products      []csafProduct  `json:"full_product_names"`
		Relationships []csafRelation `json:"relationships"`
	} `json:"product_tree"`
	Vulnerabilities []struct {
		CVE string `json:"cve"`
		IDs []struct {
			Text string `json:"text"`
		} `json:"ids"`
		Status  map[string][]string `json:"product_status"`
		Flags   []csafNote          `json:"flags"`
		Threats []csafNote          `json:"threats"`
	} `json:"vulnerabilities"`
}

type branch struct {
	Branches []branch     `json:"branches"`
	Product  *csafProduct `json:"product"`
}

type csafProduct struct {
	ID     string `json:"product_id"`
	Helper struct {
		PURL string `json:"purl"`
	} `json:"product_identification_helper"`
}

// A csafNote is a flag or a threat of some products.
type csafNote struct {
	Label    string `json:"label"`
	Category string `json:"category"`
	Details  string `json:"details"`
}

// csafStatuses are the statuses of the lists of product_status, in the order of statements.
var csafStatuses = []struct {
	list   string
	status Status
}{
	{"known_not_affected", NotAffected}, {"fixed", Fixed}, {"first_fixed", Fixed},
	{"known_affected", Affected}, {"first_affected", Affected}, {"last_affected", Affected},
	{"under_investigation", UnderInvestigation},
}

func (d *Document) parseCSAF(b []byte, version string) error {
	if version != "2.0" && !strings.HasPrefix(version, "2.0.") && version != "2.1" {
		return fmt.Errorf("CSAF %q is not supported, only 2.0 and 2.1", verdict.Short(version))
	}
	var doc csaf
	if err := json.Unmarshal(b, &doc); err != nil {
		return fmt.Errorf("invalid CSAF: %s", verdict.Short(err.Error()))
	}
	products := doc.products()
	for _, from := range doc.Vulnerabilities {
		var ids []string
		if from.CVE != "" {
			ids = append(ids, from.CVE)
		}
		for _, id := range from.IDs {
			if id.Text != "" {
				ids = append(ids, id.Text)
			}
		}
		for _, status := range csafStatuses {
			list := from.Status[status.list]
			if len(list) == 0 {
				continue
			}
			s := &Statement{
				IDs: ids, Status: status.status, By: doc.Document.Publisher.Name,
				At:     newest(doc.Document.Tracking.Current),
				Reason: impact(from.Threats, from.Flags),
			}
			for _, id := range list {
				if p, ok := products[id]; ok {
					s.products = append(s.products, p)
				}
			}
			if err := d.add(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// impact returns a reason: the impact of the vulnerability, else a justification.
func impact(threats, flags []csafNote) string {
	var impacts, labels []string
	for _, t := range threats {
		if t.Category == "impact" {
			impacts = append(impacts, t.Details)
		}
	}
	for _, f := range flags {
		labels = append(labels, strings.ReplaceAll(f.Label, "_", " "))
	}
	for _, texts := range [][]string{impacts, labels} {
		slices.Sort(texts)
		if texts = slices.Compact(texts); len(texts) == 1 { // several are about different products
			return texts[0]
		}
	}
	return ""
}

// A csafRelation says that a product is a part of another one, or installed on it.
type csafRelation struct {
	Part    string      `json:"product_reference"`
	Whole   string      `json:"relates_to_product_reference"`
	Product csafProduct `json:"full_product_name"`
}

// products returns the products that have a purl, by id. A product that is a relationship
// is the part of a whole. It is about no package by itself, because it may be vulnerable in
// one whole and not in another.
func (c *csaf) products() map[string]product {
	purls := map[string]*purl.PURL{}
	add := func(p csafProduct) {
		if parsed := parsePURL(p.Helper.PURL); parsed != nil {
			purls[p.ID] = parsed
		}
	}
	for _, p := range c.Tree.Products {
		add(p)
	}
	var walk func(list []branch)
	walk = func(list []branch) {
		for _, b := range list {
			if b.Product != nil {
				add(*b.Product)
			}
			walk(b.Branches)
		}
	}
	walk(c.Tree.Branches)
	all := make(map[string]product, len(purls))
	for id, p := range purls {
		all[id] = product{purl: *p}
	}
	for _, r := range c.Tree.Relationships {
		delete(all, r.Product.ID)
		part, whole := purls[r.Part], purls[r.Whole]
		if part != nil && whole != nil {
			all[r.Product.ID] = product{purl: *whole, components: []purl.PURL{*part}}
		}
	}
	return all
}
