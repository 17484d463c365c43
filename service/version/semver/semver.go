// Package semver orders semantic versions (https://semver.org, section 11) and the variants
// that ecosystems use.
//
// It accepts more than the specification, because records and programs do not follow it: a
// leading "v"; any number of numeric parts, where missing ones are 0, so that 1.2 equals
// 1.2.0; and a pre-release without its hyphen, so that 1.0rc1 equals 1.0.0-rc1.
package semver

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

// Compare returns -1, 0 or +1 if a is older than, equal to or newer than b. Build metadata
// does not count. It does not allocate.
//
// It is an error if a version is empty, does not begin with a number, has an empty
// identifier in its pre-release ("1.0-", "1.0-a..b") or a character that is not printable
// ASCII.
func Compare(a, b string) (int, error) {
	va, vb, err := parseBoth(a, b)
	if err != nil {
		return 0, err
	}
	return va.compare(vb), nil
}

// CompareBuild is Compare for ecosystems in which build metadata decides between otherwise
// equal versions: Julia, whose binary packages count their builds in it, and Dart. A
// version with build metadata is newer than one without.
func CompareBuild(a, b string) (int, error) {
	va, vb, err := parseBoth(a, b)
	if err != nil {
		return 0, err
	}
	if c := va.compare(vb); c != 0 {
		return c, nil
	}
	if va.build == "" || vb.build == "" {
		return cmp.Compare(len(va.build), len(vb.build)), nil
	}
	return compareIdentifiers(va.build, vb.build), nil
}

// CompareRevision is Compare for Bitnami's packages, in which a number after a hyphen is
// the revision of the package and not a pre-release: 1.2.3-4 is newer than 1.2.3.
func CompareRevision(a, b string) (int, error) {
	va, vb, err := parseBoth(a, b)
	if err != nil {
		return 0, err
	}
	ra, rb := va.cutRevision(), vb.cutRevision()
	if c := va.compare(vb); c != 0 {
		return c, nil
	}
	return compareNumbers(ra, rb), nil
}

// A version is a parsed version.
type version struct {
	numbers    string // with their dots
	prerelease string
	build      string
}

func parseBoth(a, b string) (va, vb version, err error) {
	if va, err = parse(a); err != nil {
		return va, vb, invalid(a, err)
	}
	if vb, err = parse(b); err != nil {
		return va, vb, invalid(b, err)
	}
	return va, vb, nil
}

var (
	errEmpty      = errors.New("is empty")
	errStart      = errors.New("does not begin with a number")
	errByte       = errors.New("has a character that is not printable ASCII")
	errIdentifier = errors.New("has an empty pre-release identifier")
)

// maxShown bounds the bytes of a version in an error.
const maxShown = 100

func invalid(s string, err error) error {
	if len(s) > maxShown {
		s = s[:maxShown] + "..."
	}
	return fmt.Errorf("version %q %w", s, err)
}

func parse(s string) (version, error) {
	if s == "" {
		return version{}, errEmpty
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return version{}, errByte
		}
	}
	s = strings.TrimPrefix(s, "v")
	if s == "" || !digit(s[0]) {
		return version{}, errStart
	}
	i := 0
	for i < len(s) && (digit(s[i]) || s[i] == '.' && i+1 < len(s) && digit(s[i+1])) {
		i++
	}
	v := version{numbers: s[:i]}
	rest, build, _ := strings.Cut(s[i:], "+")
	v.build = build
	if rest != "" {
		if rest[0] == '-' || rest[0] == '.' {
			rest = rest[1:]
		}
		if rest == "" || rest[0] == '.' || rest[len(rest)-1] == '.' || strings.Contains(rest, "..") {
			return version{}, errIdentifier
		}
		v.prerelease = rest
	}
	return v, nil
}

func (v version) compare(w version) int {
	if c := compareParts(v.numbers, w.numbers); c != 0 {
		return c
	}
	switch {
	case v.prerelease == w.prerelease:
		return 0
	case v.prerelease == "":
		return 1
	case w.prerelease == "":
		return -1
	}
	return compareIdentifiers(v.prerelease, w.prerelease)
}

// cutRevision removes a pre-release that is a number from the version and returns it.
func (v *version) cutRevision() string {
	if !number(v.prerelease) {
		return ""
	}
	revision := v.prerelease
	v.prerelease = ""
	return revision
}

// compareParts compares numbers separated by dots. Missing ones are 0.
func compareParts(a, b string) int {
	for a != "" || b != "" {
		var pa, pb string
		pa, a, _ = strings.Cut(a, ".")
		pb, b, _ = strings.Cut(b, ".")
		if c := compareNumbers(pa, pb); c != 0 {
			return c
		}
	}
	return 0
}

// compareIdentifiers compares two pre-releases or builds identifier by identifier. Numbers
// are compared by value and come before others, which are compared as text. If one is the
// beginning of the other, it is older.
func compareIdentifiers(a, b string) int {
	for a != "" && b != "" {
		var ia, ib string
		ia, a, _ = strings.Cut(a, ".")
		ib, b, _ = strings.Cut(b, ".")
		na, nb := number(ia), number(ib)
		switch {
		case na && nb:
			if c := compareNumbers(ia, ib); c != 0 {
				return c
			}
		case na:
			return -1
		case nb:
			return 1
		default:
			if c := strings.Compare(ia, ib); c != 0 {
				return c
			}
		}
	}
	return cmp.Compare(len(a), len(b))
}

// compareNumbers compares numbers of any length. An empty one is 0.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return cmp.Compare(len(a), len(b))
	}
	return strings.Compare(a, b)
}

func number(s string) bool {
	for i := range len(s) {
		if !digit(s[i]) {
			return false
		}
	}
	return s != ""
}

func digit(c byte) bool { return '0' <= c && c <= '9' }
