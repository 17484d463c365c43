package verdict

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// A threshold is the value of fail-on: a severity, a probability of exploitation, or both.
type threshold struct {
	severity *Severity
	epss     *float64
}

const epssPrefix = "epss="

// set reads a list separated by commas. Of several severities the mildest counts, because
// each fails with all that are worse. A list without a severity fails on the probability
// alone.
func (t threshold) set(value string) bool {
	severity, epss := FailOnNone, 0.0
	words := strings.Split(strings.ToLower(value), ",")
	for _, word := range words {
		word = strings.TrimSpace(word)
		if number, ok := strings.CutPrefix(word, epssPrefix); ok {
			p, err := strconv.ParseFloat(number, 64)
			if err != nil || math.IsNaN(p) || p <= 0 || p > 1 || epss != 0 {
				return false
			}
			epss = p
			continue
		}
		s := Severity(word)
		switch {
		case s == FailOnNone && len(words) == 1:
		case s == Unrated || s.Rank() < 0:
			return false
		case s.Rank() > severity.Rank():
			severity = s
		}
	}
	*t.severity, *t.epss = severity, epss
	return true
}

// value returns the text that set reads, or "" if nothing was set.
func (t threshold) value() string {
	if *t.severity == "" {
		return ""
	}
	var words []string
	if *t.severity != FailOnNone || *t.epss == 0 {
		words = append(words, string(*t.severity))
	}
	if *t.epss != 0 {
		words = append(words, epssPrefix+strconv.FormatFloat(*t.epss, 'g', -1, 64))
	}
	return strings.Join(words, ",")
}

// Seconds is a length of time in seconds.
type Seconds int64

const (
	secondsOfDay = Seconds(24 * time.Hour / time.Second)
	maxSeconds   = 3660 * secondsOfDay
)

// parseSeconds reads "7d", or a time of package time such as "12h".
func parseSeconds(s string) (Seconds, bool) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return Seconds(n) * secondsOfDay, err == nil && Seconds(n)*secondsOfDay <= maxSeconds
	}
	d, err := time.ParseDuration(s)
	seconds := Seconds(d / time.Second)
	return seconds, err == nil && d >= 0 && d%time.Second == 0 && seconds <= maxSeconds
}

// Duration returns s for package time.
func (s Seconds) Duration() time.Duration { return time.Duration(s) * time.Second }

// MarshalText writes s as String does, so that JSON has the text that the option takes.
func (s Seconds) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (s *Seconds) UnmarshalText(text []byte) error {
	read, ok := parseSeconds(string(text))
	if !ok {
		return fmt.Errorf("invalid time %q", text)
	}
	*s = read
	return nil
}

// String returns the text that an option takes, "7d" or "12h".
func (s Seconds) String() string {
	if s%secondsOfDay == 0 {
		return strconv.FormatInt(int64(s/secondsOfDay), 10) + "d"
	}
	text := s.Duration().String() // "12h0m0s"
	if short, ok := strings.CutSuffix(text, "m0s"); ok {
		text = short + "m"
	}
	if short, ok := strings.CutSuffix(text, "h0m"); ok {
		text = short + "h"
	}
	return text
}
