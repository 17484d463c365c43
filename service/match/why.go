package match

import (
	"fmt"
	"strings"
)

// maxWhy bounds the records that a finding's reason quotes.
const maxWhy = 3

// why writes down the comparisons that matched, one for each record:
// "DEBIAN-CVE-2024-1: Debian:12 openssl 3.0.11-1 < fixed 3.0.13-1".
func why(s subject, hits []*hit) string {
	var parts []string
	for _, h := range hits {
		if len(parts) == maxWhy {
			parts = append(parts, fmt.Sprintf("and %d more", len(hits)-maxWhy))
			break
		}
		bound := "has no fix"
		switch {
		case h.end.Fixed != "":
			bound = "< fixed " + shown(h.end.Fixed)
		case h.end.LastAffected != "":
			bound = "<= last affected " + shown(h.end.LastAffected)
		case h.listed:
			bound = "is listed as affected"
		}
		parts = append(parts, fmt.Sprintf("%s: %s %s %s %s",
			shown(h.entry.Advisory), shown(h.ecosystem), shown(h.name), shown(s.version), bound))
	}
	return strings.Join(parts, "; ")
}
