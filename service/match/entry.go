package match

import (
	"slices"
	"time"

	"assay/service/advisory"
	"assay/service/index"
	"assay/service/version"
)

// An outcome is the evaluation of one affected entry for one version.
type outcome struct {
	affected bool
	// listed: the entry lists the version.
	listed bool
	// end is the event that ends the range with the version above it: Fixed or
	// LastAffected, or neither if the range does not end. Of several ranges it is that of
	// one without a fix, else of the one with the newest fix.
	end advisory.Event
	// since is when the service first saw that fix.
	since time.Time
}

// evaluateEntry evaluates an affected entry for a version, as the OSV schema does
// (https://ossf.github.io/osv-schema/#evaluation): a version is affected if it is listed
// or in any range. Listed versions are compared as text.
//
// The error is about a range that cannot be evaluated, because a version in it cannot be
// compared or because it has no introduced event. It is nil if the rest of the entry
// affects the version.
func evaluateEntry(compare version.Compare, version string, entry index.Affected) (outcome, error) {
	if entry.Status == advisory.StatusNotAffected {
		return outcome{}, nil
	}
	out := outcome{listed: slices.Contains(entry.Versions, version)}
	matched, failed := matchesPattern(version, entry.Patterns)
	out.listed = out.listed || matched
	inRange := false
	for _, r := range entry.Ranges {
		in, end, err := advisory.InRange(compare, version, r.Events)
		if err != nil {
			if failed == nil {
				failed = err
			}
			continue
		}
		if in && (!inRange || worse(compare, end, out.end)) {
			out.end, out.since = end, r.FirstSeen
		}
		inRange = inRange || in
	}
	out.affected = out.listed || inRange
	if !out.affected {
		return out, failed
	}
	if !inRange {
		out.end, out.since = firstFix(compare, version, entry.Ranges)
	}
	return out, nil
}

// matchesPattern reports whether one of the patterns matches a version. The error is about
// a pattern that is not supported.
func matchesPattern(installed string, patterns []string) (bool, error) {
	var failed error
	for _, text := range patterns {
		p, err := version.NewPattern(text)
		if err != nil {
			failed = err
			continue
		}
		if p.Matches(installed) {
			return true, nil
		}
	}
	return false, failed
}

// worse reports whether a range that ends with a is worse than one that ends with b: a
// range without a fix is the worst, and a newer fix is worse than an older one.
func worse(compare version.Compare, a, b advisory.Event) bool {
	if a.Fixed == "" || b.Fixed == "" {
		return a.Fixed == "" && b.Fixed != ""
	}
	c, err := compare(a.Fixed, b.Fixed)
	return err == nil && c > 0
}

// firstFix returns the first fix above a version that is listed and in no range.
func firstFix(compare version.Compare, version string, ranges []index.Range) (end advisory.Event, since time.Time) {
	for _, r := range ranges {
		for _, e := range r.Events {
			if e.Fixed == "" {
				continue
			}
			if c, err := compare(e.Fixed, version); err != nil || c <= 0 {
				continue
			}
			if first := (advisory.Event{Fixed: e.Fixed}); end.Fixed == "" || worse(compare, end, first) {
				end, since = first, r.FirstSeen
			}
		}
	}
	return end, since
}
