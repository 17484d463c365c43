package match

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"assay/service/advisory"
	"assay/service/version"
)

// errNoStart is a range that the schema does not allow, and that by its
// evaluation would never affect anything.
var errNoStart = errors.New("a range has no introduced event")

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

// evaluate says whether an affected entry affects version, by the evaluation
// of the OSV schema (https://ossf.github.io/osv-schema/#evaluation): a version
// is affected that is listed or lies in any range. Listed versions are compared
// as text.
//
// The error is about a range that cannot be judged, since a version in it
// cannot be compared or nothing introduces it. Where the rest of the entry
// affects the version it does not matter and is nil.
func evaluate(compare version.Compare, version string, entry Affected) (outcome, error) {
	out := outcome{listed: slices.Contains(entry.Versions, version)}
	var failed error
	held := false // by a range
	for _, r := range entry.Ranges {
		in, end, err := inRange(compare, version, r.Events)
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
func firstFix(compare version.Compare, version string, ranges []Range) (end advisory.Event, since time.Time) {
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

// A mark is one event of a range, seen from the version that is judged.
type mark struct {
	advisory.Event
	version string
	lowest  bool // introduced "0", which is before every version
	side    int  // -1 below the version, 0 at it, +1 above
}

// inRange reports whether version lies in the range of events, and if so the
// Fixed or LastAffected event that ends it above the version.
//
// Events are sorted by version, whatever their order in the record. Where
// several stand at one version, an affected run that ends there and one that
// begins there are two runs that touch, and a run that ends where it begins is
// empty, or with last_affected that one version; so the order in the record
// does not matter at all.
func inRange(compare version.Compare, version string, events []advisory.Event) (in bool, end advisory.Event, err error) {
	// Most ranges of distributions are a fix and all before it.
	if len(events) == 2 && events[0].Introduced == "0" && events[1].Fixed != "" {
		c, err := compare(events[1].Fixed, version)
		if err != nil || c <= 0 {
			return false, end, err
		}
		return true, events[1], nil
	}
	var buf [8]mark
	marks, before, err := place(compare, version, events, buf[:0])
	if err != nil || !before {
		return false, end, err
	}
	for len(marks) > 0 && marks[0].side <= 0 {
		begins, ends := false, false
		n := 0
		for ; n < len(marks) && marks[n].compare(compare, marks[0]) == 0; n++ {
			m := marks[n]
			begins = begins || m.Introduced != ""
			ends = ends || m.Fixed != "" || m.LastAffected != "" && m.side < 0
			if m.LastAffected != "" && m.side == 0 {
				end = m.Event
			}
		}
		if ends {
			in = in && begins
		} else {
			in = in || begins
		}
		marks = marks[n:]
	}
	if !in {
		return false, advisory.Event{}, nil
	}
	for _, m := range marks {
		if end == (advisory.Event{}) && m.Introduced == "" {
			end = m.Event
		}
	}
	return true, end, nil
}

// place turns events into marks, sorted by version, and reports whether the
// version is before any limit; without limits every version is.
func place(compare version.Compare, version string, events []advisory.Event, marks []mark) ([]mark, bool, error) {
	limits, before, starts := 0, false, false
	for _, e := range events {
		m := mark{Event: e, version: cmp.Or(e.Introduced, e.Fixed, e.LastAffected)}
		switch {
		case e.Limit == "*":
			limits, before = limits+1, true
			continue
		case e.Limit != "":
			c, err := compare(version, e.Limit)
			if err != nil {
				return nil, false, fmt.Errorf("limit: %w", err)
			}
			limits, before = limits+1, before || c < 0
			continue
		case e.Introduced == "0":
			m.lowest, m.side = true, -1
		default:
			c, err := compare(m.version, version)
			if err != nil {
				return nil, false, err
			}
			m.side = c
		}
		starts = starts || e.Introduced != ""
		marks = append(marks, m)
	}
	if !starts {
		return nil, false, errNoStart
	}
	slices.SortFunc(marks, func(a, b mark) int {
		if c := a.compare(compare, b); c != 0 {
			return c
		}
		// Should a fix and a last affected version be the same, the fix ends the
		// run.
		return cmp.Compare(boolean(a.Fixed == ""), boolean(b.Fixed == ""))
	})
	return marks, before || limits == 0, nil
}

func (m mark) compare(compare version.Compare, o mark) int {
	switch {
	case m.side != o.side:
		return cmp.Compare(m.side, o.side)
	case m.side == 0:
		return 0
	case m.lowest || o.lowest:
		return cmp.Compare(boolean(o.lowest), boolean(m.lowest))
	}
	// Both were compared with the version before, so this cannot fail.
	c, _ := compare(m.version, o.version)
	return c
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}
