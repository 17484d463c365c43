package report

import "assay/verdict"

// Passed reports whether the scan passed. A reader may take no other one for clean.
func (s Scan) Passed() bool { return s.Verdict.Decision.Outcome == verdict.Pass }

// Causes returns the reasons of a scan that did not pass that no finding shows: why its
// answer is untrusted, or that the system is out of support. It is never empty if the scan
// did not pass and no finding fails.
func (s Scan) Causes() []verdict.Reason {
	if s.Passed() {
		return nil
	}
	var causes []verdict.Reason
	for _, r := range s.Verdict.Decision.Reasons {
		if r.Rule == verdict.RuleEndOfLife || !aboutImage(r.Rule) {
			causes = append(causes, r)
		}
	}
	if len(causes) > 0 || s.Verdict.Decision.Outcome == verdict.Fail && s.failing() {
		return causes
	}
	return []verdict.Reason{{Rule: string(verdict.Untrusted), Text: "the scan could not be evaluated"}}
}

func (s Scan) failing() bool {
	for _, f := range s.Verdict.Findings {
		if f.Fails {
			return true
		}
	}
	return false
}
