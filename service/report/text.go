package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line returns text from outside as one line of at most most runes: control characters,
// those that change the direction of text and other invisible ones are dropped, and white
// space becomes single spaces. A text that is cut ends in an ellipsis.
func Line(s string, most int) string {
	var b strings.Builder
	n, space := 0, false
	for _, r := range s {
		if unicode.IsSpace(r) {
			space = n > 0
			continue
		}
		if !unicode.IsGraphic(r) || r == unicode.ReplacementChar {
			continue
		}
		if n+2 >= most { // room for a space, the rune and the ellipsis
			b.WriteRune('…')
			return b.String()
		}
		if space {
			b.WriteByte(' ')
			space = false
			n++
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}

// Markdown returns text from outside for GitHub-flavoured Markdown. Every punctuation
// character is escaped, so that it begins no markup, link, mention or HTML.
func Markdown(s string, most int) string {
	var b strings.Builder
	for _, r := range Line(s, most) {
		switch {
		case r < 0x80 && strings.ContainsRune("<>&{}", r):
			fmt.Fprintf(&b, "&#%d;", r)
			continue
		case r < 0x80 && strings.ContainsRune("!\"#$%'()*+,-./:;=?@[\\]^_`|~", r):
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Sentence returns a text as Line does, with a capital letter at its beginning and a period
// at its end. It is empty if the text is.
func Sentence(s string, most int) string {
	s = Capital(Line(s, most))
	if last, _ := utf8.DecodeLastRuneInString(s); s == "" || strings.ContainsRune(".:!?…", last) {
		return s
	}
	return s + "."
}

// Capital returns a text with a capital letter at its beginning.
func Capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}
