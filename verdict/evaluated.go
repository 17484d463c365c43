package verdict

// A Part is one part of an image, and how far it was evaluated.
type Part struct {
	// Part is one of PartSystem, PartLanguage and PartOther.
	Part string `json:"part"`
	// Type is the purl type of the packages. It is empty for a system that is
	// named and not known, and for the types beyond those that are listed.
	Type string `json:"type,omitempty"`
	// Ecosystem is the name that the advisories carry: "Debian:12", "PyPI".
	Ecosystem string `json:"ecosystem,omitempty"`
	Packages  int    `json:"packages"`
	// Evaluated counts the packages that every advisory about them was compared
	// with.
	Evaluated int    `json:"evaluated"`
	State     string `json:"state"` // one of the states below
	// Causes are why packages were not evaluated, or not by every advisory.
	Causes []PartCause `json:"causes,omitempty"`
}

// The parts of an image.
const (
	PartSystem   = "system"   // the packages of the operating system
	PartLanguage = "language" // those of one language ecosystem
	PartOther    = "other"    // those of a type that has no ecosystem
)

// The states of a part.
const (
	Evaluated    = "evaluated"
	Partly       = "partly"
	NotEvaluated = "not-evaluated"
)

// A PartCause is why some packages of a part were not evaluated.
type PartCause struct {
	// Cause is a stable word, one of those below; new ones may be added.
	Cause string `json:"cause"`
	// Packages counts the packages. It is 0 where nobody knows how many there are.
	Packages int    `json:"packages"`
	Text     string `json:"text"` // for people
	// Names are some of the packages, as "name version".
	Names []string `json:"names,omitempty"`
}

// The causes. Those of whole parts are not accepted (code 5), but for the last two.
const (
	CauseSystem     = "system"     // no advisories for the operating system
	CauseMissing    = "missing"    // the system is named, and none of its packages was found
	CauseUnreadable = "unreadable" // a package database or an os-release file
	CauseType       = "type"       // no advisories of an ecosystem that public sources cover
	CauseWithout    = "without"    // the same, where the service was told to do without
	CauseUncovered  = "uncovered"  // a type that no public source covers
)

// The causes of single packages, which are listed and not accepted under
// --strict.
const (
	CauseVersion = "version" // a version that cannot be parsed
	CauseName    = "name"    // a Java archive without coordinates
	CauseVendor  = "vendor"  // a package that another vendor built
	CauseOwner   = "owner"   // a part of a package of the system, of which is unknown
)

// StateOf returns the state that follows from the numbers and causes.
func (p Part) StateOf() string {
	switch {
	case p.Packages > 0 && p.Evaluated == p.Packages && len(p.Causes) == 0:
		return Evaluated
	case p.Evaluated > 0:
		return Partly
	}
	return NotEvaluated
}

// causes returns how many packages have a cause, and whether it is there at all.
func (p Part) causes(cause string) (packages int, ok bool) {
	for _, c := range p.Causes {
		if c.Cause == cause {
			packages += c.Packages
			ok = true
		}
	}
	return packages, ok
}
