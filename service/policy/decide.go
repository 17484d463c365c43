package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"assay/inspect/inventory"
	"assay/service/distro"
	"assay/service/match"
	"assay/verdict"
)

// Input is what a decision is made of.
type Input struct {
	Result     match.Result
	ScanErrors []inventory.ScanError // what the client could not read
	Data       verdict.Data
	MaxAge     time.Duration // zero: data of any age is good
	Ahead      time.Duration // how far in the future the data is dated
	Options    verdict.Options
	// Without are the ecosystems whose advisories the service does without.
	Without []string
}

// Decide decides a scan. The findings returned are sorted as a verdict has
// them, each with the rule that spoke; those of kernel packages are among them
// only where the options ask for them or they fail, and always counted.
//
// An answer that is not to be trusted (code 5) goes before findings that fail
// (code 4): --continue-on-failure takes back the second and not the first, and
// must not make a pass of a scan that saw half of the image. What was found is
// returned and named among the reasons all the same.
func Decide(in Input) (verdict.Decision, []match.Finding, verdict.Counts) {
	counts := verdict.Counts{
		Packages:   in.Result.Packages,
		Findings:   len(in.Result.Findings),
		BySeverity: make(map[verdict.Severity]int),
	}
	findings := make([]match.Finding, 0, len(in.Result.Findings))
	parts := Evaluated(in)
	for _, p := range parts {
		counts.Evaluated += p.Evaluated
	}
	for _, f := range in.Result.Findings {
		name, fails := rule(f, in.Options)
		counts.BySeverity[f.Severity]++
		if fails {
			counts.Failing++
		}
		if f.Fixed != "" {
			counts.Fixable++
		}
		folded := f.Kernel && !in.Options.Kernel && !fails
		if folded || f.Kernel && in.Options.Kernel {
			counts.Kernel++
		}
		if !folded {
			f.Fails, f.Rule = fails, name
			findings = append(findings, f)
		}
	}
	findings = arrange(findings)

	untrusted := distrust(in, parts, counts.Evaluated)
	failing := failures(in, findings)
	reasons := slices.Concat(untrusted, failing)
	decision := verdict.Decision{Outcome: verdict.Pass, Reasons: reasons}
	switch {
	case len(untrusted) > 0:
		decision.Outcome = verdict.Untrusted
	case len(failing) > 0:
		decision.Outcome = verdict.Fail
	default:
		decision.Reasons = []verdict.Reason{clean(counts)}
	}
	decision.Code = decision.Outcome.Code()
	return decision, findings, counts
}

