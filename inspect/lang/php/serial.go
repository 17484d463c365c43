package php

import (
	"bufio"
	"fmt"
	"io"

	"assay/inspect/readat"
)

const (
	maxDepth = 512
	// maxText bounds the strings that are kept. Longer ones, such as a package's
	// descriptions, are skipped.
	maxText = 1 << 10
)

// A serial reads the output of PHP's serialize from beginning to end without keeping
// it: null, booleans, numbers, strings and arrays, which are all that PEAR writes.
//
//	N;  b:1;  i:-3;  d:0.5;  s:5:"bytes";  a:2:{key value key value}
type serial struct {
	r       *bufio.Reader
	depth   int
	pending bool // the value of a key has not been read yet
}

func newSerial(r io.Reader) *serial {
	return &serial{r: bufio.NewReader(r)}
}

// array reads the next value and reports whether it is an array. It calls member for
// each key; a numeric key is "". If member does not read the value, it is skipped.
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
			return false, fmt.Errorf("invalid key of type %q", c)
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

// string reads the next value and returns it if it is a string of at most maxText
// bytes.
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
		return "", false, readat.Unexpected(err)
	}
	return string(text), true, s.expect(`";`)
}

// kind returns the first letter of the next value, which is its type.
func (s *serial) kind() (byte, error) {
	b, err := s.r.Peek(1)
	if err != nil {
		return 0, readat.Unexpected(err)
	}
	return b[0], nil
}

// skip reads and ignores the next value, which has type c.
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
				return readat.Unexpected(err)
			}
			if c == ';' {
				return nil
			}
		}
		return fmt.Errorf("value of type %q is not terminated", c)
	}
	return fmt.Errorf("unsupported type %q", c)
}

// discard skips the bytes of a string and its end.
func (s *serial) discard(n int) error {
	if _, err := s.r.Discard(n); err != nil {
		return readat.Unexpected(err)
	}
	return s.expect(`";`)
}

// count reads what precedes a string or an array: its type, its length, and the opening
// byte.
func (s *serial) count(open byte) (int, error) {
	if _, err := s.r.Discard(1); err != nil {
		return 0, readat.Unexpected(err)
	}
	if err := s.expect(":"); err != nil {
		return 0, err
	}
	n := 0
	for digits := 0; ; digits++ {
		c, err := s.r.ReadByte()
		switch {
		case err != nil:
			return 0, readat.Unexpected(err)
		case c == ':' && digits > 0:
			return n, s.expect(string(open))
		case c < '0' || c > '9' || n > Limit:
			return 0, fmt.Errorf("invalid length: %q after %d digits", c, digits)
		}
		n = 10*n + int(c-'0')
	}
}

func (s *serial) expect(text string) error {
	for i := range len(text) {
		c, err := s.r.ReadByte()
		if err != nil {
			return readat.Unexpected(err)
		}
		if c != text[i] {
			return fmt.Errorf("unexpected %q, want %q", c, text[i])
		}
	}
	return nil
}
