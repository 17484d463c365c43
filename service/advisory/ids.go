package advisory

import (
	"cmp"
	"strings"
)

// IsCVE reports whether id is a CVE id.
func IsCVE(id string) bool {
	rest, ok := strings.CutPrefix(id, "CVE-")
	year, n, ok2 := strings.Cut(rest, "-")
	return ok && ok2 && len(year) == 4 && len(n) >= 4 && len(n) <= 19 && digits(year) && digits(n)
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// CVEIn returns the CVE that an id is or ends with ("DEBIAN-CVE-2024-1234"), or an
// empty string.
func CVEIn(id string) string {
	i := strings.LastIndex(id, "CVE-")
	if i < 0 || i > 0 && id[i-1] != '-' || !IsCVE(id[i:]) {
		return ""
	}
	return id[i:]
}

// CompareIDs orders CVEs by year and number, and before all other ids.
func CompareIDs(a, b string) int {
	ca, cb := IsCVE(a), IsCVE(b)
	if ca != cb {
		return cmp.Compare(boolean(cb), boolean(ca))
	}
	if ca {
		const year = len("CVE-2024")
		if a[:year] != b[:year] || len(a) == len(b) {
			return strings.Compare(a, b)
		}
		return cmp.Compare(len(a), len(b))
	}
	return strings.Compare(a, b)
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}
