// Package index compiles advisories into what the matcher reads: the affected entries
// of each package, and what is known of each record as a whole. It also has an index
// in memory. Package snapshot keeps the same in a file.
package index

import (
	"cmp"
	"time"

	"assay/service/advisory"
)

// A Key is what an index looks packages up by.
type Key struct {
	Ecosystem string // "Debian:12", "npm"
	Name      string // as NormalName spells it
}

// KeyOf returns the key of a package in an ecosystem.
func KeyOf(ecosystem, name string) Key { return Key{ecosystem, NormalName(ecosystem, name)} }

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

// LastFix returns the last fix of a range, or an empty string.
func (r Range) LastFix() string {
	fix := ""
	for _, e := range r.Events {
		fix = cmp.Or(e.Fixed, fix)
	}
	return fix
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
