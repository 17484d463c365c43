package version

import (
	"errors"
	"fmt"
	"iter"
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
		if alternatives(rest) { // the lookahead would belong to the first of them only
			return Pattern{}, fmt.Errorf("pattern %.100q %w", text, errPattern)
		}
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
	for _, java := range [...]string{"&&", "++", "*+", "?+", "}+"} {
		if strings.Contains(text, java) {
			return nil, errPattern
		}
	}
	for s := range scan(text) {
		if s.bracket && s.c == '[' {
			return nil, errPattern
		}
	}
	re, err := regexp.Compile(prefix + text + suffix)
	if err != nil {
		return nil, errPattern
	}
	return re, nil
}

// A symbol is a character of an expression that is not escaped. It is outside of all groups
// at depth 0; the parenthesis that closes a group has the depth outside of it.
type symbol struct {
	c       byte
	at      int
	bracket bool // it is in brackets, where parentheses do not count
	depth   int
}

// scan yields the symbols of an expression.
func scan(s string) iter.Seq[symbol] {
	return func(yield func(symbol) bool) {
		depth, bracket := 0, false
		for i := 0; i < len(s); i++ {
			c, inside := s[i], bracket
			switch {
			case c == '\\':
				i++
				continue
			case bracket:
				bracket = c != ']'
			case c == '[':
				bracket = true
			case c == '(':
				depth++
			case c == ')':
				depth--
			}
			if !yield(symbol{c, i, inside, depth}) {
				return
			}
		}
	}
}

// closing returns the index of the parenthesis that closes the group in which s begins, or
// a negative number.
func closing(s string) int {
	for s := range scan(s) {
		if s.depth < 0 {
			return s.at
		}
	}
	return -1
}

// alternatives reports whether an expression has alternatives outside of all groups.
func alternatives(s string) bool {
	for s := range scan(s) {
		if s.c == '|' && !s.bracket && s.depth == 0 {
			return true
		}
	}
	return false
}

// Matches reports whether a pattern matches a version.
func (p Pattern) Matches(version string) bool {
	return len(version) <= maxLength && p.is.MatchString(version) && (p.not == nil || !p.not.MatchString(version))
}
