package match

import (
	"time"

	"assay/service/advisory"
	"assay/service/exploit"
)

// An Index answers, for one consistent state of the data, which advisories
// speak of a package. It is read by many scans at once.
type Index interface {
	// Affected returns what the advisories of ecosystem ("Debian:12", "npm")
	// say of the package name, in the ecosystem's normalised spelling, sorted by
	// advisory id and source. The result is the caller's to read, not to change.
	Affected(ecosystem, name string) ([]Affected, error)
	// Vulnerabilities returns what is kept of the records id beside their affected
	// entries: one of each source that has such a record, sorted by source.
	// Withdrawn ones are not among them.
	Vulnerabilities(id string) ([]Vulnerability, error)
	// Referrers returns the ids of the records that name id among their aliases
	// or as their upstream, sorted. Aliases are symmetric, but records rarely
	// say so on both sides.
	Referrers(id string) ([]string, error)
	// Sources returns the source packages of ecosystem from which the package binary was
	// built, by what advisories say, sorted.
	Sources(ecosystem, binary string) ([]string, error)
	// Records returns how many advisories speak of the ecosystem. None means
	// that the service can say nothing about it.
	Records(ecosystem string) (int, error)
	// Exploit returns what the exploit catalogs say of a CVE. An entry without a
	// CVE means that the catalog does not name it.
	Exploit(c exploit.CVE) (kev, epss exploit.Entry, err error)
	// Memo returns what is remembered of this state of the data, nil for nothing.
	// An index that wraps another and gives other answers returns nil, or a Memo
	// of its own.
	Memo() *Memo
}

// An Affected is one affected entry of one advisory, compact and ready to
// compare: withdrawn records, GIT ranges, entries without a package and those of
// other operating systems than Linux are not in the index.
type Affected struct {
	Advisory string
	Source   string // of the advisory
	// Versions are affected as they stand; Ranges in addition.
	Versions []string
	Ranges   []Range
	// Severity is the entry's own rating, before the record's.
	Severity []advisory.Severity
	// Urgency is the distribution's own word for this package: Debian's
	// ecosystem_specific.urgency, Ubuntu's priority; empty where there is none.
	Urgency string
	// Modules are the module streams of rpm that the entry is about ("nodejs:18");
	// empty where it is about none, or does not say.
	Modules []string
	// Arches are the architectures that alone are affected, by Go's names
	// ("amd64"), sorted; empty where all are.
	Arches []string
	// Binaries are the packages of the same version that the entry says were built from
	// its source package, sorted; empty where it does not say. An Index answers Sources
	// with them.
	Binaries []string
}

// A Range is the events of one SEMVER or ECOSYSTEM range, as in the record.
type Range struct {
	Type   string
	Events []advisory.Event
	// FirstSeen is when this service first saw the range's fix, zero where it
	// has none.
	FirstSeen time.Time
}

// A Vulnerability is what the index keeps of a record as a whole.
type Vulnerability struct {
	ID        string
	Source    string
	Aliases   []string
	Upstream  []string
	Related   []string
	Summary   string
	Severity  []advisory.Severity
	Modified  time.Time
	Published time.Time
	// KnownExploited: the record itself says that CISA lists it.
	KnownExploited bool
	// Notice: the record is no vulnerability ("unmaintained").
	Notice bool
}
