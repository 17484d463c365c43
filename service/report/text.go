package report

import (
	"strings"
	"unicode"
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
