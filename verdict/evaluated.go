package verdict

// A Part is a part of an image and says how much of it was evaluated.
type Part struct {
	// Part is one of PartSystem, PartLanguage and PartOther.
	Part string `json:"part"`
	// Type is the purl type of the packages. It is empty for an unknown system, and for
	// the part that sums up further types.
	Type string `json:"type,omitempty"`
	// Ecosystem is the ecosystem of the advisories: "Debian:12", "PyPI".
	Ecosystem string `json:"ecosystem,omitempty"`
	Packages  int    `json:"packages"`
	// Evaluated is the number of packages that were compared with all their advisories.
	Evaluated int    `json:"evaluated"`
	State     string `json:"state"` // one of the states below
	// Causes say why packages were not evaluated, or not with all their advisories.
	Causes []PartCause `json:"causes,omitempty"`
}

// The parts of an image.
const (
	PartSystem   = "system"   // the packages of the operating system
	PartLanguage = "language" // the packages of one language ecosystem
	PartOther    = "other"    // the packages of a type that has no ecosystem
)

// The states of a part.
const (
	Evaluated    = "evaluated"
	Partly       = "partly"
	NotEvaluated = "not-evaluated"
)

// A PartCause says why packages of a part were not evaluated.
type PartCause struct {
	// Cause is a stable word, one of those below; new ones may be added.
	Cause string `json:"cause"`
	// Packages is the number of packages, or 0 if it is unknown.
	Packages int    `json:"packages"`
	Text     string `json:"text"` // for people
	// Names are some of the packages, as "name version".
	Names []string `json:"names,omitempty"`
}

// The causes of whole parts. All but CauseWithout and CauseUncovered end with code 5.
const (
	CauseSystem     = "system"     // no advisories for the operating system
	CauseMissing    = "missing"    // the image names a system, and none of its packages was found
	CauseUnreadable = "unreadable" // a package database or an os-release file could not be read
	CauseType       = "type"       // no advisories for an ecosystem that public sources cover
	CauseWithout    = "without"    // like type, and the configuration of the service accepts it
	CauseUncovered  = "uncovered"  // no public source covers the type
	CauseOld        = "old"        // the advisories are too old
)

// The causes of single packages. They end with code 5 only under --strict.
const (
	CauseVersion = "version" // a version that cannot be parsed
	CauseName    = "name"    // a Java archive without coordinates
	CauseVendor  = "vendor"  // a package that another vendor built
	CauseOwner   = "owner"   // a file of an unknown package of the system
)

// StateOf returns the state that the numbers and causes imply.
func (p Part) StateOf() string {
	switch {
	case p.Packages > 0 && p.Evaluated == p.Packages && len(p.Causes) == 0:
		return Evaluated
	case p.Evaluated > 0:
		return Partly
	}
	return NotEvaluated
}

// causes returns how many packages have a cause, and whether the part has it at all.
func (p Part) causes(cause string) (packages int, ok bool) {
	for _, c := range p.Causes {
		if c.Cause == cause {
			packages += c.Packages
			ok = true
		}
	}
	return packages, ok
}
