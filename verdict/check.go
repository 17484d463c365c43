package verdict

import (
	"errors"
	"fmt"
	"slices"
)

// Check returns an error if the verdict contradicts itself: a pass with failing findings,
// counts that do not add up, a decision without a reason. Such a verdict comes from a
// faulty service, or something changed it on the way. Check does not decide again.
func (v Verdict) Check() error {
	if err := v.checkDecision(); err != nil {
		return err
	}
	if err := v.checkFindings(); err != nil {
		return err
	}
	if err := v.checkRatchet(); err != nil {
		return err
	}
	if err := v.checkEvaluated(); err != nil {
		return err
	}
	if v.Decision.Outcome == Pass {
		return v.checkPass()
	}
	return nil
}

// Distrusted returns the verdict with the outcome untrusted. err is the error of Check.
func (v Verdict) Distrusted(err error) Verdict {
	reason := Reason{
		Rule: RuleContradiction,
		Text: "the verdict contradicts itself: " + err.Error(),
		Hint: "check that the address is that of assayd, in the version of this client, and that nothing in between changes its answers; see the log of the service",
	}
	// Keep the reasons that are not those of a pass.
	var reasons []Reason
	for _, r := range v.Decision.Reasons {
		if codeOf(r.Rule) != CodePass {
			reasons = append(reasons, r)
		}
	}
	v.Decision = Decision{Outcome: Untrusted, Code: CodeUntrusted, Reasons: append([]Reason{reason}, reasons...)}
	return v
}

func (v Verdict) checkDecision() error {
	d := v.Decision
	code := d.Outcome.Code()
	switch {
	case code < 0:
		return fmt.Errorf("the outcome %q is unknown", clean(string(d.Outcome), 20))
	case code != d.Code:
		return fmt.Errorf("outcome %q with code %d", d.Outcome, d.Code)
	case len(d.Reasons) == 0:
		return fmt.Errorf("outcome %q without a reason", d.Outcome)
	}
	for i, r := range d.Reasons {
		switch of := codeOf(r.Rule); {
		case r.Rule == "":
			return errors.New("a reason without a rule")
		case of < 0:
		case i == 0 && of != code, of > code, of == CodePass && code != CodePass:
			return fmt.Errorf("outcome %q by the rule %q", d.Outcome, r.Rule)
		}
	}
	return nil
}

func (v Verdict) checkFindings() error {
	c := v.Counts
	if err := v.checkBaseline(); err != nil {
		return err
	}
	failing, malicious := 0, 0
	for _, f := range v.Findings {
		if f.Fails {
			failing++
		}
		if f.Malicious {
			malicious++
		}
		if err := v.checkFinding(f); err != nil {
			return fmt.Errorf("finding %q of package %q: %w", clean(f.ID, 40), clean(f.Package.Name, 50), err)
		}
	}
	folded := c.Kernel
	if v.Options.Kernel {
		folded = 0
	}
	rated := 0
	for _, n := range c.BySeverity {
		if n < 0 {
			return errors.New("a negative number of findings")
		}
		rated += n
	}
	switch {
	case min(c.Packages, c.Evaluated, c.Findings, c.Failing, c.Fixable, c.Kernel) < 0:
		return errors.New("a negative number in the counts")
	case c.Findings != len(v.Findings)+folded:
		return fmt.Errorf("%d findings are counted and the verdict has %d", c.Findings, len(v.Findings)+folded)
	case c.Failing != failing:
		return fmt.Errorf("%d failing findings are counted and the verdict has %d", c.Failing, failing)
	case rated != c.Findings:
		return fmt.Errorf("the findings by severity add up to %d of %d", rated, c.Findings)
	case c.Fixable > c.Findings:
		return fmt.Errorf("%d of %d findings have a fix", c.Fixable, c.Findings)
	case v.Decision.Outcome == Pass && failing > 0:
		return fmt.Errorf("outcome %q with %d failing findings", Pass, failing)
	case v.Decision.Outcome == Fail && failing == 0 && failsFinding(v.Decision.Reasons[0].Rule):
		return fmt.Errorf("outcome %q by the rule %q without a failing finding", Fail, v.Decision.Reasons[0].Rule)
	}
	return nil
}

