package policy

import (
	"fmt"
	"strings"
	"time"

	"assay/service/distro"
	"assay/verdict"
)

// maxSome is how many things a sentence lists.
const maxSome = 3

// some lists the first things, and says how many follow.
func some(things []string) string {
	var shown []string
	for i, s := range things {
		if i == maxSome {
			shown = append(shown, fmt.Sprintf("and %d more", len(things)-i))
			break
		}
		shown = append(shown, verdict.Clean(s))
	}
	return strings.Join(shown, "; ")
}

// plural returns a number with its noun.
func plural(n int, one, many string) string {
	return fmt.Sprintf("%d %s", n, form(n, one, many))
}

// form returns the form of a word for n things.
func form(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func orWorse(s verdict.Severity) string {
	if s == verdict.Critical {
		return ""
	}
	return " or worse"
}

// system returns the name of a system for people.
func system(s verdict.System) string {
	if s.PrettyName != "" {
		return verdict.Clean(s.PrettyName)
	}
	return verdict.Clean(strings.TrimSpace(s.ID + " " + s.VersionID))
}

// ageWords returns an age in seconds for people. Below two minutes, it has seconds: two ages
// that are compared must not both be less than a minute.
func ageWords(seconds int64) string {
	if seconds < 120 {
		return plural(int(seconds), "second", "seconds")
	}
	return verdict.Age(seconds)
}

// newer says which release to build on if the support of a system has ended.
func newer(s verdict.System, now time.Time) string {
	if release, last := distro.Newest(s.ID, now); release != "" {
		return fmt.Sprintf("change FROM to a newer release: %s has security updates until %s", release, last)
	}
	return "change FROM to a release that still has security updates"
}

func ended(s verdict.System) string {
	return fmt.Sprintf("%s has had no free security support since %s", system(s), s.EndOfLife)
}
