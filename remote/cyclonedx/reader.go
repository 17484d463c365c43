package cyclonedx

import (
	"encoding/json"
	"fmt"
	"strings"
)

// A reader goes through a JSON text (RFC 8259) once. Each of object, array, text
// and skip reads the value that is next; null is read as nothing at all by the
// first three, as encoding/json does. Keys are compared as they stand. After the
// first error all that is left is read past without a look.
type reader struct {
	s             string
	i             int
	limits        Limits
	values, depth int
	err           error
}

func newReader(s string, limits Limits) reader { return reader{s: s, limits: limits} }

// end returns the first error; that something follows the text is one.
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

// peek returns the next byte that is no space, 0 at the end.
func (r *reader) peek() byte {
	for ; r.i < len(r.s); r.i++ {
		switch c := r.s[r.i]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// accept reads past c if it is next.
func (r *reader) accept(c byte) bool {
	if r.peek() != c || c == 0 {
		return false
	}
	r.i++
	return true
}

// value counts one more.
func (r *reader) value() {
	if r.values++; r.values > r.limits.Values {
		r.stop(fmt.Errorf("%w: more than %d values", ErrTooLarge, r.limits.Values))
	}
}

// object calls member for each member of an object, a key that is there twice
// included. member must read its value.
func (r *reader) object(member func(key string)) {
	r.nested('{', '}', "an object", func() {
		if r.peek() != '"' {
			r.unexpected("a name")
			return
		}
		key := r.quoted()
		if !r.accept(':') {
			r.unexpected("a colon")
			return
		}
		member(key)
	})
}

// array calls element for each element of an array. element must read it.
func (r *reader) array(element func()) { r.nested('[', ']', "a list", element) }

// nested reads what stands between open and closing, parted by commas.
func (r *reader) nested(open, closing byte, what string, each func()) {
	if !r.accept(open) {
		r.null(what)
		return
	}
	r.value()
	if r.depth++; r.depth > r.limits.Depth {
		r.stop(fmt.Errorf("%w: nested more than %d deep", ErrTooLarge, r.limits.Depth))
	}
	for more := !r.accept(closing); more && r.err == nil; {
		each()
		if more = !r.accept(closing); more && !r.accept(',') {
			r.unexpected("a comma or the end of " + what)
		}
	}
	r.depth--
}

// list reads an array into to, an element at a time.
func list[T any](r *reader, to *[]T, element func(*T)) {
	*to = nil
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

// null reads null in the place of what is wanted.
func (r *reader) null(wanted string) {
	r.value()
	at := r.i
	if r.word() != "null" {
		r.i = min(at, r.i)
		r.unexpected(wanted)
	}
}

// unexpected says that something else than what is wanted is next.
func (r *reader) unexpected(wanted string) {
	if r.peek() == 0 && r.i == len(r.s) {
		r.fail("unexpected end, %s is missing", wanted)
		return
	}
	r.fail("unexpected %.20q in the place of %s", r.s[r.i:], wanted)
}

// skip reads past any value.
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

// word reads a number or one of the words of JSON, whatever stands there.
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

// quoted reads the string that is next. What has escapes or is not ASCII is left
// to encoding/json, by which bytes that are not UTF-8 become U+FFFD.
func (r *reader) quoted() string {
	start, plain := r.i, true
	for i := start + 1; i < len(r.s); i++ {
		switch c := r.s[i]; {
		case c == '"':
			r.i = i + 1
			if plain {
				return r.s[start+1 : i]
			}
			var s string
			if err := json.Unmarshal([]byte(r.s[start:r.i]), &s); err != nil {
				r.stop(fmt.Errorf("at byte %d: %w", start, err))
			}
			return s
		case c == '\\':
			plain = false
			i++
		case c < ' ':
			r.i = i
			r.unexpected("a character of a string")
			return ""
		case c >= 0x80:
			plain = false
		}
	}
	r.i = len(r.s)
	r.unexpected("the end of a string")
	return ""
}
