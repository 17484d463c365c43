package image

import (
	"strings"

	"assay/verdict"
)

// Distrust returns why a verdict is not trusted, or an empty string if it is.
func Distrust(v verdict.Verdict) string {
	return reasons(v, func(string) bool { return true })
}

// Unread returns why the inventory of an image is not complete, or an empty string if it is.
// What it does not say is whether the data is complete.
func Unread(v verdict.Verdict) string {
	return reasons(v, func(rule string) bool {
		switch rule {
		case verdict.RuleNothing, verdict.RuleNoPackages, verdict.RuleUnreadable, verdict.RulePartial:
			return true
		}
		return false
	})
}

func reasons(v verdict.Verdict, wanted func(rule string) bool) string {
	var list []string
	for _, r := range v.Decision.Reasons {
		if r.Untrusted() && wanted(r.Rule) {
			list = append(list, r.Text)
		}
	}
	return strings.Join(list, "; ")
}
