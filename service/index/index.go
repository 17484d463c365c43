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

// An Affected is one affected entry of one advisory, compact and ready to compare. The
// index leaves out withdrawn records, GIT ranges, and entries without a package or about
// other operating systems than Linux.
type Affected struct {
	Advisory string
	Source   string // of the advisory
	// Versions are affected in addition to Ranges.
	Versions []string
	Ranges   []Range
	// Severity is the entry's own rating, which precedes that of the record.
	Severity []advisory.Severity
	// Urgency is the distribution's rating of this package as a word, if there is one:
	// Debian's ecosystem_specific.urgency or Ubuntu's priority.
	Urgency string
	// Status is what the publisher says about the package in addition to the versions.
	// An entry with StatusNotAffected may have no versions.
	Status advisory.Status
	// Modules are the rpm module streams that the entry is about ("nodejs:18"), if the
	// record names them. An empty one stands for packages that belong to no module.
	Modules []string
	// Arches are the affected architectures by Go's names ("amd64"), sorted. If it is
	// empty, all are affected.
	Arches []string
	// Binaries are the binary packages of the same version that were built from the
	// entry's source package, sorted, if the entry names them. An index answers Sources
	// with them.
	Binaries []string
	// Patterns are regular expressions of affected versions, which match a whole version.
	// Only the ecosystem Jenkins has them.
	Patterns []string
	// Imports are the affected packages of a Go module on Linux, as import paths relative to
	// that of the module, sorted, and "." for its root: see inventory.Linked. Without them,
	// any package of the module may be affected.
	Imports []string
	// Note is what a finding says about the entry, if its publisher or the conversion has
	// left one ("the record contradicts itself").
	Note string
}

// A Range has the events of one SEMVER or ECOSYSTEM range, as in the record.
type Range struct {
	Type   string
	Events []advisory.Event
	// FirstSeen is when this service first saw the range's fix, or zero if it has none.
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

// A Vulnerability is what the index keeps about a record as a whole.
type Vulnerability struct {
	ID       string
	Source   string
	Aliases  []string
	Upstream []string
	Related  []string
	Summary  string
	Severity []advisory.Severity
	// Ratings are those of others that the record repeats. Severity does not have them.
	Ratings   []advisory.Rating
	Modified  time.Time
	Published time.Time
	// KnownExploited: the record itself says that CISA's catalog has it.
	KnownExploited bool
	// Notice: the record does not describe a vulnerability ("unmaintained").
	Notice bool
}
