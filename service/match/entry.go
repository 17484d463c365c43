package match

import (
	"slices"
	"time"

	"assay/service/advisory"
	"assay/service/index"
	"assay/service/version"
)

// An outcome is what one affected entry says of one version.
type outcome struct {
	affected bool
	// listed: the version is one of the listed ones.
	listed bool
	// end is how the range that holds the version ends above it: a Fixed or a
	// LastAffected event, or neither where it does not end. Of several ranges it
	// is one without a fix, else the one with the newest.
	end advisory.Event
	// since is when the service first saw that fix.
	since time.Time
}

// evaluateEntry says whether an affected entry affects version, by the evaluation
// of the OSV schema (https://ossf.github.io/osv-schema/#evaluation): a version
// is affected that is listed or lies in any range. Listed versions are compared
// as text.
//
// The error is about a range that cannot be judged, since a version in it
// cannot be compared or nothing introduces it. Where the rest of the entry
// affects the version it does not matter and is nil.
func evaluateEntry(compare version.Compare, version string, entry index.Affected) (outcome, error) {
	out := outcome{listed: slices.Contains(entry.Versions, version)}
	var failed error
	held := false // by a range
	for _, r := range entry.Ranges {
		in, end, err := advisory.InRange(compare, version, r.Events)
		if err != nil {
			if failed == nil {
				failed = err
			}
			continue
		}
		if in && (!held || worse(compare, end, out.end)) {
			out.end, out.since = end, r.FirstSeen
		}
		held = held || in
	}
	out.affected = out.listed || held
	if !out.affected {
		return out, failed
	}
	if !held {
		out.end, out.since = firstFix(compare, version, entry.Ranges)
	}
	return out, nil
}

// worse reports whether a range that ends with a leaves less hope than one that
// ends with b: an open one least, a fix less the newer it is.
func worse(compare version.Compare, a, b advisory.Event) bool {
	if a.Fixed == "" || b.Fixed == "" {
		return a.Fixed == "" && b.Fixed != ""
	}
	c, err := compare(a.Fixed, b.Fixed)
	return err == nil && c > 0
}

// firstFix returns the first fix above a version that is listed and lies in no
// range.
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
