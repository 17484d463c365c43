// Package dpkg orders the versions of Debian packages as dpkg does, after
// deb-version(7) and section 5.6.12 of the Debian Policy Manual.
package dpkg

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strings"
)

// Compare returns -1, 0 or +1 if a is older than, equal to or newer than b. It does not
// allocate.
//
// A version that dpkg does not compare is an error: if it is empty or has blanks inside, if
// its epoch is empty, not a number, negative or above 2147483647, if nothing follows the
// epoch, or if the upstream version or the revision after a hyphen is empty. Blanks around
// a version are ignored.
//
// Versions that dpkg compares with a warning have the same order here: an upstream version
// that does not begin with a digit, and printable ASCII characters that versions must not
// have, which come after all others in the order of ASCII. Bytes outside printable ASCII
// are an error here, because dpkg's order of them depends on the machine.
func Compare(a, b string) (int, error) {
	va, err := parse(a)
	if err != nil {
		return 0, invalid(a, err)
	}
	vb, err := parse(b)
	if err != nil {
		return 0, invalid(b, err)
	}
	if va.epoch != vb.epoch {
		return cmp.Compare(va.epoch, vb.epoch), nil
	}
	if c := compareParts(va.upstream, vb.upstream); c != 0 {
		return c, nil
	}
	return compareParts(va.revision, vb.revision), nil
}

var (
	errEmpty       = errors.New("is empty")
	errBlank       = errors.New("has blanks inside")
	errByte        = errors.New("has bytes that are not printable ASCII")
	errEpochEmpty  = errors.New("has an empty epoch")
	errEpochNumber = errors.New("has an epoch that is not a number")
	errEpochSign   = errors.New("has a negative epoch")
	errEpochBig    = errors.New("has an epoch that is too big")
	errNothing     = errors.New("has an empty upstream version")
	errHyphen      = errors.New("has an empty revision")
)

// maxShown bounds the bytes of a version in an error.
const maxShown = 100

func invalid(s string, err error) error {
	if len(s) > maxShown {
		s = s[:maxShown] + "..."
	}
	return fmt.Errorf("version %q %w", s, err)
}

// A version is a parsed version. upstream is never empty.
type version struct {
	epoch              int64
	upstream, revision string
}

func parse(s string) (version, error) {
	s = strings.Trim(s, " \t")
	if s == "" {
		return version{}, errEmpty
	}
	for i := range len(s) {
		if c := s[i]; c-'!' > '~'-'!' { // below or above
			if c == ' ' || c == '\t' {
				return version{}, errBlank
			}
			return version{}, errByte
		}
	}
	colon, hyphen := strings.IndexByte(s, ':'), strings.LastIndexByte(s, '-')
	var v version
	if colon >= 0 {
		var err error
		if v.epoch, err = parseEpoch(s[:colon]); err != nil {
			return version{}, err
		}
	}
	// A hyphen before the colon is the sign of the epoch.
	if hyphen > colon {
		v.upstream, v.revision = s[colon+1:hyphen], s[hyphen+1:]
		if v.revision == "" {
			return version{}, errHyphen
		}
	} else {
		v.upstream = s[colon+1:]
	}
	if v.upstream == "" {
		return version{}, errNothing
	}
	return v, nil
}

// parseEpoch parses an epoch as strtol does, which accepts a sign.
func parseEpoch(s string) (int64, error) {
	digits := s
	if s != "" && (s[0] == '+' || s[0] == '-') {
		digits = s[1:]
	}
	if digits == "" {
		return 0, errEpochEmpty
	}
	n := int64(0)
	for i := range len(digits) {
		if !digit(digits[i]) {
			return 0, errEpochNumber
		}
		if n <= math.MaxInt32 { // above, further digits change nothing
			n = n*10 + int64(digits[i]-'0')
		}
	}
	switch {
	case n > 0 && s[0] == '-':
		return 0, errEpochSign
	case n > math.MaxInt32:
		return 0, errEpochBig
	}
	return n, nil
}

// compareParts compares two upstream versions or two revisions: in turns a run of other
// characters by weight and a run of digits by its number.
func compareParts(a, b string) int {
	i := sharedStart(a, b)
	j := i
	for i < len(a) || j < len(b) {
		for (i < len(a) && !digit(a[i])) || (j < len(b) && !digit(b[j])) {
			if c := cmp.Compare(weight(a, i), weight(b, j)); c != 0 {
				return c
			}
			i++
			j++
		}
		startA, endA := digits(a, i)
		startB, endB := digits(b, j)
		// The longer number is the greater one.
		if c := cmp.Compare(endA-startA, endB-startB); c != 0 {
			return c
		}
		if c := strings.Compare(a[startA:endA], b[startB:endB]); c != 0 {
			return c
		}
		i, j = endA, endB
	}
	return 0
}

// sharedStart returns the length of the text that both a and b begin with, without the
// digits of a number that may go on after it.
func sharedStart(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	for i > 0 && digit(a[i-1]) {
		i--
	}
	return i
}

// digits returns the first digit that counts and the end of the number that begins at i.
func digits(s string, i int) (start, end int) {
	for i < len(s) && s[i] == '0' {
		i++
	}
	start = i
	for i < len(s) && digit(s[i]) {
		i++
	}
	return start, i
}

// weight orders the characters of a run: the tilde comes before the end of the run, then
// letters, then all others.
func weight(s string, i int) int {
	if i >= len(s) || digit(s[i]) {
		return 0
	}
	switch c := s[i]; {
	case c == '~':
		return -1
	case letter(c):
		return int(c)
	default:
		return int(c) + 256
	}
}

func digit(c byte) bool  { return '0' <= c && c <= '9' }
func letter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
