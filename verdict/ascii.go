package verdict

import (
	"bytes"
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// ASCII returns a writer that writes JSON to w as equivalent JSON in printable ASCII. In
// strings it escapes all other runes, and the beginning of everything that a CI system or
// a script may take for a command: "##", "::" and "assay:".
func ASCII(w io.Writer) io.Writer { return &asciiWriter{w: w} }

type asciiWriter struct {
	w      io.Writer
	quoted bool   // inside a string
	escape bool   // after a backslash
	begun  []byte // the beginning of a rune that ends in the next Write
	last   []byte // the last characters of the string as written, at most len("assay")
}

func (a *asciiWriter) Write(p []byte) (int, error) {
	in := p
	if len(a.begun) > 0 {
		in = append(a.begun, p...)
		a.begun = nil
	}
	out := make([]byte, 0, len(in)+len(in)/8)
	for len(in) > 0 {
		if n := a.plain(in); n > 0 {
			out = append(out, in[:n]...)
			a.keep(in[:n])
			in = in[n:]
			continue
		}
		if in[0] < utf8.RuneSelf {
			out = a.char(out, in[0])
			in = in[1:]
			continue
		}
		if !utf8.FullRune(in) {
			a.begun = bytes.Clone(in)
			break
		}
		r, n := utf8.DecodeRune(in)
		if r > 0xFFFF {
			hi, lo := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
		} else {
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		a.last, a.escape = a.last[:0], false
		in = in[n:]
	}
	if _, err := a.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// plain returns how many characters at the beginning of in stand in a string and are
// written as they are, whatever is before them.
func (a *asciiWriter) plain(in []byte) int {
	if !a.quoted || a.escape {
		return 0
	}
	for i, c := range in {
		if c < ' ' || c > '~' || c == '"' || c == '\\' || c == '#' || c == ':' {
			return i
		}
	}
	return len(in)
}

// keep appends written characters to a.last. written is not empty.
func (a *asciiWriter) keep(written []byte) {
	const n = len("assay")
	written = written[max(0, len(written)-n):]
	over := max(0, len(a.last)+len(written)-n)
	a.last = append(append(a.last[:0], a.last[over:]...), written...)
}

// char appends one ASCII character to out, escaped if necessary.
func (a *asciiWriter) char(out []byte, c byte) []byte {
	switch {
	case !a.quoted:
		a.quoted = c == '"'
		a.last = a.last[:0]
		return append(out, c)
	case a.escape:
		a.escape = false
		a.last = a.last[:0]
		return append(out, c)
	case c == '"':
		a.quoted = false
		return append(out, c)
	case c == '\\':
		a.escape = true
		return append(out, c)
	}
	if c < ' ' || c > '~' ||
		c == '#' && bytes.HasSuffix(a.last, []byte("#")) ||
		c == ':' && (bytes.HasSuffix(a.last, []byte(":")) || string(a.last) == "assay") {
		out = fmt.Appendf(out, `\u%04x`, c)
	} else {
		out = append(out, c)
	}
	a.keep([]byte{c})
	return out
}
