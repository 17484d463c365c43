// Package rpm orders the versions of rpm packages, [epoch:]version[-release],
// as rpm does (rpmverCmp in rpmio/rpmver.c, rpmvercmp in rpmio/rpmvercmp.c).
package rpm

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

// Compare returns -1, 0 or +1 if a is older than, equal to or newer than b. It does not
// allocate.
//
// A missing epoch is 0, so "0:1.2-3.el8" equals "1.2-3.el8". A missing release is older
// than any other, including the empty one, as when rpm compares two packages and in
// rpm.vercmp and rpm.labelCompare. When rpm matches dependencies, a missing release
// matches every release. That is not an order (1-1 and 1-2 would both equal 1, but not
// each other), so Compare does not do it.
//
// Characters that are not digits, ASCII letters, tildes or carets only separate, including
// letters of other scripts, so 1_2 equals 1.2.
//
// As in rpm, an empty version is an error. So is a version with a NUL byte, which rpm
// cannot have. All other versions can be compared.
func Compare(a, b string) (int, error) {
	if err := usable(a); err != nil {
		return 0, err
	}
	if err := usable(b); err != nil {
		return 0, err
	}
	if a == b {
		return 0, nil
	}
	va, vb := parse(a), parse(b)
	if c := compareParts(va.epoch, vb.epoch); c != 0 {
		return c, nil
	}
	if c := compareParts(va.version, vb.version); c != 0 {
		return c, nil
	}
	if va.released != vb.released {
		if va.released {
			return 1, nil
		}
		return -1, nil
	}
	return compareParts(va.release, vb.release), nil
}

var (
	errEmpty = errors.New("is empty")
	errNUL   = errors.New("has a NUL byte")
)

// maxShown bounds the bytes of a version in an error.
const maxShown = 100

// usable returns an error for a version that rpm rejects.
func usable(s string) error {
	var err error
	switch {
	case s == "":
		err = errEmpty
	case strings.IndexByte(s, 0) >= 0:
		err = errNUL
	default:
		return nil
	}
	if len(s) > maxShown {
		s = s[:maxShown] + "..."
	}
	return fmt.Errorf("version %q %w", s, err)
}

// A version is a parsed version.
type version struct {
	epoch, version, release string
	released                bool // there is a release, which may be empty
}

func parse(s string) version {
	v := version{epoch: "0"}
	i := 0
	for i < len(s) && digit(s[i]) {
		i++
	}
	if i < len(s) && s[i] == ':' {
		if i > 0 {
			v.epoch = s[:i]
		}
		s = s[i+1:]
	}
	v.version = s
	if i := strings.LastIndexByte(s, '-'); i >= 0 {
		v.version, v.release, v.released = s[:i], s[i+1:], true
	}
	return v
}

// compareParts is rpmvercmp: it compares two epochs, versions or releases segment by
// segment, each a run of digits or of letters.
func compareParts(a, b string) int {
	i := sharedStart(a, b)
	j := i
	for {
		i = skip(a, i, separator)
		j = skip(b, j, separator)
		ra, rb := rank(a, i), rank(b, j)
		if ra != rb {
			return cmp.Compare(ra, rb)
		}
		startA, startB := i, j
		switch ra {
		case end:
			return 0
		case tilde, caret:
			i++
			j++
			continue
		case letters:
			i = skip(a, i, letter)
			j = skip(b, j, letter)
		case number:
			startA, i = digits(a, i)
			startB, j = digits(b, j)
			// The longer number is the greater one.
			if c := cmp.Compare(i-startA, j-startB); c != 0 {
				return c
			}
		}
		if c := strings.Compare(a[startA:i], b[startB:j]); c != 0 {
			return c
		}
	}
}

// sharedStart returns the length of the text that both a and b begin with, without a
// segment that may go on after it.
func sharedStart(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	for i > 0 && (digit(a[i-1]) || letter(a[i-1])) {
		i--
	}
	return i
}

// skip returns the end of the run of characters of a class that begins at i.
func skip(s string, i int, class func(byte) bool) int {
	for i < len(s) && class(s[i]) {
		i++
	}
	return i
}

// digits returns the first digit that counts and the end of the number that begins at i.
func digits(s string, i int) (start, end int) {
	end = skip(s, i, digit)
	for i < end && s[i] == '0' {
		i++
	}
	return i, end
}

// What can be at a place of a version, in its order: the tilde before the end, the
// caret after it, and numbers after letters.
const (
	tilde = iota
	end
	caret
	letters
	number
)

func rank(s string, i int) int {
	switch {
	case i == len(s):
		return end
	case s[i] == '~':
		return tilde
	case s[i] == '^':
		return caret
	case digit(s[i]):
		return number
	default:
		return letters
	}
}

func separator(c byte) bool { return !digit(c) && !letter(c) && c != '~' && c != '^' }
func digit(c byte) bool     { return '0' <= c && c <= '9' }
func letter(c byte) bool    { return 'a' <= c|0x20 && c|0x20 <= 'z' }
