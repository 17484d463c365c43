// Package verdict is the service's answer to a scan: its types, which are the
// second half of the wire, and the text log that people read. It parses no
// policy and takes no decision; what the service decided is written here.
package verdict

import (
	"slices"
	"time"
)

// Version is the major version of the answer. A client refuses an answer of
// another major version and ignores fields that it does not know.
const Version = 1

// ClockSkew is how far in the future data may be dated: clocks differ a little. Beyond
// it the age of the data is unknown, and the data is not trusted.
const ClockSkew = 5 * time.Minute

// A Verdict answers POST /api/v1/scans and GET /api/v1/scans/{id}.
type Verdict struct {
	Version int    `json:"version"`
	Scan    string `json:"scan"` // id of the kept scan

	Decision Decision `json:"decision"`
	// Findings are sorted: failing ones first, then by severity from the worst,
	// package, installed version and id.
	Findings []Finding `json:"findings"`
	Counts   Counts    `json:"counts"`
	// Evaluated says of each part of the image how far it was evaluated: the
	// system's first, then by type.
	Evaluated []Part `json:"evaluated"`
	// Without names the ecosystems that the service was told to do without: their
	// packages may be left unevaluated.
	Without []string `json:"without,omitempty"`

	System System `json:"system"`
	// ScanErrors are what the client could not read.
	ScanErrors []ScanError `json:"partial,omitempty"`
	Data       Data        `json:"data"`
	// Options are those that the decision was made with.
	Options Options `json:"options"`
	// Ignored are options that the client sent and the service did not take.
	Ignored []IgnoredOption `json:"ignored,omitempty"`
	// Notices are sentences for people that change nothing: an end of life
	// ahead, a client older than the service.
	Notices []string `json:"notices,omitempty"`
	// Report is the address of the scan for people, or empty.
	Report string `json:"report,omitempty"`
}

// Outcome is the answer in one word.
type Outcome string

const (
	Pass Outcome = "pass"
	// Fail means that the policy forbids what was found: exit code 4.
	Fail Outcome = "fail"
	// Untrusted means that the answer says nothing about the image: exit code 5.
	Untrusted Outcome = "untrusted"
)

// A Decision is the outcome with the rules that made it.
type Decision struct {
	Outcome Outcome `json:"outcome"`
	// Code is the exit code of the outcome. The client applies --continue-on-failure to it.
	Code int `json:"code"`
	// Reasons are never empty; the first is the one that decided.
	Reasons []Reason `json:"reasons"`
}

// A Reason is one rule that spoke.
type Reason struct {
	// Rule is a stable word, one of the rules of a decision in rule.go. New ones may be added.
	Rule string `json:"rule"`
	Text string `json:"text"` // one sentence for people, lower case, no period
	Hint string `json:"hint,omitempty"`
}

// Severity in the order of Severities.
type Severity string

const (
	Critical   Severity = "critical"   // CVSS ≥ 9.0
	High       Severity = "high"       // ≥ 7.0, Red Hat important
	Medium     Severity = "medium"     // ≥ 4.0, Red Hat moderate
	Low        Severity = "low"        // > 0
	Negligible Severity = "negligible" // Debian unimportant, Ubuntu negligible
	Unrated    Severity = "unrated"    // nobody has rated it yet
)

// Severities lists every severity from the worst; unrated stands last and the
// policy says what it counts as.
func Severities() []Severity { return slices.Clone(severities[:]) }

var severities = [...]Severity{Critical, High, Medium, Low, Negligible, Unrated}

// Rank is the place of s in Severities: 0 for the worst, more for milder ones, -1
// where it is none of them.
func (s Severity) Rank() int { return slices.Index(severities[:], s) }

