package policy

import (
	"time"

	"assay/service/advisory"
	"assay/service/match"
	"assay/verdict"
)

// decide returns the decision on a finding: whether it fails, the rule by which, and the
// grounds. In this order:
//
//   - A malicious package fails, and so does what the policy of the service forbids.
//   - A finding that does not fail because of what it is (kernel, part of another package,
//     unimportant) stays so.
//   - An exception accepts it. One that is known to be exploited needs an exception that
//     names it.
//   - A VEX statement says that it does not apply.
//   - The options decide (see rule), those of the base image for its findings.
//   - A finding that they fail for its severity or its EPSS passes during the grace of the
//     ratchet, if it is known, or during that of its fix.
func decide(f match.Finding, in Input) (fails bool, name string, grounds *verdict.Grounds) {
	name, fails = rule(f, in.Options.For(f.Origin))
	accepted, expired := in.Exceptions.accept(f, in.Now)
	stated := in.Exceptions.vex(f, in.Now)
	if forbidden := in.Exceptions.forbids(f, in.Now); forbidden != nil && !f.Malicious {
		return true, verdict.RuleForbidden, forbidden
	}
	switch {
	case name == verdict.RuleMalicious, name == verdict.RuleKernel, name == verdict.RuleOwned, name == verdict.RuleNotLinked, name == verdict.RuleUnimportant:
		return fails, name, nil
	case accepted != nil:
		accepted.file.Accepted++
		return false, verdict.RuleAccepted, &accepted.Grounds
	case stated != nil:
		stated.file.Accepted++
		return false, verdict.RuleVEX, &stated.Grounds
	}
	if name == verdict.RuleSeverity || name == verdict.RuleEPSS {
		var waits string
		if waits, grounds = wait(f, in); waits != "" {
			return false, waits, grounds
		}
	}
	if fails && expired != nil {
		grounds = &expired.Grounds
	}
	return fails, name, grounds
}

// wait returns the rule by which a finding that would fail still passes, or "", and the
// grounds of its grace, which may be over.
func wait(f match.Finding, in Input) (name string, grounds *verdict.Grounds) {
	grounds, waits := in.Ratchet.grace(f, in.Now)
	if waits {
		return verdict.RuleRatchet, grounds
	}
	if until, reason := graceOf(f, in.Options.Grace, in.Now); !until.IsZero() {
		g := &verdict.Grounds{Reason: reason, Until: &until, Written: "--grace " + in.Options.Grace.String()}
		if in.Now.Before(until) {
			return verdict.RuleGrace, g
		}
		if grounds == nil || grounds.Until == nil || grounds.Until.Before(until) {
			grounds = g
		}
	}
	return "", grounds
}

// rule returns the rule by which the options decide on a finding. It is the first of these
// that applies:
//
//   - A malicious package always fails.
//   - A finding of a kernel does not fail, even if it is known to be exploited, because
//     an image does not run its kernel. An option changes that.
//   - A finding of a part of a package that the distribution built does not fail if the
//     distribution's advisories do not list that package as affected.
//   - A finding of a Go module does not fail if the program has no function of the affected
//     packages, even if it is exploited in other programs.
//   - A finding that the distribution rates unimportant in its build does not fail, even
//     if it is exploited in other builds.
//   - A finding that is known to be exploited fails, with or without a fix. It also fails
//     if the distribution will not fix it: that says what the distribution does, and not
//     how dangerous the finding is.
//   - A finding that the distribution will not fix does not fail.
//   - A finding at or above one of the thresholds fails if it has a fix, or if the options
//     include unfixed findings. A fix that needs a subscription does not count as a fix,
//     because the image does not have the subscription. The options say what severity an
//     unrated finding counts as. A finding without a known EPSS is below any threshold of
//     it.
func rule(f match.Finding, o verdict.Options) (name string, fails bool) {
	wontFix := f.Status == advisory.StatusWontFix
	unimportant := f.Severity == verdict.Negligible && (f.Unimportant || wontFix)
	severe := counted(f.Severity, o).Rank() <= o.Threshold()
	probable := o.FailOnEPSS > 0 && f.EPSS >= o.FailOnEPSS
	switch {
	case f.Malicious:
		return verdict.RuleMalicious, true
	case f.Kernel && !o.Kernel:
		return verdict.RuleKernel, false
	case f.Owned:
		return verdict.RuleOwned, false
	case f.NotLinked:
		return verdict.RuleNotLinked, false
	case unimportant:
		return verdict.RuleUnimportant, false
	case f.KnownExploited:
		return verdict.RuleKnownExploited, true
	case wontFix:
		return verdict.RuleIgnored, false
	case !severe && !probable:
		return verdict.RuleBelow, false
	case f.Subscription != "" && !o.FailOnUnfixed:
		return verdict.RuleSubscription, false
	case f.Fixed == "" && !o.FailOnUnfixed:
		return verdict.RuleUnfixed, false
	case !severe:
		return verdict.RuleEPSS, true
	}
	return verdict.RuleSeverity, true
}

// counted returns the severity that a finding counts as.
func counted(s verdict.Severity, o verdict.Options) verdict.Severity {
	if s == verdict.Unrated {
		return o.Unrated
	}
	return s
}

// graceOf returns when the grace of a finding ends, and the day from which it counts: the
// earlier one of the publication of the fix and the day on which the service first saw it.
// It is zero for a finding without grace: one without a fix, and one of which neither day
// is known. A day in the future is not known.
func graceOf(f match.Finding, lasts verdict.Seconds, now time.Time) (until time.Time, reason string) {
	if lasts <= 0 || f.Fixed == "" {
		return time.Time{}, ""
	}
	var from time.Time
	// A publisher's day may be tomorrow here. A later one would be a grace without an end.
	known := func(t *time.Time) bool { return t != nil && !t.After(now.Add(24*time.Hour)) }
	if known(f.FirstSeen) {
		from, reason = *f.FirstSeen, "this service first saw the fix on "
	}
	if p := f.FixPublished; known(p) && (from.IsZero() || p.Before(from)) {
		from, reason = *p, "the fix was published on "
	}
	if from.IsZero() {
		return time.Time{}, ""
	}
	return from.Add(lasts.Duration()), reason + from.UTC().Format(time.DateOnly)
}