// checkFinding compares a finding with the rule that decided on it.
func (v Verdict) checkFinding(f Finding) error {
	fails := failsFinding(f.Rule)
	passes := slices.Contains(PassingRules(), f.Rule)
	switch {
	case f.Rule == "":
		return errors.New("no rule decided on it")
	case f.Fails && passes, !f.Fails && fails:
		return fmt.Errorf("fails is %t by the rule %q", f.Fails, f.Rule)
	case f.Malicious && !f.Fails:
		return errors.New("it is malicious and does not fail")
	}
	return v.checkRule(f)
}

// checkRule compares a finding with what its rule needs.
func (v Verdict) checkRule(f Finding) error {
	below, options := f.Severity, v.Options.For(f.Origin)
	if below == Unrated {
		below = options.Unrated
	}
	switch {
	case f.Rule == RuleUnfixed && f.Fixed != "":
		return fmt.Errorf("the rule %q with the fix %q", f.Rule, clean(f.Fixed, 40))
	case f.Rule == RuleBelow && below.Rank() >= 0 && below.Rank() <= options.FailOn.Rank():
		return fmt.Errorf("severity %q by the rule %q", below, f.Rule)
	case f.Rule == RuleBelow && options.FailOnEPSS > 0 && f.EPSS >= options.FailOnEPSS:
		return fmt.Errorf("EPSS of %g by the rule %q", f.EPSS, f.Rule)
	}
	return v.checkGrounds(f)
}

// checkGrounds returns an error if the rule of a finding needs grounds that are not there.
func (v Verdict) checkGrounds(f Finding) error {
	switch {
	case (f.Rule == RuleAccepted || f.Rule == RuleVEX) && f.Written == "":
		return fmt.Errorf("the rule %q without the place where it is written", f.Rule)
	case f.Rule == RuleGrace && (v.Options.Grace <= 0 || f.Until == nil || f.KnownExploited):
		return fmt.Errorf("the rule %q without a grace", f.Rule)
	case f.Rule == RuleRatchet && (v.Ratchet == nil || v.Ratchet.Scan == "" || f.Until == nil || f.KnownExploited):
		return fmt.Errorf("the rule %q without a reference or a grace", f.Rule)
	}
	return nil
}

// checkBaseline compares the origins of the findings with the baseline: a finding may count
// as one of the base image only if there is one.
func (v Verdict) checkBaseline() error {
	var count Baseline
	for _, f := range v.Findings {
		count.Count(f.Origin, f.Fails)
		switch known := v.Baseline != nil && v.Baseline.Error == ""; {
		case known && f.Origin != OriginBase && f.Origin != OriginOwn, !known && f.Origin != "":
			return fmt.Errorf("finding %q has the origin %q", clean(f.ID, 40), clean(f.Origin, 20))
		}
	}
	if b := v.Baseline; b != nil && (b.Own != count.Own || b.OwnFailing != count.OwnFailing || b.Base != count.Base || b.BaseFailing != count.BaseFailing) {
		return fmt.Errorf("%d own findings and %d of the base image are counted, and the verdict has %d and %d", b.Own, b.Base, count.Own, count.Base)
	}
	return nil
}

// Count counts a finding.
func (b *Baseline) Count(origin string, fails bool) {
	n := 0
	if fails {
		n = 1
	}
	switch origin {
	case OriginOwn:
		b.Own++
		b.OwnFailing += n
	case OriginBase:
		b.Base++
		b.BaseFailing += n
	}
}

// checkRatchet compares what the ratchet counted with the findings.
func (v Verdict) checkRatchet() error {
	r := v.Ratchet
	if r == nil {
		return nil
	}
	waiting := 0
	for _, f := range v.Findings {
		if f.Rule == RuleRatchet {
			waiting++
		}
	}
	switch {
	case min(r.Introduced, r.Known, r.InGrace, r.Overdue) < 0 || r.InGrace+r.Overdue > r.Known || r.Introduced+r.Known > v.Counts.Findings:
		return fmt.Errorf("the ratchet counts %d introduced and %d known findings, %d of these in their grace and %d overdue", r.Introduced, r.Known, r.InGrace, r.Overdue)
	case r.InGrace != waiting:
		return fmt.Errorf("the ratchet counts %d findings in their grace and the verdict has %d", r.InGrace, waiting)
	case r.Scan == "" && r.Known > 0:
		return fmt.Errorf("the ratchet counts %d known findings without a reference", r.Known)
	}
	return nil
}

