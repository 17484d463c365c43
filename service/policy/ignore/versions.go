package ignore

import (
	"fmt"
	"strings"

	"assay/service/match"
	"assay/verdict"
)

// A bound is one comparison of a range.
type bound struct{ op, version string }

// A versionRange holds for the versions that all of its bounds hold for.
type versionRange []bound

// maxBounds bounds the comparisons of a range.
const maxBounds = 8

// parseRange reads a range such as ">= 1.2, < 2".
func parseRange(text string) (versionRange, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var all versionRange
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		op := "="
		for _, o := range []string{"<=", ">=", "==", "<", ">", "="} {
			if rest, ok := strings.CutPrefix(part, o); ok {
				op, part = o, strings.TrimSpace(rest)
				break
			}
		}
		if part == "" || strings.ContainsAny(part, " <>=*^|") || len(all) == maxBounds {
			return nil, fmt.Errorf("invalid range of versions %q, want for example \">= 1.2, < 2\"", verdict.Short(text))
		}
		all = append(all, bound{op, part})
	}
	return all, nil
}

// contains reports whether the installed version of a package is in the range. ok is false
// if it cannot be compared.
func (r versionRange) contains(p *verdict.Package) (in, ok bool) {
	if len(r) == 0 {
		return true, true
	}
	order, ok := match.VersionOrder(p.Type)
	if !ok {
		return false, false
	}
	compare := order.Comparer()
	for _, b := range r {
		if b.version == p.Version && strings.Contains(b.op, "=") {
			continue
		}
		c, err := compare(p.Version, b.version)
		if err != nil {
			return false, false
		}
		holds := map[string]bool{"<": c < 0, "<=": c <= 0, ">": c > 0, ">=": c >= 0}
		if held, ok := holds[b.op]; ok && !held || !ok && c != 0 {
			return false, true
		}
	}
	return true, true
}
