// Package nvd is the feed of the National Vulnerability Database by its API, version 2.0
// (https://nvd.nist.gov/developers/vulnerabilities).
package nvd

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"assay/service/advisory"
	"assay/service/feed/applicability"
	"assay/service/feed/cve/record"
	"assay/service/feed/rating"
	"assay/service/feed/wordpress"
)

// A page is one answer of the API. Its number of results is that of all pages.
type page struct {
	Format  string   `json:"format"`
	Version string   `json:"version"`
	Start   *int     `json:"startIndex"`
	Total   *int     `json:"totalResults"`
	Results []result `json:"vulnerabilities"`
}

// A result is one CVE of a page.
type result struct{ CVE json.RawMessage }

// UnmarshalJSON ends the decoding of a page with results that are empty, of which very many
// fit on a page.
func (r *result) UnmarshalJSON(b []byte) error {
	var fields struct {
		CVE json.RawMessage `json:"cve"`
	}
	if err := json.Unmarshal(b, &fields); err != nil {
		return err
	}
	if r.CVE = fields.CVE; len(r.CVE) == 0 {
		return errors.New("a result has no CVE")
	}
	return nil
}

// parsePage parses a page that begins with the result start.
func parsePage(b []byte, start int) (page, error) {
	var p page
	if err := json.Unmarshal(b, &p); err != nil {
		return page{}, fmt.Errorf("not a page of NVD: %w", err)
	}
	switch {
	case p.Format != "NVD_CVE" || p.Version != "2.0":
		return page{}, fmt.Errorf("not a page of NVD: format %.40q, version %.40q", p.Format, p.Version)
	case p.Start == nil || p.Total == nil || *p.Total < 0:
		return page{}, errors.New("not a page of NVD: its place is missing")
	case *p.Start != start:
		return page{}, fmt.Errorf("the page begins with result %d instead of %d", *p.Start, start)
	case len(p.Results) == 0 && start < *p.Total:
		return page{}, fmt.Errorf("the page from result %d of %d is empty", start, *p.Total)
	}
	return p, nil
}

// A cve is one CVE. NVD adds CVSS ratings and CPE configurations to what the CVE record
// says.
type cve struct {
	ID           string        `json:"id"`
	Source       string        `json:"sourceIdentifier"`
	Published    record.Time   `json:"published"`
	LastModified record.Time   `json:"lastModified"`
	Status       string        `json:"vulnStatus"`
	Descriptions []record.Text `json:"descriptions"`
	Tags         []struct {
		Tags []string `json:"tags"`
	} `json:"cveTags"`
	Metrics struct {
		V40 []metric `json:"cvssMetricV40"`
		V31 []metric `json:"cvssMetricV31"`
		V30 []metric `json:"cvssMetricV30"`
		V2  []metric `json:"cvssMetricV2"`
	} `json:"metrics"`
	Configurations []applicability.Configuration `json:"configurations"`
	References     []record.Reference            `json:"references"`
}

// A metric is one rating. Its type, "Primary" or "Secondary", does not say who made it: NVD
// also calls some ratings of CNAs primary.
type metric struct {
	Source string      `json:"source"`
	CVSS   record.CVSS `json:"cvssData"`
}

// Sources of ratings.
const (
	nvdSource  = "nvd@nist.gov"
	cisaSource = "134c704f-9b21-4f2e-91b3-4a467353bcc0"
)

// convert converts one CVE. A rejected one is withdrawn. Those that NVD has not analysed,
// or has deferred, have only the ratings of others, and no configurations.
func convert(b []byte) (advisory.Advisory, error) {
	if err := record.CheckSize(b); err != nil {
		return advisory.Advisory{}, err
	}
	var c cve
	if err := json.Unmarshal(b, &c); err != nil {
		return advisory.Advisory{}, fmt.Errorf("not a CVE of NVD: %w", err)
	}
	switch {
	case !advisory.IsCVE(c.ID):
		return advisory.Advisory{}, fmt.Errorf("invalid CVE ID %.40q", c.ID)
	case c.LastModified.IsZero():
		return advisory.Advisory{}, fmt.Errorf("CVE %q has no time", c.ID)
	}
	a := advisory.Advisory{
		ID:        c.ID,
		Modified:  c.LastModified.Time,
		Published: c.Published.Time,
		Details:   strings.TrimSpace(record.English(c.Descriptions)),
	}
	fields := map[string]any{"status": c.Status, "assigner": c.Source}
	if c.Status == "Rejected" {
		a.Withdrawn = &a.Modified
		a.DatabaseSpecific = new(rating.List).Specific(fields)
		return a, nil
	}
	var links []string
	seen := map[string]bool{}
	for _, r := range c.References {
		if r.URL != "" && !seen[r.URL] {
			seen[r.URL] = true
			links = append(links, r.URL)
			a.References = append(a.References, advisory.Reference{Type: "WEB", URL: r.URL})
		}
	}
	for _, t := range c.Tags {
		for _, tag := range t.Tags {
			if tag == "disputed" {
				fields["disputed"] = true
			}
		}
	}
	entries, left := applicability.Affected(c.Configurations)
	if len(left) > 0 {
		fields["not_converted"] = left
	}
	a.Affected = wordpress.FromCPE(entries, links)
	ratings := c.ratings()
	a.Severity = ratings.Severity()
	a.DatabaseSpecific = ratings.Specific(fields)
	return a, nil
}

func (c *cve) ratings() *rating.List {
	l := new(rating.List)
	for _, metrics := range [...][]metric{c.Metrics.V40, c.Metrics.V31, c.Metrics.V30, c.Metrics.V2} {
		for _, m := range metrics {
			by, org := rating.ByOther, m.Source
			switch m.Source {
			case nvdSource:
				by, org = advisory.RatedByNVD, ""
			case cisaSource:
				by, org = advisory.RatedByADP, ""
			case c.Source:
				by = advisory.RatedByCNA
			}
			l.Add(by, org, m.CVSS.Vector, m.CVSS.Base)
		}
	}
	return l
}
