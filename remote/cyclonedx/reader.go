package cyclonedx

import (
	"encoding/json"
	"fmt"
	"math/bits"
	"strings"
	"unicode/utf8"
)

// A reader reads a JSON text (RFC 8259) once. Each of object, array, text and skip reads the
// next value. The first three ignore null, as encoding/json does. Keys are case-sensitive.
// After the first error the reader skips the rest.
type reader struct {
	s             string
	i             int
	limits        Limits
	values, depth int
	err           error
}

func newReader(s string, limits Limits) reader { return reader{s: s, limits: limits} }

// end returns the first error. Data after the text is an error.
func (r *reader) end() error {
	r.peek()
	if r.i < len(r.s) {
		r.unexpected("the end")
	}
	return r.err
}

func (r *reader) fail(format string, args ...any) {
	r.stop(fmt.Errorf("at byte %d: %s", r.i, fmt.Sprintf(format, args...)))
}

func (r *reader) stop(err error) {
	if r.err == nil {
		r.err = err
	}
	r.i = len(r.s)
}

// peek returns the next byte that is not a space, or 0 at the end.
func (r *reader) peek() byte {
	if r.i < len(r.s) && r.s[r.i] > ' ' { // the usual case
		return r.s[r.i]
	}
	return r.space()
}

// space skips spaces and returns the next byte, or 0 at the end.
func (r *reader) space() byte {
	for ; r.i < len(r.s); r.i++ {
		switch c := r.s[r.i]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// accept skips c if it is next.
func (r *reader) accept(c byte) bool {
	if r.peek() != c {
		return false
	}
	r.i++
	return true
}

// value counts one more value.
func (r *reader) value() {
	if r.values++; r.values > r.limits.Values {
		r.stop(fmt.Errorf("%w: more than %d values", ErrTooLarge, r.limits.Values))
	}
}

// object calls member for each member of an object, also for a repeated key. member must read
// the value.
func (r *reader) object(member func(key string)) {
	for more := r.open('{', '}', "an object"); more; more = r.more('}', "an object") {
		if r.peek() != '"' {
			r.unexpected("a name")
			continue
		}
		key := r.quoted()
		if !r.accept(':') {
			r.unexpected("a colon")
			continue
		}
		member(key)
	}
}

// array calls element for each element of an array. element must read the value.
func (r *reader) array(element func()) {
	for more := r.open('[', ']', "a list"); more; more = r.more(']', "a list") {
		element()
	}
}

// open reads the start of an object or array. It reports whether that has content. what is
// for errors.
func (r *reader) open(opening, closing byte, what string) bool {
	if !r.accept(opening) {
		r.null(what)
		return false
	}
	r.value()
	if r.depth++; r.depth > r.limits.Depth {
		r.stop(fmt.Errorf("%w: more than %d levels", ErrTooDeep, r.limits.Depth))
	}
	if r.accept(closing) {
		r.depth--
		return false
	}
	return r.err == nil
}

// more reads a comma or the end of an object or array. It reports whether something
// follows.
func (r *reader) more(closing byte, what string) bool {
	if r.accept(',') {
		return true
	}
	r.depth--
	if !r.accept(closing) {
		r.unexpected("a comma or the end of " + what)
	}
	return false
}

// list reads an array into to. It replaces the elements of to and reuses their memory.
func list[T any](r *reader, to *[]T, element func(*T)) {
	*to = (*to)[:0]
	r.array(func() {
		var none T
		*to = append(*to, none)
		element(&(*to)[len(*to)-1])
	})
}

// text reads a string.
func (r *reader) text(to *string) {
	if r.peek() != '"' {
		r.null("a string")
		return
	}
	r.value()
	*to = r.quoted()
}

// null reads null in place of the wanted value.
func (r *reader) null(wanted string) {
	r.value()
	at := r.i
	if r.word() != "null" {
		r.i = min(at, r.i)
		r.unexpected(wanted)
	}
}

// unexpected reports that something other than the wanted value is next.
func (r *reader) unexpected(wanted string) {
	if r.peek() == 0 && r.i == len(r.s) {
		r.fail("unexpected end, want %s", wanted)
		return
	}
	r.fail("unexpected %.20q, want %s", r.s[r.i:], wanted)
}

// skip skips a value of any type.
func (r *reader) skip() {
	switch r.peek() {
	case '{':
		r.object(func(string) { r.skip() })
	case '[':
		r.array(r.skip)
	case '"':
		r.value()
		r.quoted()
	default:
		r.value()
		at := r.i
		if !json.Valid([]byte(r.word())) {
			r.i = min(at, r.i)
			r.unexpected("a value")
		}
	}
}

// word reads a number or a literal name without checking it.
func (r *reader) word() string {
	r.peek()
	rest := r.s[r.i:]
	n := strings.IndexAny(rest, " \t\n\r,:\"[]{}")
	if n < 0 {
		n = len(rest)
	}
	r.i += n
	return rest[:n]
}

// quoted reads the next string. It leaves a string with escapes or invalid UTF-8 to
// encoding/json, which replaces invalid bytes by U+FFFD.
func (r *reader) quoted() string {
	start, escapes, ascii := r.i, false, true
	for i := plain(r.s, start+1); i < len(r.s); i = plain(r.s, i+1) {
		switch c := r.s[i]; {
		case c == '"':
			r.i = i + 1
			if text := r.s[start+1 : i]; ascii || !escapes && utf8.ValidString(text) {
				return text
			}
			var s string
			if err := json.Unmarshal([]byte(r.s[start:r.i]), &s); err != nil {
				r.stop(fmt.Errorf("at byte %d: %w", start, err))
			}
			return s
		case c == '\\':
			escapes, ascii = true, false
			i++
		case c < ' ':
			r.i = i
			r.unexpected("a character of a string")
			return ""
		default:
			ascii = false
		}
	}
	r.i = len(r.s)
	r.unexpected("the end of a string")
	return ""
}

// plain returns the index of the first byte at or after i that is a quote, a backslash or not
// printable ASCII, or len(s) if there is none. It examines eight bytes at once. In found the
// highest bit of such a byte is set, and possibly the highest bits of bytes after it.
func plain(s string, i int) int {
	const every = 0x0101010101010101
	for ; i+8 <= len(s); i += 8 {
		b := s[i : i+8]
		w := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		quote, backslash := w^every*'"', w^every*'\\'
		found := (w | (w - every*' ') | (quote - every) | (backslash - every)) & (every * 0x80)
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(s) && s[i] >= ' ' && s[i] < 0x80 && s[i] != '"' && s[i] != '\\' {
		i++
	}
	return i
}
