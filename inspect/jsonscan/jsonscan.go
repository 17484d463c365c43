// Package jsonscan reads JSON (RFC 8259) once, from beginning to end, without keeping
// it: memory is small and does not depend on the file. Readers use it to get a few
// short strings from large files.
package jsonscan

import (
	"errors"
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"

	"assay/inspect/ident"
)

const (
	// MaxText bounds a key and a requested string, in bytes.
	MaxText = 4 << 10
	// MaxDepth bounds the nesting of objects and arrays. PHP's own parser has the same
	// bound.
	MaxDepth = 512

	bufSize = 4 << 10
)

// A Scanner reads one JSON text. Each of Object, Array, String and Skip reads the next
// value. The first error ends the scan: an error of the reader, io.ErrUnexpectedEOF, or
// one that says what is invalid or beyond a bound, and where. Bytes that are not UTF-8
// are kept. Of a number that is skipped, only the characters are checked.
type Scanner struct {
	r       io.Reader
	buf     [bufSize]byte
	i, n    int   // the unread part of buf
	base    int64 // offset of buf in the text
	readErr error
	text    []byte
	half    rune // the last \u escape in text, and where it ends there
	halfEnd int
	depth   int
	pending bool // the value of a member or an element has not been read yet
}

// New returns a Scanner of r. It skips a byte order mark.
func New(r io.Reader) *Scanner {
	return &Scanner{r: r}
}

// Object reads the next value and reports whether it is an object. It calls member for
// each member in the order of the text, including repeated keys. If member does not
// read the value, it is skipped. An error of member ends the scan and is returned.
func (s *Scanner) Object(member func(key string) error) (bool, error) {
	s.pending = false
	c, err := s.peek()
	if err != nil {
		return false, err
	}
	if c != '{' {
		return false, s.skip(c)
	}
	return true, s.object(member)
}

// Array is Object for an array and its elements.
func (s *Scanner) Array(element func() error) (bool, error) {
	s.pending = false
	c, err := s.peek()
	if err != nil {
		return false, err
	}
	if c != '[' {
		return false, s.skip(c)
	}
	return true, s.array(element)
}

// String reads the next value and returns it if it is a string. A string of more than
// MaxText bytes is an error. An unpaired surrogate becomes U+FFFD.
func (s *Scanner) String() (text string, ok bool, err error) {
	s.pending = false
	c, err := s.peek()
	if err != nil {
		return "", false, err
	}
	if c != '"' {
		return "", false, s.skip(c)
	}
	text, err = s.string()
	return text, err == nil, err
}

// Skip reads the next value and ignores it.
func (s *Scanner) Skip() error {
	s.pending = false
	c, err := s.peek()
	if err != nil {
		return err
	}
	return s.skip(c)
}

// IsArray reports whether the next value is an array. It does not read the value.
func (s *Scanner) IsArray() (bool, error) {
	c, err := s.peek()
	return c == '[', err
}

// End returns an error unless only white space follows.
func (s *Scanner) End() error {
	c, err := s.peek()
	switch {
	case err == nil:
		return s.unexpected(c)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil
	}
	return err
}

func (s *Scanner) object(member func(key string) error) error {
	return s.list('}', func() error {
		c, err := s.peek()
		if err != nil {
			return err
		}
		if c != '"' {
			return s.unexpected(c)
		}
		var key string
		if member == nil {
			err = s.skipString()
		} else {
			key, err = s.string()
		}
		if err != nil {
			return err
		}
		if c, err = s.peek(); err != nil {
			return err
		}
		if c != ':' {
			return s.unexpected(c)
		}
		s.i++
		s.pending = true
		if member == nil {
			return nil
		}
		return member(key)
	})
}

func (s *Scanner) array(element func() error) error {
	return s.list(']', func() error {
		s.pending = true
		if element == nil {
			return nil
		}
		return element()
	})
}

// list reads an object or an array; its opening bracket is next. item reads what is
// between the commas; it may leave the value unread.
func (s *Scanner) list(end byte, item func() error) error {
	if s.depth == MaxDepth {
		return fmt.Errorf("nested more than %d deep at byte %d", MaxDepth, s.offset())
	}
	s.depth++
	s.i++
	for first := true; ; first = false {
		c, err := s.peek()
		if err != nil {
			return err
		}
		switch {
		case c == end && first:
			s.i++
			s.depth--
			return nil
		case c == ']' || c == '}':
			return s.unexpected(c)
		}
		if err := item(); err != nil {
			return err
		}
		if s.pending {
			if err := s.Skip(); err != nil {
				return err
			}
		}
		if c, err = s.peek(); err != nil {
			return err
		}
		switch c {
		case ',':
			s.i++
		case end:
			s.i++
			s.depth--
			return nil
		default:
			return s.unexpected(c)
		}
	}
}

// skip reads and ignores a value. c is its first byte, which is next.
func (s *Scanner) skip(c byte) error {
	switch {
	case c == '{':
		return s.object(nil)
	case c == '[':
		return s.array(nil)
	case c == '"':
		return s.skipString()
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	case c == '-' || ident.IsDigit(c):
		return s.number()
	}
	return s.unexpected(c)
}

