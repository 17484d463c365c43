package version

import "strings"

// Digits reports whether s has no other characters than digits.
func Digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// WithoutEpoch returns a version of an rpm or Debian package without its epoch.
func WithoutEpoch(v string) string {
	if epoch, rest, ok := strings.Cut(v, ":"); ok && Digits(epoch) {
		return rest
	}
	return v
}
