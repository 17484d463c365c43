package explain

import (
	"fmt"
	"slices"
	"strings"

	"assay/verdict"
)

// reason returns the explanation in one sentence.
func reason(e Explanation, folded bool) string {
	if e.Found {
		failing := 0
		for _, f := range e.Findings {
			if f.Fails {
				failing++
			}
		}
		switch {
		case failing == 0 && e.Findings[0].Rule == verdict.RuleNotLinked:
			why := e.Findings[0].Why
			return "a finding of this scan that does not fail it: " + why[max(0, strings.LastIndex(why, "; ")+2):]
		case failing == 0:
			return fmt.Sprintf("a finding of this scan that does not fail it, by the rule %q", e.Findings[0].Rule)
		case failing == len(e.Findings):
			return fmt.Sprintf("a finding of this scan that fails it, by the rule %q", e.Findings[0].Rule)
		}
		return fmt.Sprintf("a finding of this scan that fails it in %d of %d packages", failing, len(e.Findings))
	}
	if folded {
		return "a finding of kernel packages, which are counted and not listed, because an image does not run its kernel"
	}
	if len(e.Records) == 0 {
		return "no record of the service is about it"
	}
	states := map[string]int{}
	outcomes := map[string]int{}
	why := map[string]string{} // of the first package
	for _, r := range e.Records {
		states[r.State]++
		for _, a := range r.Affected {
			for _, p := range a.Packages {
				if r.State == StateLater {
					outcomes[StateLater+p.Outcome]++
					continue
				}
				if outcomes[p.Outcome]++; outcomes[p.Outcome] == 1 {
					why[p.Outcome] = p.Why
				}
			}
		}
	}
	// From the most to the least informative outcome.
	for _, o := range []struct{ outcome, text string }{
		{Matches, "no finding when the scan was decided; by the rules of this version it would be one"},
		{StateLater + Matches, "no finding when the scan was decided: the record came later; a new scan would find it"},
		{Overruled, "no finding: the record of it that counts says that the package is not affected"},
		{NotComparable, "unknown: a version cannot be compared"},
		{JudgedByOwner, "no finding: " + why[JudgedByOwner]},
		{NotAffected, "no finding: the installed version is not affected"},
		{NotApplicable, "no finding: " + why[NotApplicable]},
		{NotJudged, "unknown: the package was not evaluated"},
		{OtherRelease, "no finding: what is known is about another release"},
		{NotUsed, "no finding: the records of the package are withdrawn, or notices"},
		{OtherEcosystem, "no finding: what is known is about another package of that name"},
	} {
		if outcomes[o.outcome] > 0 {
			return o.text
		}
	}
	switch n := len(e.Records); {
	case states[StateWithdrawn] == n:
		return "no finding: what was known was withdrawn"
	case states[StateRemoved] == n:
		return "no finding: what was known is no longer published"
	}
	return "no finding: " + notInImage(e)
}

// notInImage is the reason where the records are about packages that the image does not
// have. It says which where they are found only by what they name as related.
func notInImage(e Explanation) string {
	const none = "none of the packages that it is about is in the image"
	if slices.ContainsFunc(e.Records, func(r Record) bool { return r.Related == "" }) {
		return none
	}
	r := e.Records[0]
	about := strings.Join(r.Elsewhere[:min(len(r.Elsewhere), 3)], ", ")
	switch more := r.ElsewhereCount - 3; {
	case about == "":
		return none
	case more > 0:
		about += fmt.Sprintf(" and %d more", more)
	}
	text := fmt.Sprintf("the record %s names %s as related; it is about %s, not in this image", r.ID, r.Related, about)
	if more := len(e.Records) + e.More - 1; more > 0 {
		text += fmt.Sprintf("; so do %d more records", more)
	}
	return text
}
