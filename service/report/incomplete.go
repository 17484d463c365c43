package report

import (
	"cmp"
	"fmt"
	"strings"

	"assay/verdict"
)

// A Gap is something that a scan did not evaluate, or a reason not to trust its answer.
type Gap struct {
	// Rule is a stable word: the rule of a decision, "not-evaluated", "scan-error" or
	// "sample".
	Rule string
	Text string // one sentence, from outside: a format escapes it
}

// The rules of gaps that are not rules of a decision.
const (
	GapPart  = "not-evaluated" // packages of a part were not compared with all advisories
	GapError = "scan-error"    // the client could not read something
	GapData  = "sample"        // the advisories are a small set for demonstration
)

// maxScanErrors bounds the scan errors that Incomplete names.
const maxScanErrors = 100

// Incomplete says what the scan did not evaluate. It is empty if the answer is trusted and
// about everything in the image. A report with gaps must not look like that of a clean image.
func (s Scan) Incomplete() []Gap {
	var gaps []Gap
	v := s.Verdict
	if v.Decision.Outcome != verdict.Pass && v.Decision.Outcome != verdict.Fail {
		for _, r := range v.Decision.Reasons {
			if !aboutImage(r.Rule) {
				gaps = append(gaps, Gap{r.Rule, r.Text})
			}
		}
		if len(gaps) == 0 {
			gaps = append(gaps, Gap{string(verdict.Untrusted), "the scan could not be evaluated"})
		}
	}
	for _, p := range v.Evaluated {
		if p.State != verdict.Evaluated {
			gaps = append(gaps, Gap{GapPart, partText(p)})
		}
	}
	for i, e := range v.ScanErrors {
		if i == maxScanErrors {
			gaps = append(gaps, Gap{GapError, fmt.Sprintf("%d more files or directories could not be read", len(v.ScanErrors)-i)})
			break
		}
		gaps = append(gaps, Gap{GapError, fmt.Sprintf("/%s could not be read: %s", e.Path, e.Err)})
	}
	if v.Data.Sample {
		gaps = append(gaps, Gap{GapData, "the service holds a small sample of advisories for demonstration"})
	}
	return gaps
}

// aboutImage reports whether a rule of a decision says that the image fails. All others say
// why an answer is untrusted, and so may a new one.
func aboutImage(rule string) bool {
	switch rule {
	case verdict.RuleSeverity, verdict.RuleKnownExploited, verdict.RuleMalicious, verdict.RuleEPSS,
		verdict.RuleForbidden, verdict.RuleEndOfLife, verdict.RuleClean:
		return true
	}
	return false
}

func partText(p verdict.Part) string {
	var causes []string
	for _, c := range p.Causes {
		causes = append(causes, c.Text)
	}
	text := fmt.Sprintf("%s: %d of %d packages evaluated", cmp.Or(p.Ecosystem, p.Type, p.Part), p.Evaluated, p.Packages)
	if len(causes) > 0 {
		text += "; " + strings.Join(causes, "; ")
	}
	return text
}
