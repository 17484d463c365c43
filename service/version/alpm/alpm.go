// Package alpm orders the versions of pacman's packages, [epoch:]version[-release], as
// pacman does (vercmp(8), alpm_pkg_vercmp in lib/libalpm/version.c). The order is that of an
// early rpm: it has no tilde and no caret, and separators count.
package alpm

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

// Compare returns -1, 0 or +1 if a is older than, equal to or newer than b.
//
// A missing epoch is 0. A missing release is older than any other: to pacman it equals every
// release, which is not an order. Packages always have a release.
//
// An empty version and one with a NUL byte are errors, because pacman cannot have them.
func Compare(a, b string) (int, error) {
	if err := errors.Join(usable(a), usable(b)); err != nil {
		return 0, err
	}
	va, vb := parse(a), parse(b)
	if c := cmp.Or(compareParts(va.epoch, vb.epoch), compareParts(va.version, vb.version)); c != 0 {
		return c, nil
	}
	if va.released && vb.released {
		return compareParts(va.release, vb.release), nil
	}
	return cmp.Compare(number(va.released), number(vb.released)), nil
}

// maxShown bounds the bytes of a version in an error.
const maxShown = 100

// usable returns an error for a version that a package cannot have.
func usable(s string) error {
	switch {
	case s == "":
		return errors.New(`version "" is empty`)
	case strings.IndexByte(s, 0) >= 0:
		return fmt.Errorf("version %q has a NUL byte", s[:min(len(s), maxShown)])
	}
	return nil
}

// A version is a parsed version.
type version struct {
	epoch, version, release string
	released                bool // there is a release, which may be empty
}

func parse(s string) version {
	v := version{epoch: "0"}
	if i := skip(s, 0, digit); i < len(s) && s[i] == ':' {
		v.epoch = cmp.Or(s[:i], "0")
		s = s[i+1:]
	}
	v.version = s
	if i := strings.LastIndexByte(s, '-'); i >= 0 {
		v.version, v.release, v.released = s[:i], s[i+1:], true
	}
	return v
}

// compareParts compares two epochs, versions or releases segment by segment, each a run of
// digits or of letters.
func compareParts(a, b string) int {
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		startA, startB := skip(a, i, separator), skip(b, j, separator)
		separatorsA, separatorsB := startA-i, startB-j
		i, j = startA, startB
		if i == len(a) || j == len(b) {
			break
		}
		if c := cmp.Compare(separatorsA, separatorsB); c != 0 {
			return c
		}
		class := letter
		if digit(a[i]) {
			class = digit
		}
		i, j = skip(a, i, class), skip(b, j, class)
		if j == startB { // a number is newer than letters
			return cmp.Or(number(digit(a[startA])), -1)
		}
		if c := compareSegments(a[startA:i], b[startB:j], digit(a[startA])); c != 0 {
			return c
		}
	}
	switch {
	case i == len(a) && j == len(b):
		return 0
	case i == len(a):
		return cmp.Or(number(letter(b[j])), -1) // letters that remain make a version older
	case letter(a[i]):
		return -1
	}
	return 1
}

// compareSegments compares two runs of the same class.
func compareSegments(a, b string, numbers bool) int {
	if numbers {
		a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		if c := cmp.Compare(len(a), len(b)); c != 0 {
			return c
		}
	}
	return strings.Compare(a, b)
}

// skip returns the end of the run of characters of a class that begins at i.
func skip(s string, i int, class func(byte) bool) int {
	for i < len(s) && class(s[i]) {
		i++
	}
	return i
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

func separator(c byte) bool { return !digit(c) && !letter(c) }
func digit(c byte) bool     { return '0' <= c && c <= '9' }
func letter(c byte) bool    { return 'a' <= c|0x20 && c|0x20 <= 'z' }
