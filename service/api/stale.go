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

// Stale tells how near the data is to the age from which it is not trusted any more:
// step 1 from half of maxAge on, 2 from three quarters on, 3 where it is not trusted.
// A service without data, or that trusts data of any age, is at step 0.
func Stale(d verdict.Data, maxAge time.Duration, now time.Time) (step int, cause Cause) {
	if maxAge <= 0 || d.Records == 0 {
		return 0, Cause{}
	}
	age := now.Sub(d.Updated)
	text := fmt.Sprintf("the advisories were last updated %s ago, and are not trusted after %s", inWords(age), inWords(maxAge))
	switch {
	case d.Updated.IsZero():
		step, text = 3, "it is not known when the advisories were last updated"
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
