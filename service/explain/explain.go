// Package explain says why a vulnerability is a finding of a scan, or why it is
// not: which records speak of it, where they come from, and what became of each
// package that they name.
//
// It asks the matcher itself: every answer comes from the trace of running it on the
// scan's inventory with the records of the vulnerability. So it knows no rule of any
// ecosystem, and cannot say anything else than what scans are judged by.
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

// An Index is what the matcher reads, and the records that were withdrawn.
type Index interface {
	match.Index
	// Mentions returns the ids of the records that name id as related only, or that
	// have an id that ends in it, sorted.
	Mentions(id string) ([]string, error)
	// Withdrawn returns the ids of the withdrawn records that have a name among their
	// aliases, as their upstream, as related or at the end of their id, sorted.
	Withdrawn(name string) ([]string, error)
}

// Records gives the newest version up to upTo of the advisory of every source that
// has one of that id, as a store.Store does.
type Records interface {
	RecordsOf(ctx context.Context, id string, upTo int64) ([]store.Record, error)
	Sources(ctx context.Context) ([]store.Source, error)
}

// Input is what is to be explained.
type Input struct {
	Scan      store.Scan
	Inventory inventory.Inventory // of Scan.Request
	Verdict   verdict.Verdict     // of Scan.Verdict
	ID        string              // of a vulnerability or an advisory
	Index     Index               // of the data that is served now
	Records   Records
	Now       time.Time
}

// An Explanation answers GET /api/v1/scans/{id}/explain. The same data and time
// give the same bytes.
type Explanation struct {
	Scan string `json:"scan"`
	ID   string `json:"id"` // as asked
	// Names are the id and the other names of the vulnerability, sorted.
	Names []string `json:"names"`
	// Found says whether it is a finding of the scan; Reason says in one sentence
	// why, or why not.
	Found  bool   `json:"found"`
	Reason string `json:"reason"`
	// Findings are those of the verdict.
	Findings []verdict.Finding `json:"findings,omitempty"`
	System   verdict.System    `json:"system"`
	Data     verdict.Data      `json:"data"` // that the scan was decided with
	// KEV is the day on which CISA listed it, EPSS its probability of exploitation,
	// both as known now.
	KEV  string  `json:"kev,omitempty"`
	EPSS float64 `json:"epss,omitempty"`
	// Records speak of it, sorted by id and source; More counts those beyond the bound.
	Records []Record `json:"records"`
	More    int      `json:"more,omitempty"`
}

// The states of a record.
const (
	StateUsed      = "used"      // as it was when the scan was decided
	StateWithdrawn = "withdrawn" // by its publisher
	StateRemoved   = "removed"   // its source had it no longer
	StateLater     = "later"     // it came after the scan
)

// A Record is one advisory that speaks of the vulnerability.
type Record struct {
	ID        string     `json:"id"`
	State     string     `json:"state"`
	Changed   bool       `json:"changed,omitempty"` // it has a newer version now
	Modified  time.Time  `json:"modified"`
	Published *time.Time `json:"published,omitempty"`
	Withdrawn *time.Time `json:"withdrawn,omitempty"`
	Summary   string     `json:"summary,omitempty"`
	// Source, and the part of it after a colon, brought this version. SourceUpdated
	// is when it was last reached, and
	// SourceAge how many seconds ago that is.
	Source        string     `json:"source"`
	SourceUpdated *time.Time `json:"source_updated,omitempty"`
	SourceAge     int64      `json:"source_age_seconds,omitempty"`
	// Related is the name of the vulnerability where the record gives it as related
	// only, as AlmaLinux's errata do.
	Related string `json:"related,omitempty"`
	// Affected are the entries about packages of the image; Elsewhere names those
	// about others, at most ten of ElsewhereCount.
	Affected       []Affected `json:"affected,omitempty"`
	Elsewhere      []string   `json:"elsewhere,omitempty"`
	ElsewhereCount int        `json:"elsewhere_count,omitempty"`
}

// An Affected is one affected entry of a record, as it stands there.
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
	Overruled      = "overruled"       // it would match, were it not for other records
	NotAffected    = "not-affected"    // its version is in none of the ranges
	NotApplicable  = "not-applicable"  // the entry is about another module, architecture, build or operating system
	JudgedByOwner  = "judged-by-owner" // the distribution's package that it is a part of is judged in its place
	NotComparable  = "not-comparable"  // its version, or one of the entry, is none
	OtherRelease   = "other-release"   // the entry is about another release
	OtherEcosystem = "other-ecosystem" // the entry is about another package of that name
	NotJudged      = "not-judged"      // nothing is said about the package at all
	NotUsed        = "not-used"        // the record is withdrawn, removed, or a notice
)

// A Package is a package of the image that has the name of an entry.
type Package struct {
	Package verdict.Package `json:"package"`
	Outcome string          `json:"outcome"`
	// Why is for people: the comparison that matched, or what speaks against it.
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
