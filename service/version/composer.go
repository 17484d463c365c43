package version

import (
	"errors"
	"strings"

	"github.com/google/osv-scalibr/semantic"
)

var errBranch = errors.New("names a branch")

// parseComposer parses a version of Packagist as Composer normalises it: with four numbers,
// where missing ones are 0, and without build metadata. A branch ("dev-main") cannot be
// ordered. A branch that is named after versions ("2.x-dev") comes after all of them.
func parseComposer(s string) (semantic.PackagistVersion, error) {
	v := strings.TrimSpace(s)
	v, _, _ = strings.Cut(v, "+")
	v = strings.TrimLeft(v, "vV")
	if v == "" || v[0] < '0' || v[0] > '9' {
		if strings.HasPrefix(v, "dev-") {
			return semantic.PackagistVersion{}, errBranch
		}
		return semantic.PackagistVersion{}, errStart
	}
	numbers, end := 1, 0
	for ; end < len(v) && numbers <= maxParts; end++ {
		if c := v[end]; c == '.' && end+1 < len(v) && '0' <= v[end+1] && v[end+1] <= '9' {
			numbers++
		} else if c < '0' || c > '9' {
			break
		}
	}
	rest, fill := v[end:], ".0"
	if rest == ".x-dev" {
		rest, fill = "-dev", ".9999999"
	}
	return semantic.ParsePackagistVersion(v[:end] + strings.Repeat(fill, max(0, maxParts-numbers)) + rest), nil
}
