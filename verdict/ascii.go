package verdict

import (
	"bytes"
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// ASCII returns a writer that passes JSON on to w as the same JSON in printable
// ASCII. In its strings all other runes are escaped, and so is the beginning
// of what a CI system or a script takes for a command: "##", "::" and "assay:".
func ASCII(w io.Writer) io.Writer { return &asciiWriter{w: w} }

type asciiWriter struct {
	w      io.Writer
	quoted bool   // in a string
	escape bool   // behind a backslash
	begun  []byte // of a rune whose rest comes with the next Write
	last   []byte // up to len("assay") characters of the string, as written
}

func (a *asciiWriter) Write(p []byte) (int, error) {
	in := p
	if len(a.begun) > 0 {
		in = append(a.begun, p...)
		a.begun = nil
	}
	out := make([]byte, 0, len(in)+len(in)/8)
	for len(in) > 0 {
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

// char appends one character of ASCII.
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
	if a.last = append(a.last, c); len(a.last) > len("assay") {
		a.last = append(a.last[:0], a.last[1:]...)
	}
	return out
}
