package inventory

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Text returns s, a name or value found in a filesystem, as it stands in an
// inventory: each byte that is not part of valid UTF-8 is written \xNN, so that
// the same bytes give the same text on every wire. All else is kept, control
// characters too; who shows a text to people escapes those.
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
