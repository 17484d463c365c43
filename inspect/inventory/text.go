package inventory

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Text returns s, a name or value found in a filesystem, in the form it has in an
// inventory: each byte that is not part of valid UTF-8 is written as \xNN, so that the
// same bytes give the same text in every wire format. Everything else is kept,
// including control characters; code that shows text to people must escape those.
func Text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && size == 1 {
			fmt.Fprintf(&b, `\x%02x`, s[0])
		} else {
			b.WriteString(s[:size])
		}
		s = s[size:]
	}
	return b.String()
}
