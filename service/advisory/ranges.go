package advisory

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// errNoStart is about a range that the schema does not allow. By the schema's
// evaluation it would never affect anything.
var errNoStart = errors.New("a range has no introduced event")

// A Compare orders two versions, as version.Compare does.
type Compare = func(a, b string) (int, error)

// A mark is one event of a range, seen from the version that is evaluated.
type mark struct {
	Event
	version string
	lowest  bool // introduced "0", which is before every version
	side    int  // -1 below the version, 0 at it, +1 above
}

// InRange reports whether a version is in the range of events, by the evaluation of
// the OSV schema (https://ossf.github.io/osv-schema/#evaluation). If it is, end is the
// Fixed or LastAffected event that ends the range above the version, or zero if the
// range does not end.
//
// Events are sorted by version. If several are at one version, a run that ends there
// and a run that begins there touch. A run that ends where it begins is empty, or with
// last_affected that one version. So the order of events in the record does not
// matter.
func InRange(compare Compare, version string, events []Event) (in bool, end Event, err error) {
	// Most ranges of distributions are a fix and every version before it.
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
		n := 1
		for n < len(marks) && marks[n].compare(compare, marks[0]) == 0 {
			n++
		}
		begins, ends, last := runs(marks[:n])
		if last != (Event{}) {
			end = last
		}
		if ends {
			in = in && begins
		} else {
			in = in || begins
		}
		marks = marks[n:]
	}
	if !in {
		return false, Event{}, nil
	}
	for _, m := range marks {
		if end == (Event{}) && m.Introduced == "" {
			end = m.Event
		}
	}
	return true, end, nil
}

// runs reports whether runs of affected versions begin and end with the marks of one
// version. last is the event by which the version is the last affected one, if any.
func runs(marks []mark) (begins, ends bool, last Event) {
	for _, m := range marks {
		begins = begins || m.Introduced != ""
		ends = ends || m.Fixed != "" || m.LastAffected != "" && m.side < 0
		if m.LastAffected != "" && m.side == 0 {
			last = m.Event
		}
	}
	return begins, ends, last
}

// place returns the marks of events, sorted by version, and whether the version is
// before any limit. Without limits every version is.
func place(compare Compare, version string, events []Event, marks []mark) ([]mark, bool, error) {
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

func (m mark) compare(compare Compare, o mark) int {
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
