package version

import (
	"cmp"
	"strings"
)

// A numbering is how an order compares versions that consist of numbers and dots.
type numbering int

const (
	noNumbering numbering = iota // not compared here
	padded                       // 1.2 equals 1.2.0
	longer                       // 1.2 is older than 1.2.0
)

// maxParts bounds the numbers of a version that is compared here. NuGet versions have no
// more, and the orders may differ for more.
const maxParts = 4

// compare compares two versions. It is not ok unless both consist of numbers and dots.
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

// dotted reports whether s consists of one to maxParts numbers, separated by dots.
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
