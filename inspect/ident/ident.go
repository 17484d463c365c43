// Package ident checks the names and versions that package records contain.
package ident

import "strings"

// Max is how many bytes a name or a version may have.
const Max = 256

// Is reports whether s can be a name or a version: one word of printable ASCII, not
// empty and of at most Max bytes.
func Is(s string) bool {
	return s != "" && len(s) <= Max && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// IsWord reports whether s contains no space and no control character. It may be
// empty. Databases of operating systems are held to no more: their package managers,
// too, accept installed versions that break their own rules.
func IsWord(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f })
}

// IsAlnum reports whether c is an ASCII letter or digit.
func IsAlnum(c byte) bool { return IsDigit(c) || IsLetter(c) }

// IsLetter reports whether c is an ASCII letter.
func IsLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// IsDigit reports whether c is an ASCII digit.
func IsDigit(c byte) bool { return '0' <= c && c <= '9' }