// rule returns the rule that speaks for a finding, the first of these:
//
//   - A malicious package always fails; there is nothing to weigh.
//   - A kernel of an image never runs, so its findings do not fail, even known
//     exploited ones, unless they are asked for.
//   - What lies in a package that the distribution built, and is not affected by
//     its advisories, does not fail: it answers for its builds, and would say so.
//   - What the distribution calls unimportant in its own build does not fail,
//     even if it is exploited in others.
//   - What is known to be exploited fails, with a fix or without, and also where
//     the distribution has set it aside: that is a word about its own work and
//     not about the danger.
//   - What the distribution has set aside without a fix does not fail.
//   - A severity at or above the threshold fails if there is a fix, or if
//     unfixed ones are to fail too. A fix that needs a subscription which the image
//     does not have does not count. An unrated finding counts as the options
//     say.
func rule(f match.Finding, o verdict.Options) (name string, fails bool) {
	negligible := f.Severity == verdict.Negligible
	switch {
	case f.Malicious:
		return verdict.RuleMalicious, true
	case f.Kernel && !o.Kernel:
		return verdict.RuleKernel, false
	case f.Owned:
		return verdict.RuleOwned, false
	case f.Unimportant && negligible:
		return verdict.RuleUnimportant, false
	case f.KnownExploited:
		return verdict.RuleKnownExploited, true
	case f.Unimportant:
		return verdict.RuleIgnored, false
	case counted(f.Severity, o).Rank() > o.Threshold():
		return verdict.RuleBelow, false
	case f.Subscription != "" && !o.FailOnUnfixed:
		return verdict.RuleSubscription, false
	case f.Fixed == "" && !o.FailOnUnfixed:
		return verdict.RuleUnfixed, false
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

// arrange returns findings as a verdict has them: failing ones first, then by
// severity, package, installed version and id. They come by package and version,
// so that dealing them out by the rest leaves little to sort.
func arrange(findings []match.Finding) []match.Finding {
	ranks := len(verdict.Severities()) + 1 // the first is that of no severity
	class := func(f *match.Finding) int {
		if f.Fails {
			return f.Severity.Rank() + 1
		}
		return f.Severity.Rank() + 1 + ranks
	}
	next := make([]int, 2*ranks+1) // where the next one of the class before goes
	for i := range findings {
		next[class(&findings[i])+1]++
	}
	for c := range 2 * ranks {
		next[c+1] += next[c]
	}
	arranged := make([]match.Finding, len(findings))
	for i := range findings {
		c := class(&findings[i])
		arranged[next[c]] = findings[i]
		next[c]++
	}
	start := 0
	for _, end := range next[:2*ranks] {
		sortClass(arranged[start:end])
		start = end
	}
	return arranged
}

// sortClass sorts findings by package, installed version and id.
func sortClass(findings []match.Finding) {
	byID := func(a, b match.Finding) int { return strings.Compare(a.ID, b.ID) }
	if !slices.IsSortedFunc(findings, byPackage) {
		slices.SortStableFunc(findings, func(a, b match.Finding) int { return cmp.Or(byPackage(a, b), byID(a, b)) })
		return
	}
	for len(findings) > 0 {
		n := 1
		for n < len(findings) && byPackage(findings[0], findings[n]) == 0 {
			n++
		}
		slices.SortStableFunc(findings[:n], byID)
		findings = findings[n:]
	}
}

func byPackage(a, b match.Finding) int {
	if a.Package == b.Package {
		return 0
	}
	return cmp.Or(strings.Compare(a.Package.Name, b.Package.Name), strings.Compare(a.Package.Version, b.Package.Version))
}

// failures returns the rules by which the image fails.
func failures(in Input, findings []match.Finding) []verdict.Reason {
	o := in.Options
	by := make(map[string]int)
	unrated := 0
	for _, f := range findings {
		if f.Fails {
			by[f.Rule]++
			if f.Rule == verdict.RuleSeverity && f.Severity == verdict.Unrated {
				unrated++
			}
		}
	}
	var reasons []verdict.Reason
	if n := by[verdict.RuleMalicious]; n > 0 {
		reasons = append(reasons, verdict.Reason{
			Rule: verdict.RuleMalicious,
			Text: plural(n, "finding says", "findings say") + " that a package is malicious",
			Hint: "remove the package, and treat what the build had access to as disclosed",
		})
	}
	if n := by[verdict.RuleKnownExploited]; n > 0 {
		reasons = append(reasons, verdict.Reason{
			Rule: verdict.RuleKnownExploited,
			Text: plural(n, "finding is", "findings are") + " known to be exploited",
			Hint: "upgrade these packages first, and remove those that have no fix",
		})
	}
	if n := by[verdict.RuleSeverity]; n > 0 {
		text := plural(n, "finding", "findings") + " of severity " + string(o.FailOn) + orWorse(o.FailOn)
		if !o.FailOnUnfixed {
			text += form(n, " has a fix", " have a fix")
		}
		if unrated > 0 {
			text += fmt.Sprintf(" (%d unrated, counted as %s)", unrated, o.Unrated)
		}
		reasons = append(reasons, verdict.Reason{
			Rule: verdict.RuleSeverity,
			Text: text,
			Hint: "upgrade the packages, in the Dockerfile or by a newer base image",
		})
	}
	if o.FailOnEOL && in.Result.System.Ended {
		reasons = append(reasons, verdict.Reason{
			Rule: verdict.RuleEndOfLife,
			Text: ended(in.Result.System),
			Hint: "move to a release that still gets security updates",
		})
	}
	return reasons
}

// distrust returns the rules by which the answer says nothing about the image,
// the cause before what follows from it.
func distrust(in Input, parts []verdict.Part, evaluated int) []verdict.Reason {
	res := in.Result
	var reasons []verdict.Reason
	add := func(rule, text, hint string) {
		reasons = append(reasons, verdict.Reason{Rule: rule, Text: text, Hint: hint})
	}
	noData := in.Data.Records == 0
	if noData {
		add(verdict.RuleNoData, "the service holds no advisories at all", "import advisories into the service first")
	}
	unreadable := unreadable(in)
	if len(unreadable) > 0 {
		add(verdict.RuleUnreadable,
			"what says which packages are installed could not be read: "+some(unreadable),
			"run assay as a user who may read it, and see that the file is whole and was not emptied")
	}
	u := sumUp(parts, in.Options)
	switch {
	case res.Packages == 0 && res.System.ID == "":
		add(verdict.RuleNothing, "neither an operating system nor a package was recognised",
			"there is nothing to judge in an image without package data; scan the image that it is built from")
	case res.Packages == 0:
		add(verdict.RuleNothing, fmt.Sprintf("the system is %s, but not one package was recognised", system(res.System)),
			"the package database may have been removed from the image: scan before that; --no-os-packages needs at least one other package, such as a Go program")
	case u.systemMissing:
		add(verdict.RuleNoPackages, fmt.Sprintf("the system is %s, but none of its packages was found", system(res.System)),
			"the package database is missing, empty or of a kind that assay does not read; scan the stage that still has it")
	}
	if !noData {
		switch {
		case u.system > 0:
			add(verdict.RuleNoData, fmt.Sprintf("%s of the operating system cannot be evaluated: %s",
				plural(u.system, "package", "packages"), some(u.systemTexts)),
				"build on a system whose advisories the service holds, or import them")
		case u.systemNone > 0:
			add(verdict.RuleNoData, fmt.Sprintf("not one of %s of the operating system could be evaluated", plural(u.systemNone, "package", "packages")),
				"see the notes for the causes")
		}
		switch {
		case len(u.missing) > 0:
			text, hint := u.withoutData()
			add(verdict.RuleNoData, text, hint)
		case u.system == 0 && u.systemNone == 0 && res.Packages > 0 && evaluated == 0:
			add(verdict.RuleNoData, fmt.Sprintf("not one of %s could be evaluated", plural(res.Packages, "package", "packages")),
				"import advisories for what the image holds")
		}
	}
	if s := res.System; in.Options.FailOnEOL && s.ID != "" && s.EndOfLife == "" && !distro.Rolling(s.Ecosystem) {
		add(verdict.RuleEndUnknown, fmt.Sprintf("this service does not know until when %s has security support", system(s)),
			"build on a release whose end is known: docs/matching.md lists them")
	}
	if limit := int64(in.MaxAge / time.Second); in.MaxAge > 0 && !noData {
		const hint = "update the advisories of the service"
		switch {
		case in.Ahead > verdict.ClockSkew:
			add(verdict.RuleTooOld, fmt.Sprintf("the advisories are dated %s in the future, so their age is unknown", verdict.Age(int64(in.Ahead/time.Second))),
				"set the clock of the service, and update its advisories")
		case in.Data.Updated.IsZero():
			add(verdict.RuleTooOld, fmt.Sprintf("nobody knows how old the advisories are, and at most %s is trusted", verdict.Age(limit)), hint)
		case in.Data.Age > limit:
			add(verdict.RuleTooOld, fmt.Sprintf("the advisories are %s old, and at most %s is trusted", verdict.Age(in.Data.Age), verdict.Age(limit)), hint)
		}
	}
	if in.Options.Strict {
		gaps := len(in.ScanErrors) - len(unreadable)
		if gaps > 0 {
			add(verdict.RulePartial, plural(gaps, "file or directory", "files and directories")+" could not be read, which strict does not accept",
				"run assay as root, or leave out what does not matter with --skip")
		}
		if u.single > 0 {
			add(verdict.RulePartial, plural(u.single, "package", "packages")+" could not be evaluated, which strict does not accept",
				"see the notes for the causes")
		}
	}
	return reasons
}

func clean(c verdict.Counts) verdict.Reason {
	text := "no findings in " + plural(c.Packages, "package", "packages")
	if n := c.Packages - c.Evaluated; n > 0 {
		text = fmt.Sprintf("no findings in %d of %s; %s not evaluated",
			c.Evaluated, plural(c.Packages, "package", "packages"), plural(n, "is", "are"))
	}
	if c.Findings > 0 {
		text = form(c.Findings, "the one finding does not fail", fmt.Sprintf("none of the %d findings fails", c.Findings)) + " by the policy"
	}
	return verdict.Reason{Rule: verdict.RuleClean, Text: text}
}

// Notices returns what people should know of a result that changes nothing
// about the decision: an end of life.
func Notices(r match.Result) []string {
	if r.System.Ended {
		return []string{ended(r.System) + ", so vulnerabilities found since then are missing"}
	}
	return nil
}
