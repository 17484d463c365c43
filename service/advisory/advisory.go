// Package advisory is the one advisory model of the service: a record in the
// Open Source Vulnerability format, version 1.7
// (https://ossf.github.io/osv-schema/). Every feed converts into it.
package advisory

import (
	"encoding/json"
	"time"
)

// An Advisory is one OSV record, with the fields of the schema that the service uses. The
// store keeps the record's bytes. Feeds of records in other formats write them as the JSON
// of an Advisory.
type Advisory struct {
	// Source is where the record came from. It is not part of the record: the caller that
	// reads a record from the store sets it.
	Source string `json:"-"`

	SchemaVersion    string          `json:"schema_version"` // missing means 1.0.0
	ID               string          `json:"id"`
	Modified         time.Time       `json:"modified"`
	Published        time.Time       `json:"published,omitzero"`
	Withdrawn        *time.Time      `json:"withdrawn,omitempty"`
	Aliases          []string        `json:"aliases,omitempty"`
	Upstream         []string        `json:"upstream,omitempty"`
	Related          []string        `json:"related,omitempty"`
	Summary          string          `json:"summary,omitempty"`
	Details          string          `json:"details,omitempty"`
	Severity         []Severity      `json:"severity,omitempty"`
	Affected         []Affected      `json:"affected,omitempty"`
	References       []Reference     `json:"references,omitempty"`
	DatabaseSpecific json.RawMessage `json:"database_specific,omitempty"`
}

// SeverityWord is the type of a rating that is a word of the record's own database, in
// addition to the types of the schema.
const SeverityWord = "word"

// A Severity is one rating. Type says what Score is: a CVSS vector for "CVSS_V2",
// "CVSS_V3" and "CVSS_V4", a word for "Ubuntu" and SeverityWord.
type Severity struct {
	Type  string `json:"type"`
	Score string `json:"score"`
}

// Raters of a vulnerability, in the order in which their ratings count.
const (
	RatedByCNA = "cna"      // the organisation that assigned the CVE
	RatedByADP = "cisa-adp" // CISA, as an authorized data publisher of the CVE program
	RatedByNVD = "nvd"
)

// A Rating is a rating by somebody other than the publisher of the record. Feeds of CVE
// data write the ratings of a record as the field "ratings" of its database_specific.
type Rating struct {
	By  string `json:"by"`            // one of the raters above
	Org string `json:"org,omitempty"` // the short name of the CNA
	Severity
}

// An Affected entry says which versions of one package are affected.
type Affected struct {
	Package           Package         `json:"package"`
	Severity          []Severity      `json:"severity,omitempty"`
	Ranges            []Range         `json:"ranges,omitempty"`
	Versions          []string        `json:"versions,omitempty"`
	EcosystemSpecific json.RawMessage `json:"ecosystem_specific,omitempty"`
	DatabaseSpecific  json.RawMessage `json:"database_specific,omitempty"`

	// Status is read from EcosystemSpecific.
	Status Status `json:"-"`
}

// NoModule is the value of the field rpm_modularity of an entry's ecosystem_specific, in
// place of a module stream, for a package that belongs to no module.
const NoModule = "none"

// A Package is named within an ecosystem ("Debian:12", "npm").
type Package struct {
	Ecosystem string `json:"ecosystem"`
	Name      string `json:"name"`
	PURL      string `json:"purl,omitempty"`
}

// Range types.
const (
	Semver    = "SEMVER"
	Ecosystem = "ECOSYSTEM"
	Git       = "GIT"
)

// A Range is a set of versions between events.
type Range struct {
	Type             string          `json:"type"`
	Repo             string          `json:"repo,omitempty"`
	Events           []Event         `json:"events"`
	DatabaseSpecific json.RawMessage `json:"database_specific,omitempty"`
}

// An Event has exactly one field set.
type Event struct {
	Introduced   string `json:"introduced,omitempty"` // inclusive; "0" is before every version
	Fixed        string `json:"fixed,omitempty"`      // exclusive
	LastAffected string `json:"last_affected,omitempty"`
	Limit        string `json:"limit,omitempty"`
}

// A Reference is a link of a given kind ("ADVISORY", "FIX", …).
type Reference struct {
	Type string `json:"type"`
	URL  string `json:"url"`
}