func (s *Scanner) literal(text string) error {
	for i := range len(text) {
		c, err := s.next()
		if err != nil {
			return err
		}
		if c != text[i] {
			s.i--
			return s.unexpected(c)
		}
	}
	return nil
}

// number skips the characters that numbers consist of.
func (s *Scanner) number() error {
	for s.i < s.n || s.fill() {
		switch c := s.buf[s.i]; {
		case ident.IsDigit(c), c == '-', c == '+', c == '.', c == 'e', c == 'E':
			s.i++
		default:
			return nil
		}
	}
	if s.readErr != io.EOF {
		return s.readErr
	}
	return nil
}

// string reads a string and returns its value. The opening quote is next.
func (s *Scanner) string() (string, error) {
	s.i++
	s.text, s.half = s.text[:0], 0
	for {
		s.text = append(s.text, s.plain()...)
		if len(s.text) > MaxText {
			return "", fmt.Errorf("string of more than %d bytes at byte %d", MaxText, s.offset())
		}
		c, err := s.next()
		switch {
		case err != nil:
			return "", err
		case c == '"':
			return string(s.text), nil
		case c < ' ':
			s.i--
			return "", s.unexpected(c)
		case c == '\\':
			if err := s.escape(); err != nil {
				return "", err
			}
		default:
			s.text = append(s.text, c)
		}
	}
}

// plain returns the part of the buffered string before the next quote, escape or
// control character.
func (s *Scanner) plain() []byte {
	rest := s.buf[s.i:s.n]
	for i, c := range rest {
		if c == '"' || c == '\\' || c < ' ' {
			rest = rest[:i]
			break
		}
	}
	s.i += len(rest)
	return rest
}

func (s *Scanner) skipString() error {
	s.i++
	for {
		s.plain()
		c, err := s.next()
		switch {
		case err != nil:
			return err
		case c == '"':
			return nil
		case c < ' ':
			s.i--
			return s.unexpected(c)
		case c == '\\':
			s.text, s.half = s.text[:0], 0
			if err := s.escape(); err != nil {
				return err
			}
		}
	}
}

// escape reads what follows a backslash and appends the character to text.
func (s *Scanner) escape() error {
	c, err := s.next()
	if err != nil {
		return err
	}
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		return s.unicode()
	default:
		s.i--
		return s.unexpected(c)
	}
	s.text = append(s.text, c)
	return nil
}

// unicode reads four hex digits. The second half of a surrogate pair replaces what was
// appended for the first.
func (s *Scanner) unicode() error {
	r, err := s.hex4()
	if err != nil {
		return err
	}
	if pair := utf16.DecodeRune(s.half, r); pair != utf8.RuneError && s.halfEnd == len(s.text) {
		s.text = s.text[:len(s.text)-utf8.RuneLen(utf8.RuneError)]
		r = pair
	}
	s.text = utf8.AppendRune(s.text, r) // a surrogate half becomes U+FFFD
	s.half, s.halfEnd = r, len(s.text)
	return nil
}

func (s *Scanner) hex4() (rune, error) {
	var r rune
	for range 4 {
		c, err := s.next()
		if err != nil {
			return 0, err
		}
		switch {
		case ident.IsDigit(c):
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			s.i--
			return 0, s.unexpected(c)
		}
	}
	return r, nil
}

// peek returns the next byte that is not white space, without reading it.
func (s *Scanner) peek() (byte, error) {
	for {
		for ; s.i < s.n; s.i++ {
			if c := s.buf[s.i]; c != ' ' && c != '\n' && c != '\t' && c != '\r' {
				return c, nil
			}
		}
		if _, err := s.next(); err != nil {
			return 0, err
		}
		s.i-- // it is a byte of the next token
	}
}

// next reads a byte. s.i-- undoes it until the next read.
func (s *Scanner) next() (byte, error) {
	if s.i == s.n && !s.fill() {
		if s.readErr == io.EOF {
			return 0, io.ErrUnexpectedEOF
		}
		return 0, s.readErr
	}
	s.i++
	return s.buf[s.i-1], nil
}

// fill reads more text and reports whether there is any.
func (s *Scanner) fill() bool {
	if s.readErr != nil {
		return false
	}
	const bom = "\ufeff"
	least := 1
	first := s.base == 0 && s.n == 0
	if first {
		least = len(bom)
	}
	s.base += int64(s.n)
	s.i = 0
	s.n, s.readErr = io.ReadAtLeast(s.r, s.buf[:], least)
	if s.readErr == io.ErrUnexpectedEOF {
		s.readErr = io.EOF // shorter than a byte order mark
	}
	if first && string(s.buf[:min(s.n, len(bom))]) == bom {
		s.i = len(bom)
	}
	return s.i < s.n || s.fill()
}

func (s *Scanner) offset() int64 { return s.base + int64(s.i) }

// unexpected returns an error for c, the next byte.
func (s *Scanner) unexpected(c byte) error {
	return fmt.Errorf("unexpected %q at byte %d", c, s.offset())
}
