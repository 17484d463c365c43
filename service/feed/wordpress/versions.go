package wordpress

import (
	"cmp"
	"regexp"
	"slices"
	"sort"
	"strings"

	"assay/service/advisory"
	"assay/service/feed/cve/record"
)

// ranges are the versions of an affected entry.
type ranges struct {
	ranges   []advisory.Range
	versions []string
	note     string
}

// add adds a range. An empty end has no end.
func (r *ranges) add(start string, end advisory.Event) {
	events := []advisory.Event{{Introduced: start}}
	if end != (advisory.Event{}) {
		events = append(events, end)
	}
	r.ranges = append(r.ranges, advisory.Range{Type: advisory.Ecosystem, Events: events})
}

// versions returns the versions that an affected entry is about.
func (c *cve) versions(a record.Affected, core bool) ranges {
	var got ranges
	if text, ok := c.text(a, core); ok {
		return text
	}
	fixes := fixesOf(a)
	last := "" // the newest end, for a default of affected
	for _, v := range a.Versions {
		if v.Status != "affected" {
			continue
		}
		start, end, exact, ok := read(v)
		switch {
		case exact != "":
			got.versions = append(got.versions, exact)
			last = cmp.Or(last, exact)
			continue
		case !ok:
			// Without an order, so that the package is not evaluated.
			text := record.Plain(v.Version)
			if text == "" || Ordered(text) {
				text = "unspecified"
			}
			got.add("0", advisory.Event{LastAffected: text})
			continue
		}
		end = got.fixedBy(v, fixes, end)
		got.add(start, end)
		if bound := cmp.Or(end.Fixed, end.LastAffected); last == "" || newer(bound, last) {
			last = bound
		}
	}
	got.unaffected(a, last)
	return got
}

// read returns the range or the one version that is affected. It is not ok if the record
// has no readable version.
func read(v record.Version) (start string, end advisory.Event, exact string, ok bool) {
	text := record.Plain(v.Version)
	switch {
	case v.LessThan == "" && v.LessThanOrEqual == "":
		return readText(text)
	case v.LessThan == "*" || v.LessThan == "unspecified" || v.LessThanOrEqual == "*" || v.LessThanOrEqual == "unspecified":
	case v.LessThan != "":
		end.Fixed, _ = Bound(v.LessThan)
	default:
		end.LastAffected, _ = Bound(v.LessThanOrEqual)
	}
	start = "0"
	if !First(text) {
		start, _ = Bound(text)
	}
	return start, end, "", true
}

const versionText = `v?[0-9][0-9A-Za-z.+_-]*`

// The forms in which a whole range stands in one text.
var (
	between = regexp.MustCompile(`(?i)^(?:versions? )?(?:from )?(\*|` + versionText + `) ?(?:-| - | to | through | up to and including )\s*(` + versionText + `)$`)
	compact = regexp.MustCompile(`^\*-(` + versionText + `)$`)
	bounds  = regexp.MustCompile(`(<=|>=|<|>|=) ?(` + versionText + `)`)
	through = regexp.MustCompile(`(?i)^(?:(?:versions? )?(?:up to(?: and including)?|through) (` + versionText + `)|(?:versions? )?(` + versionText + `) (?:and|or) (?:earlier|lower|prior|below|older)(?: versions?)?)$`)
	before  = regexp.MustCompile(`(?i)^(?:versions? )?(?:prior to|before|fixed versions?:?|fixed in:?) (?:version )?(` + versionText + `)$`)
	single  = regexp.MustCompile(`^` + versionText + `$`)
)

