package verdict

import (
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// WriteJSON writes v as indented JSON with a line end. The same verdict gives
// the same bytes, and all of them are ASCII: a build log is a terminal, and
// whatever a name of the image holds beyond ASCII stands there escaped.
func WriteJSON(w io.Writer, v Verdict) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("verdict as JSON: %w", err)
	}
	out := make([]byte, 0, len(b)+1)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r > 0xFFFF:
			hi, lo := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
		case r > '~':
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			out = append(out, b[0])
		}
		b = b[n:]
	}
	_, err = w.Write(append(out, '\n'))
	return err
}
