// Package apk orders the versions of Alpine's packages as apk-tools 3 does
// (src/version.c). Valid versions have the form (apk-package(5)):
//
//	number{.number}...{letter}{_suffix{number}}...{~hash}{-r#}
package apk

import (
	"cmp"
	"errors"
	"strings"
)

// Compare returns -1, 0 or +1 if a is older than, equal to or newer than b. It does not
// allocate.
//
// Numbers of any length are compared by value, but as text if one of them is not the first
// number and begins with a zero: 1.05 < 1.1, and 1.09 > 1.010. The suffixes _alpha, _beta,
// _pre and _rc, in this order, come before the version without a suffix, and _cvs, _svn,
// _git, _hg and _p after it. Hashes are compared as text.
//
// Invalid versions can be compared too, because apk compares them and old advisories have
// them: a version ends where it stops being valid, a little older than if it had ended
// there, and the rest does not count. Three forms that were valid for apk-tools 2 are read
// on, as it did, and ordered as by version 3: digits after the letter (1.8.28p1-r1), which
// are newer than none; a missing number (1..2), which is older than the end; and -r without
// a number, which is -r0.
//
// As in apk, an empty version cannot be compared, which is an error.
func Compare(a, b string) (int, error) {
	if a == "" || b == "" {
		return 0, errEmpty
	}
	if a == b {
		return 0, nil
	}
	ta, tb := differing(a, b)
	for {
		if ta.kind != tb.kind {
			return cmp.Compare(ta.kind, tb.kind), nil
		}
		if ta.kind == end || ta.kind == invalid {
			return 0, nil
		}
		if c := compareTokens(&ta, &tb); c != 0 {
			return c, nil
		}
		ta.next()
		tb.next()
	}
}

// differing returns the first tokens of two versions that may differ.
func differing(a, b string) (ta, tb token) {
	same := 0
	for same < len(a) && same < len(b) && a[same] == b[same] {
		same++
	}
	ta = first(a)
	if len(a)-len(ta.rest) >= same {
		return ta, first(b)
	}
	// A token that ends before the first difference is in both versions.
	for {
		tb = ta
		ta.next()
		if len(a)-len(ta.rest) >= same || ta.kind == invalid {
			tb.rest = b[len(a)-len(tb.rest):]
			tb.next()
			return ta, tb
		}
	}
}

var errEmpty = errors.New("version is empty")

// compareTokens compares two tokens of one kind.
func compareTokens(a, b *token) int {
	switch a.kind {
	case preSuffix, postSuffix:
		return cmp.Compare(a.suffix, b.suffix)
	case firstNumber, letterNumber, suffixNumber, revision:
		return compareNumbers(a.value, b.value)
	case number:
		if a.value[0] != '0' && b.value[0] != '0' {
			return compareNumbers(a.value, b.value)
		}
	}
	return strings.Compare(a.value, b.value)
}

func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}
