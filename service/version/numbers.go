package version

import (
	"cmp"
	"strings"
)

// A numbering is how an order compares versions that are numbers with dots
// between them.
type numbering int

const (
	noNumbering numbering = iota // not here
	padded                       // 1.2 equals 1.2.0
	longer                       // 1.2 is older than 1.2.0
)

// maxParts bounds the numbers that are compared here. NuGet has no more of
// them, and where another order differs with more, it is heard.
const maxParts = 4

// compare compares two versions, and ok is false where they are not both
// numbers with dots between them.
func (n numbering) compare(a, b string) (result int, ok bool) {
	if n == noNumbering || !dotted(a) || !dotted(b) {
		return 0, false
	}
	for a != "" || b != "" {
		if n == longer && (a == "" || b == "") {
			return cmp.Compare(len(a), len(b)), true
		}
		var pa, pb string
		pa, a, _ = strings.Cut(a, ".")
		pb, b, _ = strings.Cut(b, ".")
		pa, pb = strings.TrimLeft(pa, "0"), strings.TrimLeft(pb, "0")
		if c := cmp.Compare(len(pa), len(pb)); c != 0 {
			return c, true
		}
		if c := strings.Compare(pa, pb); c != 0 {
			return c, true
		}
	}
	return 0, true
}

// dotted reports whether s is one to maxParts numbers with dots between them.
func dotted(s string) bool {
	parts, digits := 1, 0
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			digits++
		case c == '.' && digits > 0:
			parts, digits = parts+1, 0
		default:
			return false
		}
	}
	return digits > 0 && parts <= maxParts && len(s) <= maxLength
}
