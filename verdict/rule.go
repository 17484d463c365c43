package verdict

// The exit codes of assay, which docs/exit-codes.md describes. A decision has CodePass,
// CodeFail or CodeUntrusted.
const (
	CodePass      = 0
	CodeUnable    = 1 // the scan could not finish
	CodeUsage     = 2
	CodeRefused   = 3 // the service refused the token
	CodeFail      = 4
	CodeUntrusted = 5
)

// Code returns the exit code of an outcome, or -1 if the outcome is unknown.
func (o Outcome) Code() int {
	switch o {
	case Pass:
		return CodePass
	case Fail:
		return CodeFail
	case Untrusted:
		return CodeUntrusted
	}
	return -1
}

// The rules that make both a finding and a scan fail.
const (
	RuleSeverity       = "severity"
	RuleKnownExploited = "known-exploited"
	RuleMalicious      = "malicious"
	RuleEPSS           = "epss"      // the probability of exploitation
	RuleForbidden      = "forbidden" // the policy of the service
)

// The rules by which a finding does not fail.
const (
	RuleUnfixed      = "unfixed"
	RuleSubscription = "needs-subscription"
	RuleBelow        = "below-threshold"
	RuleUnimportant  = "unimportant"             // the distribution rates it so
	RuleIgnored      = "ignored-by-distribution" // the distribution will not fix it
	RuleOwned        = "judged-by-distribution"  // it is part of a package that the distribution built
	RuleNotLinked    = "not-in-program"          // the program has no function of the affected Go packages
	RuleKernel       = "kernel"                  // a kernel package or kernel headers
	RuleGrace        = "grace"                   // its fix is not known for long
	RuleRatchet      = "known"                   // the reference of the ratchet has it as well, and its grace is not over
	RuleAccepted     = "accepted"                // an exception accepts it
	RuleVEX          = "vex"                     // a VEX statement says that it does not apply
)

// The other rules of a decision. RuleClean has CodePass, RuleEndOfLife has CodeFail, and
// the rest have CodeUntrusted.
const (
	RuleClean         = "clean"
	RuleEndOfLife     = "end-of-life"
	RuleEndUnknown    = "end-of-life-unknown"
	RuleNothing       = "nothing-recognised"
	RuleNoPackages    = "no-os-packages"
	RuleUnreadable    = "database-unreadable"
	RuleNoData        = "no-data"
	RuleTooOld        = "data-too-old"
	RulePartial       = "partial"
	RuleExceptions    = "exceptions-unreadable"
	RuleBaseline      = "baseline-unreadable"
	RuleContradiction = "contradiction" // the client does not believe the verdict
)

// failsFinding reports whether a finding fails by a rule.
func failsFinding(rule string) bool {
	switch rule {
	case RuleSeverity, RuleKnownExploited, RuleMalicious, RuleEPSS, RuleForbidden:
		return true
	}
	return false
}

// PassingRules returns the rules by which a finding does not fail, in the order of the log.
func PassingRules() []string {
	return []string{RuleAccepted, RuleVEX, RuleRatchet, RuleGrace, RuleUnfixed, RuleSubscription, RuleBelow, RuleUnimportant, RuleIgnored, RuleOwned, RuleNotLinked, RuleKernel}
}

// Untrusted reports whether a decision is not trusted because of this reason.
func (r Reason) Untrusted() bool { return codeOf(r.Rule) == CodeUntrusted }

// codeOf returns the exit code of a rule of a decision, or -1 if the rule is unknown: a
// newer service may have new rules.
func codeOf(rule string) int {
	switch rule {
	case RuleClean:
		return CodePass
	case RuleEndOfLife:
		return CodeFail
	case RuleEndUnknown, RuleNothing, RuleNoPackages, RuleUnreadable, RuleNoData, RuleTooOld, RulePartial, RuleExceptions, RuleBaseline, RuleContradiction:
		return CodeUntrusted
	}
	if failsFinding(rule) {
		return CodeFail
	}
	return -1
}
