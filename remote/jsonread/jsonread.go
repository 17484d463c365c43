// Package jsonread reads JSON texts (RFC 8259) from outside in one pass, without reflection, and
// with limits on their values and nesting.
package jsonread

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"strings"
	"unicode/utf8"
)

// Limits limit the size of a document. A reader rejects a larger one.
type Limits struct {
	Bytes  int64 // of the uncompressed document
	Values int   // JSON values at any depth
	Depth  int   // levels of nesting
}

// ErrTooLarge is returned for a document that exceeds the limits.
var ErrTooLarge = errors.New("the document is too large")

// ErrTooDeep is returned for a document that is nested more deeply than the limits.
var ErrTooDeep = errors.New("the document is nested too deeply")

// Text reads all of r, up to limit bytes.
func Text(r io.Reader, limit int64) (string, error) {
	var b strings.Builder
	if sized, ok := r.(interface{ Len() int }); ok { // a reader of memory
		b.Grow(int(min(int64(sized.Len()), limit+1)))
	}
	n, err := io.Copy(&b, io.LimitReader(r, limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)
	}
	return b.String(), err
}

// A Reader reads a JSON text once. Each of Object, Array, String and Skip reads the next value.
// The first three ignore null, as encoding/json does. Keys are case-sensitive. After the first
// error the reader skips the rest. Strings share the memory of the text.
type Reader struct {
	s             string
	i             int
	limits        Limits
	values, depth int
	err           error
}

// New returns a reader of a text. The limit of bytes is that of Text.
func New(s string, limits Limits) Reader { return Reader{s: s, limits: limits} }

// Err returns the first error so far.
func (r *Reader) Err() error { return r.err }

// Values returns how many values were read.
func (r *Reader) Values() int { return r.values }

// Position returns how many bytes were read, and how many follow.
func (r *Reader) Position() (read, rest int) { return r.i, len(r.s) - r.i }

// End returns the first error. Data after the text is an error.
func (r *Reader) End() error {
	r.Peek()
	if r.i < len(r.s) {
		r.unexpected("the end")
	}
	return r.err
}

func (r *Reader) fail(format string, args ...any) {
	r.Stop(fmt.Errorf("at byte %d: %s", r.i, fmt.Sprintf(format, args...)))
}

// Stop ends the reading with an error.
func (r *Reader) Stop(err error) {
	if r.err == nil {
		r.err = err
	}
	r.i = len(r.s)
}

// Peek returns the next byte that is not a space, or 0 at the end.
func (r *Reader) Peek() byte {
	if r.i < len(r.s) && r.s[r.i] > ' ' { // the usual case
		return r.s[r.i]
	}
	return r.space()
}

// space skips spaces and returns the next byte, or 0 at the end.
func (r *Reader) space() byte {
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
func (r *Reader) accept(c byte) bool {
	if r.Peek() != c {
		return false
	}
	r.i++
	return true
}

// value counts one more value.
func (r *Reader) value() {
	if r.values++; r.values > r.limits.Values {
		r.Stop(fmt.Errorf("%w: more than %d values", ErrTooLarge, r.limits.Values))
	}
}

// Object calls member for each member of an object, also for a repeated key. member must read
// the value.
func (r *Reader) Object(member func(key string)) {
	for more := r.open('{', '}', "an object"); more; more = r.more('}', "an object") {
		if r.Peek() != '"' {
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

// Array calls element for each element of an array. element must read the value.
func (r *Reader) Array(element func()) {
	for more := r.open('[', ']', "a list"); more; more = r.more(']', "a list") {
		element()
	}
}

// open reads the start of an object or array. It reports whether that has content. what is
// for errors.
func (r *Reader) open(opening, closing byte, what string) bool {
	if !r.accept(opening) {
		r.null(what)
		return false
	}
	r.value()
	if r.depth++; r.depth > r.limits.Depth {
		r.Stop(fmt.Errorf("%w: more than %d levels", ErrTooDeep, r.limits.Depth))
	}
	if r.accept(closing) {
		r.depth--
		return false
	}
	return r.err == nil
}

// more reads a comma or the end of an object or array. It reports whether something
// follows.
func (r *Reader) more(closing byte, what string) bool {
	if r.accept(',') {
		return true
	}
	r.depth--
	if !r.accept(closing) {
		r.unexpected("a comma or the end of " + what)
	}
	return false
}

// List reads an array into to. It replaces the elements of to and reuses their memory.
func List[T any](r *Reader, to *[]T, element func(*T)) {
	*to = (*to)[:0]
	r.Array(func() {
		var none T
		*to = append(*to, none)
		element(&(*to)[len(*to)-1])
	})
}

// String reads a string.
func (r *Reader) String(to *string) {
	if r.Peek() != '"' {
		r.null("a string")
		return
	}
	r.value()
	*to = r.quoted()
}

// null reads null in place of the wanted value.
func (r *Reader) null(wanted string) {
	r.value()
	at := r.i
	if r.word() != "null" {
		r.i = min(at, r.i)
		r.unexpected(wanted)
	}
}

// unexpected reports that something other than the wanted value is next.
func (r *Reader) unexpected(wanted string) {
	if r.Peek() == 0 && r.i == len(r.s) {
		r.fail("unexpected end, want %s", wanted)
		return
	}
	r.fail("unexpected %.20q, want %s", r.s[r.i:], wanted)
}

// Skip skips a value of any type.
func (r *Reader) Skip() {
	switch r.Peek() {
	case '{':
		r.Object(func(string) { r.Skip() })
	case '[':
		r.Array(r.Skip)
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
func (r *Reader) word() string {
	r.Peek()
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
func (r *Reader) quoted() string {
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
				r.Stop(fmt.Errorf("at byte %d: %w", start, err))
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
