package version

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// A Pattern matches whole versions, as the warnings of Jenkins do: with a regular
// expression of Java, as far as RE2 has its features. The time of a match is linear in the
// length of the version. In addition, a pattern may begin with a negative lookahead.
type Pattern struct {
	not, is *regexp.Regexp // not may be nil
}

const maxPattern = 1000 // bytes; the longest genuine pattern has 729

var errPattern = errors.New("is not supported")

// NewPattern parses a pattern.
func NewPattern(text string) (Pattern, error) {
	if text == "" || len(text) > maxPattern {
		return Pattern{}, fmt.Errorf("pattern has %d bytes, want 1 to %d", len(text), maxPattern)
	}
	var p Pattern
	rest := text
	if lookahead, ok := strings.CutPrefix(text, "(?!"); ok {
		end := closing(lookahead)
		if end < 0 {
			return Pattern{}, fmt.Errorf("pattern %.100q %w", text, errPattern)
		}
		not, err := compilePattern(lookahead[:end], `\A(?:`, `)`)
		if err != nil {
			return Pattern{}, fmt.Errorf("pattern %.100q %w", text, err)
		}
		p.not, rest = not, lookahead[end+1:]
	}
	is, err := compilePattern(rest, `\A(?:`, `)\z`)
	if err != nil {
		return Pattern{}, fmt.Errorf("pattern %.100q %w", text, err)
	}
	p.is = is
	return p, nil
}

// compilePattern compiles an expression between a prefix and a suffix. It rejects what
// means something else in Java: brackets and && within brackets combine sets, and a plus
// after another quantifier makes it possessive.
func compilePattern(text, prefix, suffix string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(text); err != nil {
		return nil, errPattern
	}
	for _, java := range [...]string{"&&", "++", "*+", "?+", "}+", "[["} {
		if strings.Contains(text, java) {
			return nil, errPattern
		}
	}
	re, err := regexp.Compile(prefix + text + suffix)
	if err != nil {
		return nil, errPattern
	}
	return re, nil
}

// closing returns the index of the parenthesis that closes the group in which s begins, or
// a negative number. Parentheses in brackets do not count.
func closing(s string) int {
	depth, bracket := 1, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case bracket:
			bracket = c != ']'
		case c == '[':
			bracket = true
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// Matches reports whether a pattern matches a version.
func (p Pattern) Matches(version string) bool {
	return len(version) <= maxLength && p.is.MatchString(version) && (p.not == nil || !p.not.MatchString(version))
}
