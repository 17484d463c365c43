package verdict

import (
	"cmp"
	"strings"
)

// natural compares versions, and ids such as CVE-2024-727, as Debian does: by epoch,
// upstream version and revision. In each of these, digits compare as numbers, "~" comes
// before the end, and letters come before other characters. It only decides the order of
// the log and which fixed version the log names, so it is good enough for versions of
// other ecosystems, too.
func natural(a, b string) int {
	epochA, upstreamA, revisionA := parts(a)
	epochB, upstreamB, revisionB := parts(b)
	return cmp.Or(
		compareNumbers(epochA, epochB),
		comparePart(upstreamA, upstreamB),
		comparePart(revisionA, revisionB),
	)
}

func parts(v string) (epoch, upstream, revision string) {
	upstream = v
	if i := digits(v, true); i < len(v) && v[i] == ':' {
		epoch, upstream = v[:i], v[i+1:]
	}
	if i := strings.LastIndexByte(upstream, '-'); i >= 0 {
		upstream, revision = upstream[:i], upstream[i+1:]
	}
	return epoch, upstream, revision
}

func comparePart(a, b string) int {
	for a != "" || b != "" {
		i, j := digits(a, false), digits(b, false)
		if c := compareText(a[:i], b[:j]); c != 0 {
			return c
		}
		a, b = a[i:], b[j:]
		i, j = digits(a, true), digits(b, true)
		if c := compareNumbers(a[:i], b[:j]); c != 0 {
			return c
		}
		a, b = a[i:], b[j:]
	}
	return 0
}

// digits returns the length of the prefix of s whose bytes are digits, or are not digits.
func digits(s string, want bool) int {
	for i := range len(s) {
		if ('0' <= s[i] && s[i] <= '9') != want {
			return i
		}
	}
	return len(s)
}

func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

func compareText(a, b string) int {
	for i := range max(len(a), len(b)) {
		if c := cmp.Compare(weight(a, i), weight(b, i)); c != 0 {
			return c
		}
	}
	return 0
}

func weight(s string, i int) int {
	switch {
	case i >= len(s):
		return 0
	case s[i] == '~':
		return -1
	case 'a' <= s[i]|0x20 && s[i]|0x20 <= 'z':
		return int(s[i])
	}
	return int(s[i]) + 256
}
