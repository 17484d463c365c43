// Package ident judges the names and versions that records of packages hold.
package ident

import "strings"

// Max is how many bytes a word may have.
const Max = 256

// Is reports whether s can be a name or a version: one word of printable ASCII, not
// empty and of no more than Max bytes.
func Is(s string) bool {
	return s != "" && len(s) <= Max && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}
