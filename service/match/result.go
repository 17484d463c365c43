package match

import (
	"sync/atomic"
	"time"

	"assay/service/advisory"
	"assay/verdict"
)

// A Result is the evaluation of an inventory, before any policy.
type Result struct {
	System verdict.System
	// Findings are sorted by package, version and id. They include those of kernel
	// packages, which have Kernel set.
	Findings []Finding
	// Packages counts the packages of the inventory, Evaluated those that were evaluated.
	Packages, Evaluated int
	// Parts are the parts of the image and how many of their packages were evaluated: the
	// system first, then by type. Their numbers add up to Packages.
	Parts []verdict.Part
	// Needs are the ecosystems of the advisories that the parts were evaluated with, without
	// releases, sorted, by the type of the part.
	Needs map[string][]string
	// NotEvaluated counts the packages that were not evaluated, by reason, such as "this
	// service has no advisories for Debian:sid". Sorted by package count, then text.
	NotEvaluated []NotEvaluated
}

// A Finding is one vulnerability in one package. The matcher sets the match and the
// package, the policy sets the rest, and Verdict returns the finding of the verdict.
type Finding struct {
	*Match
	Package *verdict.Package // shared by all findings of the package
	// Fails, Rule and Grounds are the policy's decision, as in a verdict. Grounds is nil if
	// they are empty.
	Fails   bool
	Rule    string
	Grounds *verdict.Grounds
	Origin  string // of the package; the policy sets it
	Layer   string // that brought the package, as in a verdict
}

// Verdict returns the finding as a verdict has it.
func (f Finding) Verdict() verdict.Finding {
	v := f.Match.Finding
	v.Package, v.Fails, v.Rule, v.Origin, v.Layer = *f.Package, f.Fails, f.Rule, f.Origin, f.Layer
	if f.Grounds != nil {
		v.Grounds = *f.Grounds
	}
	return v
}

// A Match is one vulnerability in all packages with the same lookup. It must not be
// changed, because scans share it through a Memo.
type Match struct {
	// Finding has no package, and not Fails, Rule and Origin, which the policy sets.
	verdict.Finding
	// Published is when the first of its advisories was published, or zero if that is unknown.
	Published time.Time
	// Kernel: the package is a kernel, its modules or its headers.
	Kernel bool
	// Unimportant: the distribution rates it as unimportant or negligible in its package.
	Unimportant bool
	// Status is what all sources say about the package, as long as there is no fix.
	Status advisory.Status
	// Owned: the package is part of one that the distribution built, and the
	// distribution's advisories do not say that it is affected. Why has the reason.
	Owned bool
	// NotLinked: the package is a Go module in a program that has no function of the packages
	// that are affected. Why has the reason.
	NotLinked bool

	// imports are the affected packages of a Go module, or empty if any may be affected.
	imports []string
	encoded atomic.Pointer[encoding] // see AppendJSON; nil until it is needed
}

// A NotEvaluated is a group of packages that were not evaluated for one reason.
type NotEvaluated struct {
	Ecosystem string // "Debian:sid"; empty if none could be named
	Type      string // purl type of the packages
	Packages  int
	Reason    string
	Cause     Cause
}

// A Cause is the kind of a reason, by which the policy decides.
type Cause string

const (
	// CauseSystem: the packages are the operating system's, and its advisories are not
	// held or do not exist. Without them a pass means nothing.
	CauseSystem Cause = verdict.CauseSystem
	// CauseType: the service holds no advisories for packages of this type, which
	// public sources cover.
	CauseType Cause = verdict.CauseType
	// CauseUncovered: no public source has advisories for packages of this type.
	CauseUncovered Cause = verdict.CauseUncovered
	// CauseVersion: the version of the package or a version in an advisory cannot be
	// compared, so it is unknown whether the advisory affects the package.
	CauseVersion Cause = verdict.CauseVersion
	// CauseName: only the file name of the package is known, which advisories do not use.
	CauseName Cause = verdict.CauseName
	// CauseVendor: another vendor built the package. The system's advisories are not
	// about such builds.
	CauseVendor Cause = verdict.CauseVendor
	// CauseOwner: the package is part of a package of the system, and it is unknown of
	// which.
	CauseOwner Cause = verdict.CauseOwner
)