// checkEvaluated compares the parts of the image with the counts.
func (v Verdict) checkEvaluated() error {
	packages, evaluated := 0, 0
	for _, p := range v.Evaluated {
		most := 0
		for _, c := range p.Causes {
			most = max(most, c.Packages)
		}
		switch {
		case min(p.Packages, p.Evaluated) < 0 || p.Evaluated > p.Packages || most > p.Packages:
			return fmt.Errorf("%d of %d packages of %q are evaluated", p.Evaluated, p.Packages, p.name())
		case p.State != p.StateOf():
			return fmt.Errorf("%q is %q with %d of %d packages evaluated", p.name(), clean(p.State, 20), p.Evaluated, p.Packages)
		case p.State != Evaluated && len(p.Causes) == 0:
			return fmt.Errorf("%q is %q without a cause", p.name(), p.State)
		}
		packages += p.Packages
		evaluated += p.Evaluated
	}
	switch {
	case packages != v.Counts.Packages:
		return fmt.Errorf("the parts have %d of %d packages", packages, v.Counts.Packages)
	case evaluated != v.Counts.Evaluated:
		return fmt.Errorf("%d packages are evaluated by the parts and %d by the counts", evaluated, v.Counts.Evaluated)
	}
	return nil
}

func (p Part) name() string {
	name := p.Ecosystem
	if name == "" {
		name = p.Type
	}
	if name == "" {
		name = p.Part
	}
	return clean(name, 40)
}

// checkPass returns an error if a pass leaves something open that no pass may.
func (v Verdict) checkPass() error {
	switch {
	case v.Data.Records <= 0:
		return fmt.Errorf("outcome %q without advisories", Pass)
	case v.Counts.Evaluated == 0:
		return fmt.Errorf("outcome %q without an evaluated package", Pass)
	case v.Options.Strict && (v.Counts.Evaluated != v.Counts.Packages || len(v.ScanErrors) > 0):
		return fmt.Errorf("outcome %q under strict, with %d of %d packages evaluated and %d places not read",
			Pass, v.Counts.Evaluated, v.Counts.Packages, len(v.ScanErrors))
	case v.Options.FailOnEOL && v.System.Ended:
		return fmt.Errorf("outcome %q on a system whose support has ended", Pass)
	}
	if b := v.Baseline; b != nil && b.Error != "" {
		return fmt.Errorf("outcome %q although the baseline %s could not be read", Pass, clean(b.Name(), 60))
	}
	if file := v.unread(); file != "" {
		return fmt.Errorf("outcome %q although %s could not be read", Pass, clean(file, 60))
	}
	for _, p := range v.Evaluated {
		for _, c := range p.Causes {
			if v.forbids(p, c) {
				return fmt.Errorf("outcome %q although %q was not evaluated (%s)", Pass, p.name(), c.Cause)
			}
		}
		if p.Part == PartSystem && p.Packages > 0 && p.Evaluated == 0 {
			return fmt.Errorf("outcome %q although no package of the operating system was evaluated", Pass)
		}
	}
	system := slices.ContainsFunc(v.Evaluated, func(p Part) bool { return p.Part == PartSystem })
	if v.System.ID != "" && !system {
		return fmt.Errorf("outcome %q without the packages of %s", Pass, clean(v.System.ID, 40))
	}
	return nil
}

// unread returns a file that forbids a pass because it could not be read, or "".
func (v Verdict) unread() string {
	for _, e := range v.Exceptions {
		if e.Error != "" {
			return e.File
		}
	}
	for _, e := range v.ScanErrors {
		if e.Kind == "database" || e.Kind == "system" {
			return "/" + e.Path
		}
	}
	return ""
}

// forbids reports whether a cause of a part forbids a pass under the options of v.
func (v Verdict) forbids(p Part, c PartCause) bool {
	switch c.Cause {
	case CauseSystem, CauseUnreadable, CauseType, CauseOld:
		return true
	case CauseMissing:
		return !v.Options.NoOSPackages
	case CauseWithout:
		return !slices.Contains(v.Without, p.Ecosystem)
	}
	return false
}
