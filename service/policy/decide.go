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

// Input is what a decision is based on.
type Input struct {
	Result     match.Result
	ScanErrors []inventory.ScanError // what the client could not read
	Data       verdict.Data
	MaxAge     time.Duration // older data is not trusted; zero means any age
	Ahead      time.Duration // how far in the future the data is dated
	Options    verdict.Options
	Now        time.Time
	// Exceptions accept findings. Decide records in them which entries it used. They may
	// be nil.
	Exceptions *Exceptions
	// Ratchet gives known findings a grace. Decide counts in it. It may be nil.
	Ratchet *Ratchet
	// Baseline tells findings of the base image apart. Decide counts in it. It may be nil.
	Baseline *Baseline
	// Without lists the ecosystems for which the service may lack advisories.
	Without []string
}

// Decide decides a scan. It returns the findings in the order of a verdict, each with
// the rule that decided on it. All findings are counted. Findings of kernel packages are
// returned only if the options ask for them or if they fail.
//
// An untrusted answer (code 5) takes precedence over failing findings (code 4), because
// --continue-on-failure turns only code 4 into a success: a scan that saw half of the
// image must never pass. The failing findings are still returned, and are among the
// reasons.
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
	var of *verdict.Package // the findings of a package follow each other
	origin := ""
	for _, f := range in.Result.Findings {
		if f.Package != of {
			of, origin = f.Package, in.Baseline.origin(f.Package)
		}
		f.Origin = origin
		f.Fails, f.Rule, f.Grounds = decide(f, in)
		counts.BySeverity[f.Severity]++
		if f.Fails {
			counts.Failing++
		}
		if f.Fixed != "" {
			counts.Fixable++
		}
		folded := f.Kernel && !in.Options.Kernel && !f.Fails
		if folded || f.Kernel && in.Options.Kernel {
			counts.Kernel++
		}
		if !folded {
			in.Baseline.count(f.Origin, f.Fails)
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

// arrange returns findings in the order of a verdict: failing ones first, then by
// severity, package, installed version and id. The findings come sorted by package and
// version, so after a counting sort by failure and severity little is left to sort.
func arrange(findings []match.Finding) []match.Finding {
	ranks := len(verdict.Severities()) + 1 // rank 0 is for an unknown severity
	class := func(f *match.Finding) int {
		if f.Fails {
			return f.Severity.Rank() + 1
		}
		return f.Severity.Rank() + 1 + ranks
	}
	next := make([]int, 2*ranks+1) // next[c] is the place of the next finding of class c
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

// forbiddenBy says by which rule of the service findings are forbidden, and how many more
// rules there are.
func forbiddenBy(findings []match.Finding) string {
	var rules []string
	for _, f := range findings {
		if f.Rule != verdict.RuleForbidden || f.Grounds == nil {
			continue
		}
		if text := f.Grounds.Text(); !slices.Contains(rules, text) {
			rules = append(rules, text)
		}
	}
	if len(rules) == 0 {
		return ""
	}
	text := rules[0]
	if n := len(rules) - 1; n > 0 {
		text += " and " + plural(n, "more rule", "more rules")
	}
	return text
}

// failures returns the reasons for which the image fails.
func failures(in Input, findings []match.Finding) []verdict.Reason {
	by := make(map[string]int)
	for _, f := range findings {
		if f.Fails {
			by[f.Rule]++
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
	if n := by[verdict.RuleForbidden]; n > 0 {
		reasons = append(reasons, verdict.Reason{
			Rule: verdict.RuleForbidden,
			Text: plural(n, "finding is", "findings are") + " forbidden by the policy of the service" + forbiddenBy(findings),
			Hint: "upgrade or remove these packages; the verdict names the line of the policy",
		})
	}
	if n := by[verdict.RuleKnownExploited]; n > 0 {
		reasons = append(reasons, verdict.Reason{
			Rule: verdict.RuleKnownExploited,
			Text: plural(n, "finding is", "findings are") + " known to be exploited",
			Hint: "upgrade these packages first, and remove those that have no fix",
		})
	}
	reasons = append(reasons, overThreshold(in, findings)...)
	if in.Options.FailOnEOL && in.Result.System.Ended {
		reasons = append(reasons, verdict.Reason{
			Rule: verdict.RuleEndOfLife,
			Text: ended(in.Result.System) + ", and fail-on-eol is set",
			Hint: newer(in.Result.System, in.Now),
		})
	}
	return reasons
}

// An over counts the findings that are at or above the thresholds.
type over struct {
	severe, unrated int // unrated are of the severe ones
	probable        int
}

func (o *over) count(f match.Finding) {
	switch f.Rule {
	case verdict.RuleSeverity:
		o.severe++
		if f.Severity == verdict.Unrated {
			o.unrated++
		}
	case verdict.RuleEPSS:
		o.probable++
	}
}

// overThreshold returns the reasons that findings are at or above the thresholds. If those of
// the base image have thresholds of their own, they have reasons of their own.
func overThreshold(in Input, findings []match.Finding) []verdict.Reason {
	var all, base over
	for _, f := range findings {
		switch {
		case !f.Fails:
		case f.Origin == verdict.OriginBase && in.Options.FailOnBase != "":
			base.count(f)
		default:
			all.count(f)
		}
	}
	reasons := all.reasons(in.Options, "")
	return append(reasons, base.reasons(in.Options.For(verdict.OriginBase), " of the base image")...)
}

func (o over) reasons(options verdict.Options, of string) []verdict.Reason {
	const hint = "upgrade the packages in the Dockerfile, or use a newer base image"
	fix := func(n int) string {
		if options.FailOnUnfixed {
			return ""
		}
		return form(n, " has a fix", " have a fix")
	}
	var reasons []verdict.Reason
	if n := o.severe; n > 0 {
		text := plural(n, "finding", "findings") + of + " of severity " + string(options.FailOn) + orWorse(options.FailOn) + fix(n)
		if o.unrated > 0 {
			text += fmt.Sprintf(" (%d unrated, counted as %s)", o.unrated, options.Unrated)
		}
		reasons = append(reasons, verdict.Reason{Rule: verdict.RuleSeverity, Text: text, Hint: hint})
	}
	if n := o.probable; n > 0 {
		reasons = append(reasons, verdict.Reason{
			Rule: verdict.RuleEPSS,
			Text: fmt.Sprintf("%s%s of EPSS %g or more%s", plural(n, "finding", "findings"), of, options.FailOnEPSS, fix(n)),
			Hint: hint,
		})
	}
	return reasons
}

// distrust returns the reasons for which the answer says nothing about the image. A cause
// comes before its consequences.
func distrust(in Input, parts []verdict.Part, evaluated int) []verdict.Reason {
	reasons := append(in.Exceptions.unread(), in.Baseline.unread()...)
	noData := in.Data.Records == 0
	if noData {
		reasons = append(reasons, verdict.Reason{
			Rule: verdict.RuleNoData,
			Text: "the service holds no advisories at all",
			Hint: "import advisories into the service first",
		})
	}
	reasons = append(reasons, notRead(in)...)
	u := sumUp(parts, in.Options)
	reasons = append(reasons, notRecognised(in.Result, u)...)
	if !noData {
		reasons = append(reasons, notEvaluated(in.Result, u, evaluated)...)
	}
	if s := in.Result.System; in.Options.FailOnEOL && s.ID != "" && s.EndOfLife == "" && !distro.Rolling(s.Ecosystem) {
		reasons = append(reasons, verdict.Reason{
			Rule: verdict.RuleEndUnknown,
			Text: fmt.Sprintf("this service does not know when security support for %s ends", system(s)),
			Hint: "build on a release in the list of docs/matching.md, which says when support ends",
		})
	}
	if !noData {
		reasons = append(reasons, tooOld(in)...)
		reasons = append(reasons, noScores(in)...)
	}
	if in.Options.Strict {
		reasons = append(reasons, incomplete(len(in.ScanErrors)-len(unreadable(in)), u.single)...)
	}
	return reasons
}

// notRead returns a reason for package databases, and one for os-release files, that could not
// be read or contradict what is installed. Both name the causes.
func notRead(in Input) []verdict.Reason {
	var databases, systems []string
	for _, p := range in.ScanErrors {
		place := fmt.Sprintf("/%s (%s)", p.Path, p.Err)
		switch p.Kind {
		case inventory.KindDatabase:
			databases = append(databases, place)
		case inventory.KindSystem:
			systems = append(systems, place)
		}
	}
	var reasons []verdict.Reason
	if len(databases) > 0 {
		reasons = append(reasons, verdict.Reason{
			Rule: verdict.RuleUnreadable,
			Text: "the list of installed packages could not be read: " + some(databases),
			Hint: "run assay as a user who may read the package database, and check that it is complete and not empty",
		})
	}
	if len(systems) > 0 {
		reasons = append(reasons, verdict.Reason{
			Rule: verdict.RuleUnreadable,
			Text: "it is not certain which system this is: " + some(systems),
			Hint: "os-release must be readable, and name the system whose packages are installed",
		})
	}
	return reasons
}

// notRecognised returns a reason if the image has no packages, or none of its system.
func notRecognised(res match.Result, u unevaluated) []verdict.Reason {
	switch {
	case res.Packages == 0 && res.System.ID == "":
		return []verdict.Reason{{
			Rule: verdict.RuleNothing,
			Text: "neither an operating system nor a package was recognised",
			Hint: "an image without package data cannot be evaluated; scan the image that it is built from",
		}}
	case res.Packages == 0:
		return []verdict.Reason{{
			Rule: verdict.RuleNothing,
			Text: fmt.Sprintf("the system is %s, but no package was recognised", system(res.System)),
			Hint: "the package database may have been removed from the image: scan before that; --no-os-packages needs at least one other package, such as a Go program",
		}}
	case u.systemMissing:
		return []verdict.Reason{{
			Rule: verdict.RuleNoPackages,
			Text: fmt.Sprintf("the system is %s, but none of its packages was found", system(res.System)),
			Hint: "the package database is missing, empty or of a kind that assay does not read; scan the stage that still has it",
		}}
	}
	return nil
}

// notEvaluated returns reasons for a system or an ecosystem without advisories, and for
// an image of which no package could be evaluated.
func notEvaluated(res match.Result, u unevaluated, evaluated int) []verdict.Reason {
	var reasons []verdict.Reason
	add := func(text, hint string) {
		reasons = append(reasons, verdict.Reason{Rule: verdict.RuleNoData, Text: text, Hint: hint})
	}
	switch {
	case u.system > 0:
		add(fmt.Sprintf("%s of the operating system cannot be evaluated: %s", plural(u.system, "package", "packages"), some(u.systemTexts)),
			"build on a system whose advisories the service holds, or import them")
	case u.systemNone > 0:
		add(fmt.Sprintf("none of %s of the operating system could be evaluated", plural(u.systemNone, "package", "packages")),
			"the notes name the causes")
	}
	switch {
	case len(u.missing) > 0:
		add(u.withoutData())
	case u.system == 0 && u.systemNone == 0 && !u.old && res.Packages > 0 && evaluated == 0:
		add(fmt.Sprintf("none of %s could be evaluated", plural(res.Packages, "package", "packages")),
			"the notes say which advisories are missing: assayd update fetches them, and assayd import takes your own")
	}
	return reasons
}

// incomplete returns the reasons of the option strict for files that could not be read
// and packages that could not be evaluated.
func incomplete(files, packages int) []verdict.Reason {
	var reasons []verdict.Reason
	if files > 0 {
		reasons = append(reasons, verdict.Reason{
			Rule: verdict.RulePartial,
			Text: plural(files, "file or directory", "files and directories") + " could not be read, which strict does not accept",
			Hint: "run assay as root, or leave out what does not matter with --skip",
		})
	}
	if packages > 0 {
		reasons = append(reasons, verdict.Reason{
			Rule: verdict.RulePartial,
			Text: plural(packages, "package", "packages") + " could not be evaluated, which strict does not accept",
			Hint: "the notes name the causes",
		})
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

// Notices returns sentences for people that do not change the decision: that security
// support has ended.
func Notices(r match.Result) []string {
	if r.System.Ended {
		return []string{ended(r.System) + ", so vulnerabilities found since then are missing"}
	}
	return nil
}
