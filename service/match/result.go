package match

import (
	"sync/atomic"

	"assay/verdict"
)

// A Result is what the data says about an inventory, before any policy.
type Result struct {
	System verdict.System
	// Findings are sorted by package, version and id. Those of kernel packages are
	// among them: Kernel tells.
	Findings []Finding
	// Packages counts the packages of the inventory; Evaluated those whose
	// ecosystem the index holds.
	Packages, Evaluated int
	// Parts say of each part of the image how far it was evaluated: the system's
	// first, then by type. Their numbers add up to Packages.
	Parts []verdict.Part
	// NotEvaluated counts, by the reason, packages that nothing can be said about:
	// "no advisories for Debian:sid". Sorted by package count, then text.
	NotEvaluated []NotEvaluated
}

// A Finding is one vulnerability in one package. It grows on its way: the match sets
// the match and the package, the policy sets the rest, and Verdict returns what is sent.
type Finding struct {
	*Match
	Package *verdict.Package // shared by all findings of the package
	// Fails and Rule are the policy's decision, as in a verdict.
	Fails bool
	Rule  string
}

// Verdict returns the finding as a verdict has it.
func (f Finding) Verdict() verdict.Finding {
	v := f.Match.Finding
	v.Package, v.Fails, v.Rule = *f.Package, f.Fails, f.Rule
	return v
}

// A Match is what the data says of one vulnerability in all packages that are
// judged alike. Nobody may change it: scans share it, where the index has a Memo.
type Match struct {
	// Finding is a verdict's, with its package left open and what the policy
	// decides, Fails and Rule.
	verdict.Finding
	// Kernel: the package is a kernel, its modules or its headers.
	Kernel bool
	// Unimportant: the distribution says that it does not matter here (Debian
	// unimportant, Ubuntu negligible, ignored or "will not fix").
	Unimportant bool
	// Owned: the package lies in one that the distribution built, and its
	// advisories do not say that this one is affected; Why has the rest.
	Owned bool

	encoded atomic.Pointer[encoding] // see AppendJSON; nil until it is needed
}

// A NotEvaluated is a group of packages that the service knows nothing about.
type NotEvaluated struct {
	Ecosystem string // "Debian:sid"; empty where none could be named
	Type      string // purl type of the packages
	Packages  int
	Reason    string
	Cause     Cause
}

// A Cause says what kind of gap it is, for the policy to weigh.
type Cause string

const (
	// CauseSystem: the packages are the operating system's, and its advisories
	// are not held or do not exist. Without them a pass means nothing.
	CauseSystem Cause = verdict.CauseSystem
	// CauseType: the service holds no advisories for packages of this type, which
	// public sources cover.
	CauseType Cause = verdict.CauseType
	// CauseUncovered: no public source has advisories for packages of this type.
	CauseUncovered Cause = verdict.CauseUncovered
	// CauseVersion: a version cannot be compared, the package's own or one in an
	// advisory, which then is neither said to affect it nor not to.
	CauseVersion Cause = verdict.CauseVersion
	// CauseName: the package is known by the name of its file only, which is not
	// what advisories call it.
	CauseName Cause = verdict.CauseName
	// CauseVendor: another vendor built the package for the system, whose advisories
	// are not about such builds.
	CauseVendor Cause = verdict.CauseVendor
	// CauseOwner: the package belongs to a package of the system, and it is unknown to
	// which.
	CauseOwner Cause = verdict.CauseOwner
)
