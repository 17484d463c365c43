package php

import (
	"bufio"
	"fmt"
	"io"
)

const (
	maxDepth = 512
	// maxText bounds the strings that are kept. Longer ones, the texts of a
	// package, are read past.
	maxText = 1 << 10
)

// A serial goes through what PHP's serialize has made, from its beginning, and
// keeps nothing of it: null, booleans, numbers, strings and arrays, which is all
// that PEAR writes.
//
//	N;  b:1;  i:-3;  d:0.5;  s:5:"bytes";  a:2:{key value key value}
type serial struct {
	r       *bufio.Reader
	depth   int
	pending bool // the value of a key was not yet read
}

func newSerial(r io.Reader) *serial {
	return &serial{r: bufio.NewReader(r)}
}

// array reads the next value and reports whether it is an array. It calls member
// for each key, "" for one that is a number; a value that member leaves is read
// past.
func (s *serial) array(member func(key string) error) (bool, error) {
	s.pending = false
	c, err := s.kind()
	if err != nil {
		return false, err
	}
	if c != 'a' {
		return false, s.skip(c)
	}
	if s.depth == maxDepth {
		return false, fmt.Errorf("nested more than %d deep", maxDepth)
	}
	s.depth++
	n, err := s.count('{')
	if err != nil {
		return false, err
	}
	for range n {
		c, err := s.kind()
		if err != nil {
			return false, err
		}
		if c != 'i' && c != 's' {
			return false, fmt.Errorf("key of kind %q", c)
		}
		key, _, err := s.string()
		if err != nil {
			return false, err
		}
		s.pending = true
		if member != nil {
			if err := member(key); err != nil {
				return false, err
			}
		}
		if s.pending {
			s.pending = false
			c, err := s.kind()
			if err != nil {
				return false, err
			}
			if err := s.skip(c); err != nil {
				return false, err
			}
		}
	}
	s.depth--
	return true, s.expect("}")
}

// string reads the next value and returns it if it is a string of no more than
// maxText bytes.
func (s *serial) string() (string, bool, error) {
	s.pending = false
	c, err := s.kind()
	if err != nil {
		return "", false, err
	}
	if c != 's' {
		return "", false, s.skip(c)
	}
	n, err := s.count('"')
	if err != nil {
		return "", false, err
	}
	if n > maxText {
		return "", false, s.discard(n)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(s.r, text); err != nil {
		return "", false, unexpected(err)
	}
	return string(text), true, s.expect(`";`)
}

// kind returns the letter that the next value begins with.
func (s *serial) kind() (byte, error) {
	b, err := s.r.Peek(1)
	if err != nil {
		return 0, unexpected(err)
	}
	return b[0], nil
}

// skip reads past a value of kind c, which is next.
func (s *serial) skip(c byte) error {
	switch c {
	case 'a':
		_, err := s.array(nil)
		return err
	case 's':
		n, err := s.count('"')
		if err != nil {
			return err
		}
		return s.discard(n)
	case 'N', 'b', 'i', 'd':
		const maxScalar = 64
		for range maxScalar {
			c, err := s.r.ReadByte()
			if err != nil {
				return unexpected(err)
			}
			if c == ';' {
				return nil
			}
		}
		return fmt.Errorf("value of kind %q without an end", c)
	}
	return fmt.Errorf("value of kind %q", c)
}

// discard reads past the bytes of a string and what ends it.
func (s *serial) discard(n int) error {
	if _, err := s.r.Discard(n); err != nil {
		return unexpected(err)
	}
	return s.expect(`";`)
}

// count reads what is before a string or an array: its kind, the number of its
// bytes or members, and the byte open that it begins with.
func (s *serial) count(open byte) (int, error) {
	if _, err := s.r.Discard(1); err != nil {
		return 0, unexpected(err)
	}
	if err := s.expect(":"); err != nil {
		return 0, err
	}
	n := 0
	for digits := 0; ; digits++ {
		c, err := s.r.ReadByte()
		switch {
		case err != nil:
			return 0, unexpected(err)
		case c == ':' && digits > 0:
			return n, s.expect(string(open))
		case c < '0' || c > '9' || n > Limit:
			return 0, fmt.Errorf("length with %q after %d digits", c, digits)
		}
		n = 10*n + int(c-'0')
	}
}

func (s *serial) expect(text string) error {
	for i := range len(text) {
		c, err := s.r.ReadByte()
		if err != nil {
			return unexpected(err)
		}
		if c != text[i] {
			return fmt.Errorf("%q in place of %q", c, text[i])
		}
	}
	return nil
}

// unexpected tells of the end of a record within a value.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
