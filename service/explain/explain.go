// Package explain says why a vulnerability is a finding of a scan, or why it is not: which
// records are about it, where they come from, and how each package that they name was
// evaluated.
//
// Every answer comes from the trace of the matcher, which is run on the scan's inventory
// with the records of the vulnerability. So the package has no rules of its own, and an
// explanation always agrees with the scans.
package explain

import (
	"context"
	"time"

	"assay/inspect/inventory"
	"assay/service/advisory"
	"assay/service/match"
	"assay/service/store"
	"assay/verdict"
)

// An Index is what the matcher reads, and further records for people who ask.
type Index interface {
	match.Index
	// Mentions returns the ids of the records that name id only as related, or whose id ends
	// with it, sorted.
	Mentions(id string) ([]string, error)
	// Withdrawn returns the ids of the withdrawn records that have a name as an alias, as
	// upstream, as related or at the end of their id, sorted.
	Withdrawn(name string) ([]string, error)
}

// Records has the advisories. RecordsOf returns the newest version up to upTo of each
// source's advisory with an id. A store.Store implements it.
type Records interface {
	RecordsOf(ctx context.Context, id string, upTo int64) ([]store.Record, error)
	Sources(ctx context.Context) ([]store.Source, error)
}

// Input is the input of Explain.
type Input struct {
	Scan      store.Scan
	Inventory inventory.Inventory // of Scan.Request
	Verdict   verdict.Verdict     // of Scan.Verdict
	ID        string              // of a vulnerability or an advisory
	Index     Index               // of the current data
	Records   Records
	Now       time.Time
}

// An Explanation is the response to GET /api/v1/scans/{id}/explain. For the same data and
// time it has the same bytes.
type Explanation struct {
	Scan string `json:"scan"`
	ID   string `json:"id"` // as requested
	// Names are the id and the other names of the vulnerability, sorted.
	Names []string `json:"names"`
	// Found reports whether it is a finding of the scan. Reason is the reason, in one
	// sentence.
	Found  bool   `json:"found"`
	Reason string `json:"reason"`
	// Findings are those of the verdict.
	Findings []verdict.Finding `json:"findings,omitempty"`
	System   verdict.System    `json:"system"`
	Data     verdict.Data      `json:"data"` // that the scan was decided with
	// KEV is the day on which CISA added it to its catalog, and EPSS the probability of
	// exploitation, both as known now.
	KEV  string  `json:"kev,omitempty"`
	EPSS float64 `json:"epss,omitempty"`
	// Records are about it, sorted by id and source. More counts those beyond the bound.
	Records []Record `json:"records"`
	More    int      `json:"more,omitempty"`
}

// The states of a record.
const (
	StateUsed      = "used"      // as it was when the scan was decided
	StateWithdrawn = "withdrawn" // by its publisher
	StateRemoved   = "removed"   // from its source
	StateLater     = "later"     // it came after the scan
)

// A Record is one advisory about the vulnerability.
type Record struct {
	ID        string     `json:"id"`
	State     string     `json:"state"`
	Changed   bool       `json:"changed,omitempty"` // it has a newer version now
	Modified  time.Time  `json:"modified"`
	Published *time.Time `json:"published,omitempty"`
	Withdrawn *time.Time `json:"withdrawn,omitempty"`
	Summary   string     `json:"summary,omitempty"`
	// Source is the source of this version, and its part after a colon. SourceUpdated is when
	// it was last updated, and SourceAge how many seconds ago.
	Source        string     `json:"source"`
	SourceUpdated *time.Time `json:"source_updated,omitempty"`
	SourceAge     int64      `json:"source_age_seconds,omitempty"`
	// Related is the name of the vulnerability if the record names it only as related, as
	// AlmaLinux's errata do.
	Related string `json:"related,omitempty"`
	// Affected are the entries about packages of the image. Elsewhere names the packages of
	// other entries, at most ten of ElsewhereCount.
	Affected       []Affected `json:"affected,omitempty"`
	Elsewhere      []string   `json:"elsewhere,omitempty"`
	ElsewhereCount int        `json:"elsewhere_count,omitempty"`
}

// An Affected is one affected entry of a record.
type Affected struct {
	Ecosystem string  `json:"ecosystem"`
	Name      string  `json:"name"`
	Ranges    []Range `json:"ranges,omitempty"`
	// Versions are listed as affected, at most ten of VersionCount.
	Versions     []string  `json:"versions,omitempty"`
	VersionCount int       `json:"version_count,omitempty"`
	Packages     []Package `json:"packages"`
}

// A Range is one range of an entry.
type Range struct {
	Type   string           `json:"type"`
	Events []advisory.Event `json:"events"`
}

// The outcomes of a package with one entry.
const (
	Matches        = "matches"
	Overruled      = "overruled"       // other records take precedence
	NotAffected    = "not-affected"    // the version is in none of the ranges
	NotApplicable  = "not-applicable"  // the entry is about another module, architecture, build or operating system
	JudgedByOwner  = "judged-by-owner" // the distribution's package that it is part of is evaluated in its place
	NotComparable  = "not-comparable"  // the version, or one of the entry, is invalid
	OtherRelease   = "other-release"   // the entry is about another release
	OtherEcosystem = "other-ecosystem" // the entry is about another package of that name
	NotJudged      = "not-judged"      // the package is not evaluated
	NotUsed        = "not-used"        // the record is withdrawn, removed, or a notice
)

// A Package is a package of the image with the name of an entry.
type Package struct {
	Package verdict.Package `json:"package"`
	Outcome string          `json:"outcome"`
	// Why is for people: the comparison that matched, or why there is no match.
	Why string `json:"why"`
}

// Bounds of an explanation. Genuine vulnerabilities have some ten records.
const (
	maxRecords   = 200
	maxNames     = 64
	maxElsewhere = 10
	maxVersions  = 10
	maxPairs     = 20_000 // of an affected entry and a package of its name
)
