package verdict

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxClean is the most columns that Clean leaves of a text.
const maxClean = 200

// Clean makes a text that others wrote (a package's name, a path, an error) fit
// for one line of a log: at most 200 columns of printable ASCII. Every other
// rune is written as \u000a or \U0001f600, a byte that is no UTF-8 as \xff, and
// a text that is too long ends in "...".
//
// Two kinds of printable text are broken up as well, since logs are read by
// machines: what a CI system takes for a command ("::error::" at the start of
// a word, "##vso[", "##["), and what begins the stable line: "assay: ", and
// "verdict=" where a text begins so, which may follow it.
func Clean(s string) string { return clean(s, maxClean) }

// maxShort is the most columns that Short leaves of a text.
const maxShort = 100

// Short is Clean with at most 100 columns, for a name, a version or an id within a
// sentence.
func Short(s string) string { return clean(s, maxShort) }

// clean is Clean with n columns at the most.
func clean(s string, n int) string {
	if len(s) <= n && isClean(s) {
		return s // most are
	}
	var b strings.Builder
	cut := 0 // the longest end of b that leaves room for the dots
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

// sentence is the words of a text for people, whose lines are not kept.
func sentence(s string, n int) []string {
	return strings.Fields(clean(strings.Join(strings.Fields(s), " "), n))
}

// command reports whether a machine may take rest, which follows before, for
// something said to it. What is before counts as it is written: an escape may be
// the beginning of a word ("\u000a" and "ssay: ").
func command(before, rest string) bool {
	switch rest[0] {
	case ':':
		if (before == "" || strings.HasSuffix(before, " ")) && strings.HasPrefix(rest, "::") {
			return true
		}
		// The colon of "assay: ", also where a blank will follow.
		return strings.HasSuffix(before, "assay") && (rest == ":" || strings.HasPrefix(rest, ": "))
	case '#':
		return strings.HasPrefix(rest, "##")
	case '=':
		return strings.TrimLeft(before, " ") == "verdict"
	}
	return false
}

// token makes s one value of the stable line: at most n characters of
// letters, digits and "._:-", every other replaced by "_"; "-" where it is empty.
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