// readText reads a range or a version that is one text.
func readText(text string) (start string, end advisory.Event, exact string, ok bool) {
	switch lower := strings.ToLower(text); {
	case lower == "*" || lower == "all versions" || lower == "all":
		return "0", end, "", true
	case lower == "0" || First(text): // the start of a range without its end
		return "", end, "", false
	}
	if m := before.FindStringSubmatch(text); m != nil {
		return "0", advisory.Event{Fixed: bound(m[1])}, "", true
	}
	if m := through.FindStringSubmatch(text); m != nil {
		return "0", advisory.Event{LastAffected: bound(cmp.Or(m[1], m[2]))}, "", true
	}
	if m := compact.FindStringSubmatch(text); m != nil {
		return "0", advisory.Event{LastAffected: bound(m[1])}, "", true
	}
	if m := between.FindStringSubmatch(text); m != nil && strings.Contains(text, " ") {
		if start = "0"; m[1] != "*" {
			start = bound(m[1])
		}
		return start, advisory.Event{LastAffected: bound(m[2])}, "", true
	}
	if all := bounds.FindAllStringSubmatch(text, -1); all != nil {
		return readBounds(text, all)
	}
	if single.MatchString(text) {
		return "", end, bound(text), true
	}
	return "", end, "", false
}

// readBounds reads a range of operators and versions, which are the matches of bounds.
func readBounds(text string, all [][]string) (start string, end advisory.Event, exact string, ok bool) {
	if strings.Trim(bounds.ReplaceAllString(text, ""), " ,&") != "" {
		return "", end, "", false
	}
	for _, m := range all {
		switch v := bound(m[2]); {
		case m[1] == "=" && len(all) == 1:
			return "", end, v, true
		case m[1][0] == '>' && start == "":
			// The version after ">" is not affected, but its successor is unknown.
			start = v
		case m[1] == "<" && end == (advisory.Event{}):
			end = advisory.Event{Fixed: v}
		case m[1] == "<=" && end == (advisory.Event{}):
			end = advisory.Event{LastAffected: v}
		default: // several ranges, of which one alone would be wrong
			return "", advisory.Event{}, "", false
		}
	}
	return cmp.Or(start, "0"), end, "", true
}

func bound(s string) string {
	s, _ = Bound(s)
	return s
}

// fixedBy returns the end of a range with the fix that the record names, if it names one:
// as a change within the range, or as a version that is not affected. A fix that is not
// after the end contradicts it. Either may be wrong, so the range keeps its end and has no
// fix. If later versions are affected again, the range has no fix either.
func (r *ranges) fixedBy(v record.Version, fixes []string, end advisory.Event) advisory.Event {
	if slices.ContainsFunc(v.Changes, func(ch record.Change) bool { return ch.Status != "unaffected" }) {
		return end
	}
	stated := cmp.Or(end.Fixed, end.LastAffected)
	for _, ch := range v.Changes {
		at, ok := Bound(ch.At)
		if ch.Status != "unaffected" || !ok {
			continue
		}
		switch {
		case stated == "" || !Ordered(stated), end.LastAffected != "" && newer(at, stated):
			return advisory.Event{Fixed: at}
		case end.Fixed != "" && !newer(at, stated) && !newer(stated, at):
			return end
		case !newer(at, stated):
			r.note = Contradicts
			return advisory.Event{LastAffected: stated}
		}
	}
	if end.LastAffected == "" {
		return end
	}
	i := sort.Search(len(fixes), func(i int) bool { return newer(fixes[i], end.LastAffected) })
	if i < len(fixes) {
		return advisory.Event{Fixed: fixes[i]}
	}
	return end
}

// fixesOf returns the versions of an entry that are not affected, the oldest first.
func fixesOf(a record.Affected) []string {
	var fixes []string
	for _, u := range a.Versions {
		if u.Status != "unaffected" {
			continue
		}
		if at, ok := Bound(u.Version); ok {
			fixes = append(fixes, at)
		}
	}
	slices.SortStableFunc(fixes, func(a, b string) int {
		c, _ := compare(a, b) // both have an order
		return c
	})
	return fixes
}

// unaffected adds what the default status says. If all versions are affected by default,
// the record knows of no fix, and says nothing useful of later versions: they are neither
// affected nor unaffected. If the record names versions that are not affected, these end
// the range.
func (r *ranges) unaffected(a record.Affected, last string) {
	if a.DefaultStatus != "affected" {
		return
	}
	for _, u := range a.Versions {
		if at, ok := Bound(u.Version); u.Status == "unaffected" && ok && unended(u) {
			if last == "" {
				r.add("0", advisory.Event{Fixed: at})
			}
			return
		}
	}
	switch {
	case last != "":
		r.add("newer than "+last+", for which no fix was known", advisory.Event{})
	case len(r.ranges) == 0:
		r.add("0", advisory.Event{})
	}
}

