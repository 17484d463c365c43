package version

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/google/osv-scalibr/semantic"
)

var errCharacter = errors.New("has characters that have no order")

// wordPressParts is the number of numbers that versions of WordPress are filled up to.
// The longest genuine version has five.
const wordPressParts = 8

// parseWordPress parses a version of WordPress, a plugin or a theme. The order is that of
// PHP's version_compare, with these rules:
//
//   - Missing numbers are 0. WordPress writes 5.8 for 5.8.0, and advisories write either.
//     version_compare puts 5.8 before 5.8.0.
//   - Case does not count.
//   - The suffix "decaf" of Event Espresso is the name of an edition. To version_compare it
//     would be a pre-release.
//   - A word that version_compare does not know, such as "revision", is an error.
//     version_compare would put it before all known words, whatever it means.
func parseWordPress(s string) (semantic.PackagistVersion, error) {
	v := strings.ToLower(s)
	if v[0] < '0' || v[0] > '9' {
		return semantic.PackagistVersion{}, errStart
	}
	v = strings.TrimRight(strings.TrimSuffix(v, "decaf"), ".-_")
	if v == "" || strings.ContainsFunc(v, notInWordPress) {
		return semantic.PackagistVersion{}, errCharacter
	}
	for word := range strings.FieldsFuncSeq(v, func(r rune) bool { return r < 'a' || r > 'z' }) {
		switch word {
		case "dev", "alpha", "a", "beta", "b", "rc", "pl", "p", "patch":
		default:
			return semantic.PackagistVersion{}, fmt.Errorf("has the word %q, which has no order", word)
		}
	}
	numbers, end := 1, 0
	for ; end < len(v); end++ {
		if c := v[end]; c == '.' && end+1 < len(v) && '0' <= v[end+1] && v[end+1] <= '9' {
			numbers++
		} else if c < '0' || c > '9' {
			break
		}
	}
	fill := strings.Repeat(".0", max(0, wordPressParts-numbers))
	return semantic.ParsePackagistVersion(v[:end] + fill + v[end:]), nil
}

func notInWordPress(r rune) bool {
	return (r < '0' || r > '9') && (r < 'a' || r > 'z') && !strings.ContainsRune(".-_+", r)
}

// WordPress returns the version in the header of a plugin or a theme without the parts
// that do not belong to it: "v" before it, and words after it ("2.3.1 for WP2.1",
// "1.03 (WP 1.5.2)", "v2.0.9 B20080429"). A word for a pre-release stays ("1.0 RC1"). A
// number may begin with its point (".1a" is 0.1a). Text that has another form is returned
// as it is, and has no order.
func WordPress(text string) string {
	v := strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' })
	v = strings.NewReplacer("β", "beta", "α", "alpha").Replace(v)
	lower := strings.ToLower(v)
	for _, word := range [...]string{"version", "ver.", "v.", "v"} {
		if strings.HasPrefix(lower, word) {
			v = strings.TrimSpace(v[len(word):])
			break
		}
	}
	words := strings.FieldsFunc(v, func(r rune) bool { return unicode.IsSpace(r) || r == '(' })
	if len(words) == 0 {
		return text
	}
	v = words[0]
	if len(words) > 1 && preRelease(words[1]) {
		v += words[1]
	}
	if strings.HasPrefix(v, ".") {
		v = "0" + v
	}
	v = strings.TrimRight(v, ".,;-_")
	if v == "" || v[0] < '0' || v[0] > '9' {
		return text
	}
	return v
}

// preRelease reports whether a word is one for a pre-release, with a number or without.
func preRelease(word string) bool {
	word = strings.ToLower(strings.TrimRight(word, ")"))
	word = strings.TrimRight(word, "0123456789.-")
	switch word {
	case "dev", "alpha", "beta", "rc":
		return true
	}
	return false
}
