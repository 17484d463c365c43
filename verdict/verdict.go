// Package verdict is the answer of the service to a scan: its types, the rules and exit
// codes, and the log for people. It makes no decisions. The client and the service both use
// it, and remote/cyclonedx is the request that belongs to it.
package verdict

import (
	"cmp"
	"slices"
	"time"
)

// Version is the major version of the answer. A client refuses an answer of
// another major version and ignores fields that it does not know.
const Version = 1

// ClockSkew is how far in the future data may be dated, since clocks differ a little. If
// it is dated later, its age is unknown and it is not trusted.
const ClockSkew = 5 * time.Minute

// A Verdict is the answer to POST /api/v1/scans and GET /api/v1/scans/{id}.
type Verdict struct {
	Version int    `json:"version"`
	Scan    string `json:"scan"` // id of the kept scan
	// ProjectInherited says that a variable names the project, which may come from the base
	// image, and that the token is for every project. Such a scan is no reference of a
	// ratchet. The store reads this field, which comes before the decision.
	ProjectInherited bool `json:"project_inherited,omitempty"`

	Decision Decision `json:"decision"`
	// Findings are sorted: failing ones first, then by severity from the worst,
	// package, installed version and id.
	Findings []Finding `json:"findings"`
	Counts   Counts    `json:"counts"`
	// Evaluated says how much of each part of the image was evaluated. The part of the
	// system comes first, the others are sorted by type.
	Evaluated []Part `json:"evaluated"`
	// Without lists the ecosystems for which the service may lack advisories by its
	// configuration. Their packages may be not evaluated.
	Without []string `json:"without,omitempty"`

	System System `json:"system"`
	// Image is the finished image that was evaluated, or nil if assay read a filesystem.
	Image *Image `json:"image,omitempty"`
	// ScanErrors are what the client could not read.
	ScanErrors []ScanError `json:"partial,omitempty"`
	Data       Data        `json:"data"`
	// Options are the options that the decision used.
	Options Options `json:"options"`
	// Policy is the policy of the service that the decision used, or nil.
	Policy *Policy `json:"policy,omitempty"`
	// Ratchet is what the ratchet of that policy counted, or nil if it has none.
	Ratchet *Ratchet `json:"ratchet,omitempty"`
	// Baseline is what the findings were compared with to tell those of the base image apart,
	// or nil if the client sent none.
	Baseline *Baseline `json:"baseline,omitempty"`
	// Ignored are options that the client sent and the service did not use.
	Ignored []IgnoredOption `json:"ignored,omitempty"`
	// Exceptions are the files of exceptions and VEX statements, and what became of their
	// entries.
	Exceptions []ExceptionFile `json:"exceptions,omitempty"`
	// Notices are sentences for people that do not change the decision: that security
	// support has ended, or that the scan was not kept.
	Notices []string `json:"notices,omitempty"`
	// Remedies say how to fix the findings that fail, what to do first at the beginning.
	Remedies []Remedy `json:"remedies,omitempty"`
	// Report is the address of the scan for people, or empty.
	Report string `json:"report,omitempty"`
	// Warnings are about the request and not about the image: that the token expires soon.
	// They do not change the decision, and are not stored with the scan.
	Warnings []Warning `json:"warnings,omitempty"`
	// Reports are the reports that the request asked for, by format. They are not stored
	// with the scan. One that could not be rendered is missing, and a warning says why.
	Reports map[string]string `json:"reports,omitempty"`
}