// unended reports whether a version is not the start of a range that ends.
func unended(v record.Version) bool {
	return (v.LessThan == "" || v.LessThan == "*") && (v.LessThanOrEqual == "" || v.LessThanOrEqual == "*")
}

var (
	// upTo is VulDB's sentence about the affected versions.
	upTo = regexp.MustCompile(`(?i)\bup to (` + versionText + `?) on WordPress\b`)
	// upgrade is VulDB's sentence about the fix.
	upgrade = regexp.MustCompile(`(?i)\bupgrading to version (` + versionText + `?) (?:is able to|will|can)\b`)
	// extension is how MITRE describes a vulnerability of a plugin or a theme.
	extension = regexp.MustCompile(`(?i)\b(?:plugin|theme) (before|through|prior to|up to)? ?(` + versionText + `)( and earlier)? for WordPress\b`)
	// coreClause is how MITRE describes one of WordPress itself.
	coreClause = regexp.MustCompile(`\bWordPress (?:(before|through|up to) )?(` + versionText + `)( and earlier)?\b`)
	branches   = regexp.MustCompile(`\bWordPress ([0-9.]+\.x before |before )`)
)

// text returns the versions in the description, for records that have none or have an
// unreliable list elsewhere. It is not ok for others.
func (c *cve) text(a record.Affected, core bool) (got ranges, ok bool) {
	if c.cna == "VulDB" {
		return c.upTo()
	}
	readable := slices.ContainsFunc(a.Versions, func(v record.Version) bool {
		return v.LessThan != "" || v.LessThanOrEqual != "" || !First(v.Version)
	})
	if readable {
		return got, false
	}
	if core {
		if end, ok := c.coreText(); ok {
			got.add("0", end)
			return got, true
		}
		return got, false
	}
	m := extension.FindStringSubmatch(c.description)
	if m == nil || len(c.entries) != 1 {
		return got, false
	}
	v, ordered := Bound(m[2])
	switch {
	case !ordered || m[1] == "" && m[3] == "":
		return got, false
	case strings.EqualFold(m[1], "before") || strings.EqualFold(m[1], "prior to"):
		got.add("0", advisory.Event{Fixed: v})
	default:
		got.add("0", advisory.Event{LastAffected: v})
	}
	return got, true
}

// upTo returns the versions of a record of VulDB. Its lists are made by counting, so they
// lack versions and have some that do not exist. The description has the end, and often
// the fix.
func (c *cve) upTo() (got ranges, ok bool) {
	m := upTo.FindStringSubmatch(c.description)
	if m == nil || len(c.entries) != 1 {
		return got, false
	}
	last, ordered := Bound(m[1])
	if !ordered {
		return got, false
	}
	end := advisory.Event{LastAffected: last}
	if m := upgrade.FindStringSubmatch(c.description); m != nil {
		if fix, ok := Bound(m[1]); ok && newer(fix, last) {
			end = advisory.Event{Fixed: fix}
		}
	}
	got.add("0", end)
	return got, true
}

// coreText returns the end of the affected range of WordPress itself in a description such
// as "… in WordPress 3.3.1 and earlier …". It is not ok for descriptions of several
// branches, and of plugins and themes.
func (c *cve) coreText() (end advisory.Event, ok bool) {
	if c.cna != "mitre" || pluginWord.MatchString(c.description) || themeWord.MatchString(c.description) {
		return end, false
	}
	m := coreClause.FindStringSubmatch(c.description)
	if m == nil || m[1] == "" && m[3] == "" || len(branches.FindAllString(c.description, -1)) > 1 || strings.Contains(c.description, ".x ") {
		return end, false
	}
	v, ordered := Bound(m[2])
	switch {
	case !ordered:
		return end, false
	case m[1] == "before":
		return advisory.Event{Fixed: v}, true
	}
	return advisory.Event{LastAffected: v}, true
}
