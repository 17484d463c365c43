package match

import (
	"fmt"
	"slices"
	"strings"
)

// maxWhy bounds the records that the reason of a finding quotes.
const maxWhy = 3

// why returns the comparisons that matched, one for each record:
// "DEBIAN-CVE-2024-1: Debian:12 openssl 3.0.11-1 < fixed 3.0.13-1".
func why(matching []*candidate) string {
	var b strings.Builder
	for i := 1; i < len(matching); i++ {
		if repeats(matching[i-1], matching[i]) {
			matching = slices.CompactFunc(slices.Clone(matching), repeats)
			break
		}
	}
	for i, c := range matching {
		if i > 0 {
			b.WriteString("; ")
		}
		if i == maxWhy {
			fmt.Fprintf(&b, "and %d more", len(matching)-maxWhy)
			break
		}
		word, bound, note := "has no fix", "", ""
		switch {
		case c.end.Fixed != "":
			word, bound = "< fixed ", c.end.Fixed
			if paid := c.ecosystem.Subscription; paid != "" {
				note = ", which needs " + paid
			}
		case c.end.LastAffected != "":
			word, bound = "<= last affected ", c.end.LastAffected
		case c.listed:
			word = "is listed as affected"
			if len(c.entry.Patterns) > 0 {
				word = "matches a pattern of affected versions"
			}
		}
		if c.entry.Note != "" {
			note += " (" + shown(c.entry.Note) + ")"
		}
		for _, part := range [...]string{
			shown(c.entry.Advisory), ": ", shown(c.ecosystem.Name), " ", shown(c.name), " ", shown(c.at.version), " ", word, shown(bound), note,
		} {
			b.WriteString(part)
		}
	}
	return b.String()
}

// repeats reports whether b is the same entry as a in the record of another source.
func repeats(a, b *candidate) bool {
	return a.entry.Advisory == b.entry.Advisory && a.entry.Source != b.entry.Source &&
		a.ecosystem == b.ecosystem && a.name == b.name && a.end == b.end && a.listed == b.listed
}
