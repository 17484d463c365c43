// Package lifetime reads and writes durations that may have days.
package lifetime

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Duration may have days of 24 hours in its text: "30d", "1d12h". It can be the value of
// a flag.
type Duration time.Duration

// maxDays bounds both the days and the rest, so that their sum fits a time.Duration.
const maxDays = 36_500

var errInvalid = errors.New("not a duration such as 30d, 12h or 90m")

// Set parses s. It changes nothing if s is invalid.
func (l *Duration) Set(s string) error {
	days, rest, found := strings.Cut(s, "d")
	if !found {
		days, rest = "0", s
	}
	n, err := strconv.ParseUint(days, 10, 32)
	if err != nil || n > maxDays {
		return errInvalid
	}
	var more time.Duration
	if rest != "" || !found {
		if more, err = time.ParseDuration(rest); err != nil || more < 0 || more > maxDays*24*time.Hour {
			return errInvalid
		}
	}
	*l = Duration(time.Duration(n)*24*time.Hour + more)
	return nil
}

// String returns an empty text for zero.
func (l *Duration) String() string {
	d := time.Duration(*l)
	if d == 0 {
		return ""
	}
	if d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	return d.String()
}
