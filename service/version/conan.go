package version

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

var errNoConan = errors.New("has blanks or control characters")

// compareConan orders versions as Conan does, for which any text is a version: build
// metadata follows the last plus, and a pre-release the first hyphen. Each of them and the
// rest is divided into parts by dots. Parts are numbers or words, and zeros at the end do
// not count. A version with build metadata is newer than without.
func compareConan(a, b string) (int, error) {
	for _, v := range [...]string{a, b} {
		switch {
		case v == "":
			return 0, fmt.Errorf("version %q %w", v, errEmpty)
		case len(v) > maxLength:
			return 0, fmt.Errorf("version %.100q %w", v, errLong)
		case strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r == 0x7f }):
			return 0, fmt.Errorf("version %q %w", v, errNoConan)
		}
	}
	mainA, preA, buildA := conanParts(a)
	mainB, preB, buildB := conanParts(b)
	if c := compareConanParts(mainA, mainB); c != 0 {
		return c, nil
	}
	switch {
	case preA != "" && preB == "":
		return -1, nil
	case preA == "" && preB != "":
		return 1, nil
	}
	return cmp.Or(compareConanParts(preA, preB), compareConanParts(buildA, buildB)), nil
}

// conanParts returns the parts of a version.
func conanParts(v string) (main, pre, build string) {
	if i := strings.LastIndexByte(v, '+'); i >= 0 {
		v, build = v[:i], v[i+1:]
	}
	main, pre, _ = strings.Cut(v, "-")
	return main, pre, build
}

// compareConanParts compares texts with dots. An empty text is the oldest.
func compareConanParts(a, b string) int {
	if a == "" || b == "" {
		return cmp.Compare(len(a), len(b))
	}
	pa, pb := conanItems(a), conanItems(b)
	for i := range min(len(pa), len(pb)) {
		if c := compareConanItems(pa[i], pb[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(pa), len(pb))
}

// conanItems returns the parts of a text, without zeros at its end.
func conanItems(s string) []string {
	items := strings.Split(s, ".")
	for n := len(items); n > 0 && conanNumber(items[n-1]) && strings.Trim(items[n-1], "0") == ""; n = len(items) {
		items = items[:n-1]
	}
	return items
}

// compareConanItems compares two numbers by value, and other parts as text.
func compareConanItems(a, b string) int {
	if conanNumber(a) && conanNumber(b) {
		a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
	}
	// Conan writes numbers without leading zeros.
	return strings.Compare(conanText(a), conanText(b))
}

func conanText(s string) string {
	if !conanNumber(s) {
		return s
	}
	if s = strings.TrimLeft(s, "0"); s == "" {
		return "0"
	}
	return s
}

func conanNumber(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
