// Package record parses CVE records in the CVE JSON record format, version 5
// (https://github.com/CVEProject/cve-schema). It has the parts of a record that
// conversions into advisories need.
package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"strings"
	"time"

	"assay/service/advisory"
	"assay/service/feed/applicability"
)

// States of a record.
const (
	Published = "PUBLISHED"
	Rejected  = "REJECTED"
)

// A Record is one CVE record. Texts are as published: see Text.
type Record struct {
	DataType    string   `json:"dataType"`
	DataVersion string   `json:"dataVersion"`
	Metadata    Metadata `json:"cveMetadata"`
	Containers  struct {
		CNA Container   `json:"cna"`
		ADP []Container `json:"adp"`
	} `json:"containers"`
}

// Metadata identifies a record.
type Metadata struct {
	ID            string `json:"cveId"`
	State         string `json:"state"`
	Assigner      string `json:"assignerShortName"`
	DateReserved  Time   `json:"dateReserved"`
	DatePublished Time   `json:"datePublished"`
	DateUpdated   Time   `json:"dateUpdated"`
	DateRejected  Time   `json:"dateRejected"`
}

// A Container is what one organisation says about a CVE: the CNA that assigned it, or an
// authorized data publisher (ADP).
type Container struct {
	Title    string `json:"title"`
	Provider struct {
		OrgID       string `json:"orgId"`
		ShortName   string `json:"shortName"`
		DateUpdated Time   `json:"dateUpdated"`
	} `json:"providerMetadata"`
	Descriptions    []Text                        `json:"descriptions"`
	Affected        []Affected                    `json:"affected"`
	Applicability   []applicability.Configuration `json:"cpeApplicability"`
	References      []Reference                   `json:"references"`
	Metrics         []Metric                      `json:"metrics"`
	Tags            []string                      `json:"tags"`
	RejectedReasons []Text                        `json:"rejectedReasons"`
	ReplacedBy      []string                      `json:"replacedBy"`
}

// A Text is a text in one language.
type Text struct {
	Lang  string `json:"lang"`
	Value string `json:"value"`
}

// A Reference is a link.
type Reference struct {
	URL  string   `json:"url"`
	Name string   `json:"name"`
	Tags []string `json:"tags"`
}

// An Affected entry says which versions of one product are affected. Vendor and Product
// are names for people. PackageName is a name within the collection at CollectionURL.
type Affected struct {
	Vendor        string    `json:"vendor"`
	Product       string    `json:"product"`
	CollectionURL string    `json:"collectionURL"`
	PackageName   string    `json:"packageName"`
	PackageURL    string    `json:"packageURL"`
	Repo          string    `json:"repo"`
	CPEs          []string  `json:"cpes"`
	Modules       []string  `json:"modules"`
	Platforms     []string  `json:"platforms"`
	DefaultStatus string    `json:"defaultStatus"` // "affected", "unaffected", "unknown"; missing means unknown
	Versions      []Version `json:"versions"`
}

// A Version is one version, or with LessThan or LessThanOrEqual the range from Version.
type Version struct {
	Version         string   `json:"version"`
	Type            string   `json:"versionType"`
	Status          string   `json:"status"`
	LessThan        string   `json:"lessThan"`
	LessThanOrEqual string   `json:"lessThanOrEqual"`
	Changes         []Change `json:"changes"`
}

// A Change is a version within a range from which on the status is another one.
type Change struct {
	At     string `json:"at"`
	Status string `json:"status"`
}

// A Metric is one rating. At most one of the CVSS fields is usually set; a metric of
// another kind has none.
type Metric struct {
	V2  *CVSS `json:"cvssV2_0"`
	V30 *CVSS `json:"cvssV3_0"`
	V31 *CVSS `json:"cvssV3_1"`
	V40 *CVSS `json:"cvssV4_0"`
}

// CVSS is a rating by the Common Vulnerability Scoring System.
type CVSS struct {
	Vector string  `json:"vectorString"`
	Base   float64 `json:"baseScore"`
}

