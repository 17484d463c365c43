package api

import (
	"fmt"
	"time"

	"assay/verdict"
)

// The causes of a degraded service.
const (
	CauseStale  = "data-old"
	CauseUnkept = "not-kept"
	CauseUpdate = "update-failed"
	CauseBehind = "not-served"
	// Records or lists that this version cannot read.
	CauseUnreadable = "records-unreadable"
	CauseEmpty      = "no-data"
)

// Causes returns the rules of all causes.
func Causes() []string {
	return []string{CauseStale, CauseUnkept, CauseUpdate, CauseBehind, CauseUnreadable, CauseEmpty}
}

// Stale returns how close the data is to the age at which it is no longer trusted: step 1
// from half of maxAge on, 2 from three quarters on, and 3 if it is not trusted. The step
// is 0 without data, and if data of any age is trusted.
func Stale(d verdict.Data, maxAge time.Duration, now time.Time) (step int, cause Cause) {
	if maxAge <= 0 || d.Records == 0 {
		return 0, Cause{}
	}
	age := now.Sub(d.Updated)
	text := fmt.Sprintf("the advisories were last updated %s ago, and are not trusted after %s", inWords(age), inWords(maxAge))
	switch {
	case d.Updated.IsZero():
		step, text = 3, "the time of the last update of the advisories is unknown"
	case age < -verdict.ClockSkew:
		step, text = 3, fmt.Sprintf("the advisories are dated %s in the future, and are not trusted: a clock is wrong", inWords(-age))
	case age > maxAge:
		step = 3
	case age >= maxAge*3/4:
		step = 2
	case age >= maxAge/2:
		step = 1
	default:
		return 0, Cause{}
	}
	return step, Cause{CauseStale, text}
}

func inWords(d time.Duration) string { return verdict.Age(int64(d / time.Second)) }