// A Warning is something that the owner of the build should do.
type Warning struct {
	Text string `json:"text"` // one sentence for people, lower case, no period
	Hint string `json:"hint,omitempty"`
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

// A Decision is the outcome and the rules that led to it.
type Decision struct {
	Outcome Outcome `json:"outcome"`
	// Code is the exit code of the outcome. The client applies --continue-on-failure to it.
	Code int `json:"code"`
	// Reasons is never empty. The first one decided.
	Reasons []Reason `json:"reasons"`
}

// A Reason is a rule that applied.
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

// Severities returns all severities, the worst first. Unrated is the last one; the options
// say what it counts as.
func Severities() []Severity { return slices.Clone(severities[:]) }

var severities = [...]Severity{Critical, High, Medium, Low, Negligible, Unrated}

// Rank returns the index of s in Severities, which is 0 for the worst, or -1 if s is not a
// severity.
func (s Severity) Rank() int { return slices.Index(severities[:], s) }

// A Finding is one vulnerability in one package.
type Finding struct {
	// ID is the id of the vulnerability, a CVE ID if there is one.
	ID string `json:"id"`
	// Advisories are the ids of the records that matched, sorted.
	Advisories []string `json:"advisories"`
	// Aliases are all other ids of the vulnerability, sorted.
	Aliases []string `json:"aliases,omitempty"`
	Summary string   `json:"summary,omitempty"`

	Package Package `json:"package"`
	// Fixed is the version that fixes the vulnerability in the release of the package, or
	// empty. It is a version of Package.Source if that is set.
	Fixed string `json:"fixed,omitempty"`
	// Subscription is the subscription that is needed to get the fix that Why names, such
	// as "Ubuntu Pro". Fixed is then empty.
	Subscription string `json:"subscription,omitempty"`
	// FirstSeen is when the service first saw this fix.
	FirstSeen *time.Time `json:"first_seen,omitempty"`
	// FixPublished is when the advisory with this fix was published, if it was published
	// for the fix: an erratum of a distribution, or an advisory about a language's package.
	FixPublished *time.Time `json:"fix_published,omitempty"`

	Severity Severity `json:"severity"`
	// SeveritySource is where the severity comes from, such as "debian" or
	// "CVE-2024-1: CVSS 3.1", "CNA GitHub_M: CVSS 3.1". It is empty for unrated.
	SeveritySource string  `json:"severity_source,omitempty"`
	Score          float64 `json:"score,omitempty"` // CVSS base score, 0 if unknown
	Vector         string  `json:"vector,omitempty"`
	EPSS           float64 `json:"epss,omitempty"` // probability, 0 if unknown
	KnownExploited bool    `json:"known_exploited,omitempty"`
	Malicious      bool    `json:"malicious,omitempty"`

	// Fails says whether this finding fails the scan. Rule is the rule that decided, one
	// of those of a finding in rule.go.
	Fails bool   `json:"fails"`
	Rule  string `json:"rule"`
	// Origin is OriginBase or OriginOwn. It is empty without a baseline.
	Origin string `json:"origin,omitempty"`
	// Layer is the DiffID of the layer of the image that brought the package, or empty if
	// the inventory does not name it.
	Layer string `json:"layer,omitempty"`
	Grounds
	// Why is the comparison that matched, as text for people:
	// "DEBIAN-CVE-2024-1: Debian:12 openssl 3.0.11-1 < fixed 3.0.13-1".
	Why string `json:"why"`
}

// The origins of findings.
const (
	OriginOwn  = "own"  // the build adds the package, or this version of it
	OriginBase = "base" // the baseline has the same version of the package at the same paths
)

// Grounds say more about the decision on a finding than its rule. All of them may be empty.
type Grounds struct {
	// By is who decided: the team that accepts a finding, or the author of a VEX statement.
	By string `json:"by,omitempty"`
	// Reason is why, as that author wrote it, or from when on a finding in its grace fails.
	Reason string `json:"reason,omitempty"`
	// Until is when the decision ends: the exception or the grace. After the end of a
	// grace, it is when the finding began to fail.
	Until *time.Time `json:"until,omitempty"`
	// Written is where the rule is written: ".assayignore.yaml line 4".
	Written string `json:"written,omitempty"`
}

// A Policy is a version of the policy of the service.
type Policy struct {
	Version int `json:"version"`
	// Sections are those of its sections that are about the scan: "all", "project shop",
	// "token ci".
	Sections []string `json:"sections"`
}

// A Ratchet says how many of the findings that fail by severity or EPSS its reference has
// as well: known ones have a grace, and introduced ones do not.
type Ratchet struct {
	Against string  `json:"against"` // the ref of the reference
	Grace   Seconds `json:"grace"`
	// Scan is the id of the reference, the newest scan that passed, and At its time. They
	// are empty if there is none. Missing then says why, and all findings are introduced.
	Scan    string     `json:"scan,omitempty"`
	At      *time.Time `json:"at,omitempty"`
	Missing string     `json:"missing,omitempty"`

	Introduced int `json:"introduced"`
	Known      int `json:"known"`
	InGrace    int `json:"in_grace"` // of the known ones
	Overdue    int `json:"overdue"`  // of the known ones
	// Ends is when the first grace ends. OverdueSince is when the first one ended.
	Ends         *time.Time `json:"ends,omitempty"`
	OverdueSince *time.Time `json:"overdue_since,omitempty"`
}

// A Baseline is the inventory of the base image, and how many of the listed findings are in
// packages that it has too.
type Baseline struct {
	File string     `json:"file,omitempty"` // the name of the file, as sent
	Scan string     `json:"scan,omitempty"` // or the id of a stored scan, and its time
	At   *time.Time `json:"at,omitempty"`
	// Error is why it could not be read. No finding has an origin then.
	Error    string `json:"error,omitempty"`
	Packages int    `json:"packages"`
	// Own and Base count the findings by origin, OwnFailing and BaseFailing those that fail.
	Own         int `json:"own"`
	OwnFailing  int `json:"own_failing"`
	Base        int `json:"base"`
	BaseFailing int `json:"base_failing"`
}

// Name returns the name of the file or the id of the scan.
func (b *Baseline) Name() string { return cmp.Or(b.File, b.Scan) }

// The formats of VEX statements.
const (
	FormatOpenVEX   = "openvex"
	FormatCycloneDX = "cyclonedx"
	FormatCSAF      = "csaf"
)

// An ExceptionFile is a file of exceptions or VEX statements.
type ExceptionFile struct {
	File   string `json:"file"`   // its name, as sent
	Format string `json:"format"` // "assayignore", "trivyignore", "trivyignore.yaml", "grype", or a format of VEX; empty if unknown
	// Error is why the file could not be read. None of its entries counts then.
	Error    string `json:"error,omitempty"`
	Entries  int    `json:"entries"`
	Accepted int    `json:"accepted"` // the findings that pass because of the file
	// Unmatched is the number of entries that matched no finding. UnmatchedNames are some
	// of them.
	Unmatched      int      `json:"unmatched"`
	UnmatchedNames []string `json:"unmatched_names,omitempty"`
	// Expired is the number of expired entries that match a finding. ExpiredNames are some
	// of them.
	Expired      int      `json:"expired"`
	ExpiredNames []string `json:"expired_names,omitempty"`
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

// Counts are the numbers of all packages and findings, including the kernel findings that
// are not listed.
type Counts struct {
	Packages   int              `json:"packages"`
	Evaluated  int              `json:"evaluated"` // packages, the sum of the parts
	Findings   int              `json:"findings"`
	Failing    int              `json:"failing"`
	Fixable    int              `json:"fixable"`
	BySeverity map[Severity]int `json:"by_severity"`
	// Kernel is the number of findings of kernel packages and headers, which an image does
	// not run. They are in Verdict.Findings only if Options.Kernel is set.
	Kernel int `json:"kernel,omitempty"`
}

// A Remedy is one way to fix findings that fail.
type Remedy struct {
	// Action is a stable word, one of those below; new ones may be added.
	Action string `json:"action"`
	// Manager is the package manager that does it: "apt-get", "npm".
	Manager string `json:"manager,omitempty"`
	Text    string `json:"text"` // what to do, for people: lower case, no period
	// Command is a command to run or a line for the Dockerfile ("RUN …"), safe to paste. It
	// is empty if no command would do.
	Command string `json:"command,omitempty"`
	// Short is a shorter command that does more than is necessary.
	Short string `json:"short,omitempty"`
	// Packages are the names of what it upgrades, Findings the number of what it fixes.
	Packages []string `json:"packages"`
	Findings int      `json:"findings"`
	// Base is how many of Findings are of the base image.
	Base int `json:"base,omitempty"`
}

// The actions of remedies.
const (
	ActionRemove  = "remove"      // remove a malicious package
	ActionRebuild = "build-again" // the package database is from a cached layer
	ActionUpgrade = "upgrade"
	ActionBase    = "base" // only another base image has the fix
	ActionNone    = "none" // there is no fix that this image can get
)

// A System is the operating system as which the packages were evaluated.
type System struct {
	ID         string `json:"id,omitempty"`
	VersionID  string `json:"version_id,omitempty"`
	PrettyName string `json:"pretty_name,omitempty"`
	// Ecosystem is the ecosystem of its advisories, "Debian:12".
	Ecosystem string `json:"ecosystem,omitempty"`
	// EndOfLife is the last day of free security support, "2028-06-30", or empty if
	// unknown.
	EndOfLife string `json:"end_of_life,omitempty"`
	Ended     bool   `json:"ended,omitempty"`
	// Repositories says which repository an upgrade inside the image lacks. It is nil if
	// none is missing, or if that is unknown.
	Repositories *Repositories `json:"repositories,omitempty"`
}

// An Image is a finished image.
type Image struct {
	Name     string       `json:"name,omitempty"`   // as it was named
	Digest   string       `json:"digest,omitempty"` // of the manifest, or empty if unknown
	Platform string       `json:"platform,omitempty"`
	Layers   []ImageLayer `json:"layers,omitempty"` // the lowest first
}

// An ImageLayer is a layer of a finished image.
type ImageLayer struct {
	Digest    string `json:"digest,omitempty"`     // of the layer as it was sent
	DiffID    string `json:"diff_id,omitempty"`    // of the archive without compression
	CreatedBy string `json:"created_by,omitempty"` // the command that made it, as in a Dockerfile
}

// Repositories says which package repository an image lacks.
type Repositories struct {
	// Missing is the repository that has the fixes and is not configured, such as
	// "bookworm-security". It is empty if no repository is configured.
	Missing string `json:"missing,omitempty"`
	// Add is the line that configures the repository, for sources.list of apt or for
	// /etc/apk/repositories.
	Add string `json:"add,omitempty"`
}

// A ScanError is something that the client could not read.
type ScanError struct {
	Path string `json:"path"`
	Kind string `json:"kind"`
	Err  string `json:"error"`
}

// Data describes the advisories that the packages were matched with.
type Data struct {
	// Snapshot is a digest of the index.
	Snapshot string `json:"snapshot"`
	// Records is the number of advisories in it.
	Records int `json:"records"`
	// Updated is when the advisories that the image needs were last updated: the oldest of
	// Sources with advisories counts. Without Sources it is the oldest of all sources of
	// the service. Age is the time since then in seconds, at the time of the scan.
	Updated time.Time `json:"updated"`
	Age     int64     `json:"age_seconds"`
	// Newest is the modification time of the newest record.
	Newest time.Time `json:"newest"`
	// Sources are the sources of the advisories that the image needs, and those that add
	// severities or exploitation.
	Sources []DataSource `json:"sources,omitempty"`
	// Sample says that this is a small set of advisories for demonstration.
	Sample bool `json:"sample,omitempty"`
}

// A DataSource is a source of the data that a scan was decided with.
type DataSource struct {
	Name        string    `json:"name"`        // "osv:Debian"
	Contributes string    `json:"contributes"` // SourceAdvisories or SourceEnrichment
	Updated     time.Time `json:"updated"`
	Age         int64     `json:"age_seconds"` // negative if Updated is in the future
	// Ecosystems are the ecosystems of the image that need the source, such as "Debian".
	Ecosystems []string `json:"ecosystems,omitempty"`
}

// What a source contributes. The age of an enrichment never affects the evaluation.
const (
	SourceAdvisories = "advisories"
	SourceEnrichment = "enrichment"
)

// An IgnoredOption is an option that the service did not use, because its origin may not
// weaken the gate or because the service does not know the option.
type IgnoredOption struct {
	Name   string `json:"name"`   // "fail-on"
	Value  string `json:"value"`  // as sent
	Origin string `json:"origin"` // "ASSAY_FAIL_ON"
	Reason string `json:"reason"`
}
