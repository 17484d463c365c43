package verdict

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxClean is the most columns of a text from Clean.
const maxClean = 200

// Clean makes a text from outside, such as a package name, a path or an error, safe for a
// line of the log: at most 200 columns of printable ASCII. Other runes are written like
// \u000a or \U0001f600, invalid UTF-8 like \xff. A text that is cut ends in "...".
//
// Clean also escapes text that a program that reads the log may take for something else:
// a command of a CI system ("::error::" at the beginning of a word, "##vso[", "##["), and
// the beginning of the stable line ("assay: ", and "verdict=" at the beginning of a text).
func Clean(s string) string { return clean(s, maxClean) }

// maxShort is the most columns that Short leaves of a text.
const maxShort = 100

// Short is Clean with at most 100 columns, for a name, a version or an id within a
// sentence.
func Short(s string) string { return clean(s, maxShort) }

// clean is Clean with at most n columns.
func clean(s string, n int) string {
	if len(s) <= n && isClean(s) {
		return s // the common case
	}
	var b strings.Builder
	cut := 0 // the longest prefix of b that leaves room for the dots
	for i, r := range s {
		rest := s[i:]
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(rest, "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r > 0xFFFF:
			fmt.Fprintf(&b, `\U%08x`, r)
		case r < ' ' || r > '~' || command(b.String(), rest):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteByte(byte(r))
		}
		if b.Len() > n {
			return b.String()[:cut] + "..."[:max(0, min(3, n-cut))]
		}
		if b.Len() <= n-3 {
			cut = b.Len()
		}
	}
	return b.String()
}

func isClean(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || (c == ':' || c == '#' || c == '=') && command(s[:i], s[i:]) {
			return false
		}
	}
	return true
}

// sentence returns the words of a text for people. Line breaks count as spaces.
func sentence(s string, n int) []string {
	return strings.Fields(clean(strings.Join(strings.Fields(s), " "), n))
}

// command reports whether a program may take rest for a command or the stable line. before
// is the text as written that precedes rest: an escape can complete a word ("\u000a" and
// "ssay: ").
func command(before, rest string) bool {
	switch rest[0] {
	case ':':
		if (before == "" || strings.HasSuffix(before, " ")) && strings.HasPrefix(rest, "::") {
			return true
		}
		// The colon of "assay: ". At the end of the text, a space may follow in the line.
		return strings.HasSuffix(before, "assay") && (rest == ":" || strings.HasPrefix(rest, ": "))
	case '#':
		return strings.HasPrefix(rest, "##")
	case '=':
		return strings.TrimLeft(before, " ") == "verdict"
	}
	return false
}

// token makes s a value of the stable line: at most n letters, digits and "._:-". It
// replaces other characters by "_", and an empty s by "-".
func token(s string, n int) string {
	if s == "" {
		return "-"
	}
	s = s[:min(len(s), n)]
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', strings.ContainsRune("._:-", r):
			return r
		}
		return '_'
	}, s)
}
