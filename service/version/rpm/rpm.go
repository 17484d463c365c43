// Package rpm orders the versions of rpm packages, [epoch:]version[-release],
// as rpm does (rpmverCmp in rpmio/rpmver.c, rpmvercmp in rpmio/rpmvercmp.c).
package rpm

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

// Compare returns -1, 0 or +1 as a is older than, equal to or newer than b. It
// does not allocate.
//
// A missing epoch is 0, so "0:1.2-3.el8" equals "1.2-3.el8". A missing release
// is older than any other, the empty one too, as it is where rpm compares two
// packages and in rpm.vercmp and rpm.labelCompare. Where rpm matches
// dependencies, a side without release matches every release; that is no order
// (1-1 and 1-2 would equal 1 and not each other), and is not done here.
//
// What is no digit, ASCII letter, tilde or caret only separates, letters of
// other scripts too, so 1_2 equals 1.2.
//
// As for rpm, an empty version is an error. So is one with a NUL byte, which
// rpm cannot have. All others compare.
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

// maxShown bounds what an error repeats of a version.
const maxShown = 100

// usable returns what rpm has against a version.
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

// version is a version taken apart.
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

// compareParts is rpmvercmp: it compares two epochs, versions or releases
// segment by segment, each a run of digits or of letters.
func compareParts(a, b string) int {
	// What both begin with decides nothing, but for a segment that goes on.
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	for i > 0 && (digit(a[i-1]) || letter(a[i-1])) {
		i--
	}
	j := i
	for {
		for i < len(a) && separator(a[i]) {
			i++
		}
		for j < len(b) && separator(b[j]) {
			j++
		}
		ra, rb := rank(a, i), rank(b, j)
		if ra != rb {
			return cmp.Compare(ra, rb)
		}
		switch ra {
		case end:
			return 0
		case tilde, caret:
			i++
			j++
			continue
		}
		startA, startB := i, j
		if ra == letters {
			for i < len(a) && letter(a[i]) {
				i++
			}
			for j < len(b) && letter(b[j]) {
				j++
			}
		} else {
			for i < len(a) && digit(a[i]) {
				i++
			}
			for j < len(b) && digit(b[j]) {
				j++
			}
			for startA < i && a[startA] == '0' {
				startA++
			}
			for startB < j && b[startB] == '0' {
				startB++
			}
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

// What can stand at a place of a version, in its order: the tilde before the
// end, the caret after it, and numbers after letters.
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
