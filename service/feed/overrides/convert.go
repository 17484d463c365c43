// Package overrides is the feed of Anchore's overrides for NVD
// (https://github.com/anchore/nvd-data-overrides): CPE configurations of CVEs that NVD has
// not analysed, and corrections of others.
package overrides

import (
	"encoding/json"
	"errors"
	"fmt"

	"assay/service/advisory"
	"assay/service/feed/applicability"
	"assay/service/feed/cve/record"
	"assay/service/feed/rating"
	"assay/service/feed/wordpress"
)

// A document is one file, in the form of a CVE of NVD with an annotation.
type document struct {
	Annotation struct {
		CNA         string      `json:"cna"`
		ID          string      `json:"cve_id"`
		Description string      `json:"description"`
		Reason      string      `json:"reason"`
		Published   record.Time `json:"published"`
		Modified    record.Time `json:"modified"`
		References  []string    `json:"references"`
	} `json:"_annotation"`
	CVE *struct {
		Configurations []applicability.Configuration `json:"configurations"`
		References     []struct {
			URL string `json:"url"`
		} `json:"references"`
	} `json:"cve"`
}

// convert converts one file. A file without configurations says that NVD's do not apply:
// its record has no affected entries. Many files have no time: those records have the zero
// time.
func convert(b []byte) (advisory.Advisory, error) {
	if err := record.CheckSize(b); err != nil {
		return advisory.Advisory{}, err
	}
	var d document
	if err := json.Unmarshal(b, &d); err != nil {
		return advisory.Advisory{}, fmt.Errorf("not an override of a CVE: %w", err)
	}
	note := d.Annotation
	switch {
	case d.CVE == nil:
		return advisory.Advisory{}, errors.New(`not an override of a CVE: it has no field "cve"`)
	case !advisory.IsCVE(note.ID):
		return advisory.Advisory{}, fmt.Errorf("invalid CVE ID %.40q", note.ID)
	}
	a := advisory.Advisory{
		ID:        note.ID,
		Modified:  note.Modified.Time,
		Published: note.Published.Time,
		Details:   note.Description,
	}
	links := note.References
	for _, r := range d.CVE.References {
		links = append(links, r.URL)
	}
	seen := map[string]bool{}
	for _, url := range links {
		if url != "" && !seen[url] {
			seen[url] = true
			a.References = append(a.References, advisory.Reference{Type: "WEB", URL: url})
		}
	}
	fields := map[string]any{"assigner": note.CNA, "reason": note.Reason}
	entries, left := applicability.Affected(d.CVE.Configurations)
	if len(left) > 0 {
		fields["not_converted"] = left
	}
	a.Affected = wordpress.FromCPE(entries, links)
	a.DatabaseSpecific = new(rating.List).Specific(fields)
	return a, nil
}