// A Time is a time of a record. Many records have no time zone: it is UTC.
type Time struct{ time.Time }

// UnmarshalJSON reads a time with or without a zone. An empty string gives the zero time.
func (t *Time) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil || s == "" {
		return err
	}
	for _, layout := range [...]string{time.RFC3339, "2006-01-02T15:04:05"} {
		at, err := time.Parse(layout, s)
		if err == nil {
			t.Time = at.UTC()
			return nil
		}
	}
	return fmt.Errorf("invalid time %.40q", s)
}

// maxObjects bounds the JSON objects of a record. An empty object needs 3 bytes in the record
// and some hundred in memory. Genuine records have up to a few thousand.
const maxObjects = 50_000

// CheckSize returns an error for a record that needs too much memory or time.
func CheckSize(b []byte) error {
	if len(b) > advisory.MaxSize {
		return fmt.Errorf("record has %d bytes, more than %d", len(b), advisory.MaxSize)
	}
	if n := bytes.Count(b, []byte("{")); n > maxObjects {
		return fmt.Errorf("record has %d objects, more than %d", n, maxObjects)
	}
	return nil
}

// Parse parses one record. Unknown fields are ignored, so that later minor versions of
// the format can be read. A record must have a CVE ID and a known state: a document that
// a CNA prepares for submission has no state yet.
func Parse(b []byte) (Record, error) {
	if err := CheckSize(b); err != nil {
		return Record{}, err
	}
	var r Record
	if err := json.Unmarshal(b, &r); err != nil {
		return Record{}, fmt.Errorf("not a CVE record: %w", err)
	}
	switch id := r.Metadata.ID; {
	case r.DataType != "CVE_RECORD":
		return Record{}, fmt.Errorf("not a CVE record: data type %.40q", r.DataType)
	case !strings.HasPrefix(r.DataVersion, "5."):
		return Record{}, fmt.Errorf("unsupported data version %.40q, want 5.x", r.DataVersion)
	case !advisory.IsCVE(id):
		return Record{}, fmt.Errorf("invalid CVE ID %.40q", id)
	case r.Metadata.State != Published && r.Metadata.State != Rejected:
		return Record{}, fmt.Errorf("record %q: unknown state %.40q", id, r.Metadata.State)
	case r.Modified().IsZero():
		return Record{}, fmt.Errorf("record %q has no time", id)
	}
	return r, nil
}

// Modified returns when the record last changed. The time of the update is optional in
// the format: without it, the newest other time counts.
func (r *Record) Modified() time.Time {
	m := &r.Metadata
	if !m.DateUpdated.IsZero() {
		return m.DateUpdated.Time
	}
	newest := r.Containers.CNA.Provider.DateUpdated.Time
	for _, t := range [...]Time{m.DateRejected, m.DatePublished, m.DateReserved} {
		if t.After(newest) {
			newest = t.Time
		}
	}
	return newest
}

// Disputed reports whether the CNA has marked the record as disputed.
func (r *Record) Disputed() bool {
	for _, tag := range r.Containers.CNA.Tags {
		if tag == "disputed" {
			return true
		}
	}
	return false
}

// English returns the first description in English, or an empty string.
func (c *Container) English() string { return English(c.Descriptions) }

// English returns the first text in English, or an empty string.
func English(texts []Text) string {
	for _, t := range texts {
		if lang := strings.ToLower(t.Lang); lang == "en" || strings.HasPrefix(lang, "en-") || strings.HasPrefix(lang, "en_") {
			return t.Value
		}
	}
	return ""
}

// Plain returns a name or a title as plain text: HTML entities, of which some are
// escaped with a backslash, are decoded, and each run of white space becomes one space.
func Plain(s string) string {
	s = strings.ReplaceAll(s, `\&`, "&")
	return strings.Join(strings.Fields(html.UnescapeString(s)), " ")
}
