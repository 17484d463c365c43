package match

import (
	"fmt"
	"slices"
	"strings"
)

// maxWhy bounds the records that a finding's reason quotes.
const maxWhy = 3

// why writes down the comparisons that matched, one for each record:
// "DEBIAN-CVE-2024-1: Debian:12 openssl 3.0.11-1 < fixed 3.0.13-1".
func why(s subject, hits []*hit) string {
	var b strings.Builder
	for i := 1; i < len(hits); i++ {
		if repeats(hits[i-1], hits[i]) {
			hits = slices.CompactFunc(slices.Clone(hits), repeats)
			break
		}
	}
	for i, h := range hits {
		if i > 0 {
			b.WriteString("; ")
		}
		if i == maxWhy {
			fmt.Fprintf(&b, "and %d more", len(hits)-maxWhy)
			break
		}
		word, bound, note := "has no fix", "", ""
		switch {
		case h.end.Fixed != "":
			word, bound = "< fixed ", h.end.Fixed
			if paid := s.scheme.subscription(h.ecosystem); paid != "" {
				note = ", which needs " + paid
			}
		case h.end.LastAffected != "":
			word, bound = "<= last affected ", h.end.LastAffected
		case h.listed:
			word = "is listed as affected"
		}
		for _, part := range [...]string{
			shown(h.entry.Advisory), ": ", shown(h.ecosystem), " ", shown(h.name), " ", shown(s.version), " ", word, shown(bound), note,
		} {
			b.WriteString(part)
		}
	}
	return b.String()
}

// repeats reports whether b is what another source's record has of a.
func repeats(a, b *hit) bool {
	return a.entry.Advisory == b.entry.Advisory && a.entry.Source != b.entry.Source &&
		a.ecosystem == b.ecosystem && a.name == b.name && a.end == b.end && a.listed == b.listed
}
