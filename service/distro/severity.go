package distro

import (
	"strings"

	"assay/verdict"
)

// Severity returns the severity of a word with which distributions and databases
// rate, in any case. Other words are unrated.
func Severity(word string) verdict.Severity {
	switch strings.ToLower(word) {
	case "critical":
		return verdict.Critical
	case "high", "important": // Red Hat and others
		return verdict.High
	case "medium", "moderate": // Red Hat and others
		return verdict.Medium
	case "low":
		return verdict.Low
	case "negligible", "unimportant": // Ubuntu, Debian
		return verdict.Negligible
	}
	return verdict.Unrated
}

// Assigned reports whether a word of a tracker rates a vulnerability or says what the
// distribution will do about it.
func Assigned(word string) bool { return word != "" && word != "not yet assigned" }

// WontFix reports whether a word says that the distribution will not fix a
// vulnerability that its package has.
func WontFix(word string) bool {
	switch word {
	case "end-of-life", "ignored", "wont-fix", "will not fix":
		return true
	}
	return false
}
