// Package jsonscan goes through JSON (RFC 8259) once, from its beginning to its
// end, and keeps nothing of it: a file of any size and form takes the same small
// memory. The readers of records use it that want a few short strings of large
// files.
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
	// MaxText bounds the bytes of a key and of a string that is asked for.
	MaxText = 4 << 10
	// MaxDepth bounds how deep objects and arrays may be nested; PHP's own reader
	// has the same bound.
	MaxDepth = 512

	bufSize = 4 << 10
)

// A Scanner reads one JSON text. Each of Object, Array, String and Skip reads
// the value that is next and leaves the Scanner behind it. The first error ends
// the scan: one of the reader, io.ErrUnexpectedEOF, or one that names what is no
// JSON or beyond a bound and where. Bytes that are not UTF-8 are kept as they
// are, and of the number in a value nobody asks for only its characters are
// looked at.
type Scanner struct {
	r       io.Reader
	buf     [bufSize]byte
	i, n    int   // what is left of buf
	base    int64 // offset of buf in the text
	readErr error
	text    []byte
	half    rune // the last \u escape of text, and where it ends there
	halfEnd int
	depth   int
	pending bool // the value of a member or an element was not yet read
}

// New returns a Scanner of r. A byte order mark before the text is read past.
func New(r io.Reader) *Scanner {
	return &Scanner{r: r}
}

// Object reads the next value and reports whether it is an object. Of an object
// it calls member for each member in the order of the text, a key that is there
// twice included; member reads the value or leaves it, and then it is read past.
// An error of member ends the scan and is returned.
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

// String reads the next value and returns it if it is a string. One of more than
// MaxText bytes is an error. Half a surrogate pair is U+FFFD.
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

// Skip reads past the next value.
func (s *Scanner) Skip() error {
	s.pending = false
	c, err := s.peek()
	if err != nil {
		return err
	}
	return s.skip(c)
}

// IsArray reports whether the next value is an array, and reads nothing of it.
func (s *Scanner) IsArray() (bool, error) {
	c, err := s.peek()
	return c == '[', err
}

// End returns an error unless nothing but white space follows.
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

// list reads an object or an array, whose opening bracket is next. item reads
// what stands between the commas, but for the value if it leaves that.
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

// skip reads past a value that begins with c, which is next.
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

// number reads past the characters that numbers are made of.
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

// string reads a string, whose quote is next, and returns what it says.
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

// plain reads what is in the buffer of a string that stands for itself.
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

// escape reads what follows a backslash and adds to text what it stands for.
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

// unicode reads four digits. The second half of a surrogate pair replaces what
// stands for the first.
func (s *Scanner) unicode() error {
	r, err := s.hex4()
	if err != nil {
		return err
	}
	if pair := utf16.DecodeRune(s.half, r); pair != utf8.RuneError && s.halfEnd == len(s.text) {
		s.text = s.text[:len(s.text)-utf8.RuneLen(utf8.RuneError)]
		r = pair
	}
	s.text = utf8.AppendRune(s.text, r) // half a pair is U+FFFD
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

// peek returns the next byte that is no white space, and does not read it.
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
		s.i-- // a byte of the next part of the text
	}
}

// next reads a byte. It may be given back with s.i-- until the next is read.
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

// fill reads on, and reports whether there is a byte.
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
		s.readErr = io.EOF // fewer bytes than a mark has
	}
	if first && string(s.buf[:min(s.n, len(bom))]) == bom {
		s.i = len(bom)
	}
	return s.i < s.n || s.fill()
}

func (s *Scanner) offset() int64 { return s.base + int64(s.i) }

// unexpected says that c, which is next, does not belong where it is.
func (s *Scanner) unexpected(c byte) error {
	return fmt.Errorf("unexpected %q at byte %d", c, s.offset())
}
