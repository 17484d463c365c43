package remedy

import (
	"strconv"
	"strings"
)

func number(n int) string { return strconv.Itoa(n) }

// safe reports whether s can be an argument of a command as it is: it is a word for a
// shell, is no flag, and is not long. The names in commands come from the image, and people
// paste the commands.
func safe(s string) bool {
	for i, r := range s {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		case i > 0 && strings.ContainsRune("._+-:~", r): // not first: "-" begins a flag, "~" is a home
		case strings.ContainsRune("@/_", r):
		default:
			return false
		}
	}
	return s != "" && len(s) <= 120
}

// safeAll reports whether all arguments are safe.
func safeAll(args ...string) bool {
	for _, a := range args {
		if !safe(a) {
			return false
		}
	}
	return true
}