// A Finding is one vulnerability in one package.
type Finding struct {
	// ID names the vulnerability: the CVE where there is one.
	ID string `json:"id"`
	// Advisories are the ids of the records that matched, sorted.
	Advisories []string `json:"advisories"`
	// Aliases are all other names of the vulnerability, sorted.
	Aliases []string `json:"aliases,omitempty"`
	Summary string   `json:"summary,omitempty"`

	Package Package `json:"package"`
	// Fixed is the version that mends it in this package's own release, empty
	// where there is none. It is a version of Package.Source where that is set.
	Fixed string `json:"fixed,omitempty"`
	// Subscription names what has to be paid for to get the fix that Why quotes,
	// "Ubuntu Pro"; Fixed is empty then.
	Subscription string `json:"subscription,omitempty"`
	// FirstSeen is when the service first saw this fix.
	FirstSeen *time.Time `json:"first_seen,omitempty"`

	Severity Severity `json:"severity"`
	// SeveritySource says who rated it: "debian", "CVE-2024-1: CVSS 3.1", …;
	// empty for unrated.
	SeveritySource string  `json:"severity_source,omitempty"`
	Score          float64 `json:"score,omitempty"` // CVSS base score, 0 where unknown
	Vector         string  `json:"vector,omitempty"`
	EPSS           float64 `json:"epss,omitempty"` // probability, 0 where unknown
	KnownExploited bool    `json:"known_exploited,omitempty"`
	Malicious      bool    `json:"malicious,omitempty"`

	// Fails says whether this finding fails the scan. Rule is the rule that decided, one
	// of those of a finding in rule.go.
	Fails bool   `json:"fails"`
	Rule  string `json:"rule"`
	// Why is the comparison that matched, for people:
	// "DEBIAN-CVE-2024-1: Debian:12 openssl 3.0.11-1 < fixed 3.0.13-1".
	Why string `json:"why"`
}

// A Package is the installed package that a finding is about.
type Package struct {
	Type          string   `json:"type"`
	Name          string   `json:"name"`
	Version       string   `json:"version"`
	Arch          string   `json:"arch,omitempty"`
	Source        string   `json:"source,omitempty"`
	SourceVersion string   `json:"source_version,omitempty"`
	PURL          string   `json:"purl"`
	Paths         []string `json:"paths,omitempty"`
}

// Counts are over all findings, the folded ones too.
type Counts struct {
	Packages   int              `json:"packages"`
	Evaluated  int              `json:"evaluated"` // packages; the sum over the parts
	Findings   int              `json:"findings"`
	Failing    int              `json:"failing"`
	Fixable    int              `json:"fixable"`
	BySeverity map[Severity]int `json:"by_severity"`
	// Kernel counts findings of kernel packages and headers, which an image
	// never runs; they are in Findings only when asked for.
	Kernel int `json:"kernel,omitempty"`
}

// A System is what the packages were judged as.
type System struct {
	ID         string `json:"id,omitempty"`
	VersionID  string `json:"version_id,omitempty"`
	PrettyName string `json:"pretty_name,omitempty"`
	// Ecosystem is the name that its advisories carry, "Debian:12".
	Ecosystem string `json:"ecosystem,omitempty"`
	// EndOfLife is the last day of free security support, "2028-06-30", or empty
	// where unknown.
	EndOfLife string `json:"end_of_life,omitempty"`
	Ended     bool   `json:"ended,omitempty"`
	// Repositories says why an upgrade inside the image would not find the fixes.
	// It is nil where they can be found, and where that is unknown.
	Repositories *Repositories `json:"repositories,omitempty"`
}

// Repositories say what a system lacks to be upgraded.
type Repositories struct {
	// Missing is the repository that has the fixes and is not configured,
	// "bookworm-security"; empty where none is configured at all.
	Missing string `json:"missing,omitempty"`
	// Add is the line that configures it: of sources.list for apt, of
	// /etc/apk/repositories for apk.
	Add string `json:"add,omitempty"`
}

// A ScanError is something that the client could not read.
type ScanError struct {
	Path string `json:"path"`
	Kind string `json:"kind"`
	Err  string `json:"error"`
}

// Data says what the packages were matched against.
type Data struct {
	// Snapshot is a digest of what the index holds.
	Snapshot string `json:"snapshot"`
	// Records is the number of advisories in it.
	Records int `json:"records"`
	// Updated is when the service last took in data, Age that in seconds at the
	// time of the scan.
	Updated time.Time `json:"updated"`
	Age     int64     `json:"age_seconds"`
	// Newest is the modification time of the newest record.
	Newest time.Time `json:"newest"`
	// Sample says that this is a small set for demonstration.
	Sample bool `json:"sample,omitempty"`
}

// An IgnoredOption is one that weakens the gate and came from a place that may not.
type IgnoredOption struct {
	Name   string `json:"name"`   // "fail-on"
	Value  string `json:"value"`  // as sent
	Origin string `json:"origin"` // "ASSAY_FAIL_ON"
	Reason string `json:"reason"`
}
