package version

import (
	"cmp"
	"errors"
	"strings"
)

var errProgram = errors.New("has no order of versions of programs")

// compareProgram compares versions of programs that are named by CPE ("1.1.1w", "9.2p1",
// "3.12.0rc1", "6.9.11-60"). Their projects have no order in common, so only what nearly all of
// them mean alike is compared:
//
//   - numbers, which dots, hyphens or underscores separate; missing ones are 0;
//   - a letter after the last number, which is a later patch (OpenSSL), and p with a number
//     (OpenSSH, Ruby);
//   - a pre-release before its release: alpha, beta, pre, preview, rc and dev, and a and b with
//     a number (Python).
//
// Any other version is an error.
func compareProgram(a, b string) (int, error) {
	x, err := parseProgram(a)
	if err != nil {
		return 0, err
	}
	y, err := parseProgram(b)
	if err != nil {
		return 0, err
	}
	for i := range max(len(x.numbers), len(y.numbers)) {
		if c := compareDigits(at(x.numbers, i), at(y.numbers, i)); c != 0 {
			return c, nil
		}
	}
	return cmp.Or(cmp.Compare(x.stage, y.stage), compareDigits(x.number, y.number)), nil
}

// A programVersion is a parsed version.
type programVersion struct {
	numbers []string // digits
	// stage orders what follows the numbers: a pre-release is negative, and a patch positive.
	stage  int
	number string // of the stage
}

// maxProgram bounds the length of a version, in bytes.
const maxProgram = 100

func parseProgram(s string) (programVersion, error) {
	var v programVersion
	rest := strings.ToLower(s)
	if len(s) > maxProgram || s == "" || rest[0] < '0' || rest[0] > '9' {
		return v, errProgram
	}
	for {
		var digits string
		digits, rest = leading(rest)
		v.numbers = append(v.numbers, digits)
		if len(rest) < 2 || !strings.ContainsRune(".-_", rune(rest[0])) || rest[1] < '0' || rest[1] > '9' {
			break
		}
		rest = rest[1:]
	}
	if rest == "" {
		return v, nil
	}
	rest = strings.TrimLeft(rest, ".-_+")
	word := rest[:len(rest)-len(strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyz"))]
	rest = strings.TrimLeft(rest[len(word):], ".-_")
	number, rest := leading(rest)
	if rest != "" || word == "" {
		return v, errProgram
	}
	var ok bool
	v.number = number
	if v.stage, ok = stageOf(word, number); !ok {
		return v, errProgram
	}
	return v, nil
}

// stageOf returns the stage that a word with a number stands for.
func stageOf(word, number string) (stage int, ok bool) {
	switch word {
	case "p", "pl", "patch":
		return 1, true
	case "dev":
		return -5, true
	case "alpha":
		return -4, true
	case "beta":
		return -3, true
	case "pre":
		if number == "" {
			return -5, true
		}
		return -2, true
	case "preview":
		return -2, true
	case "rc":
		return -1, true
	}
	switch {
	case number != "" && word == "a":
		return -4, true
	case number != "" && word == "b":
		return -3, true
	case number == "" && (len(word) == 1 || len(word) == 2 && word[0] == 'z'): // 1.0.2za follows 1.0.2z
		return 1 + len(word)*256 + int(word[len(word)-1]), true
	}
	return 0, false
}

// leading returns the digits at the beginning of s, and the rest.
func leading(s string) (digits, rest string) {
	rest = strings.TrimLeft(s, "0123456789")
	return s[:len(s)-len(rest)], rest
}

// compareDigits compares numbers. An empty one is 0.
func compareDigits(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

func at(list []string, i int) string {
	if i >= len(list) {
		return ""
	}
	return list[i]
}
