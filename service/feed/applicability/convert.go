package applicability

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"assay/service/advisory"
	"assay/service/cpe"
)

// Ecosystem is the ecosystem of programs that are named by CPE. The name of a package is
// that of cpe.Name.Package.
const Ecosystem = "CPE"

// Left counts the matches that are not converted, by the reason.
type Left map[string]int

// Reasons for which a match is not converted. No package must match by accident, so a
// match that is not understood in every part gives no affected entry.
const (
	leftName      = "the criteria are not a CPE name, or are a pattern"
	leftHardware  = "hardware"
	leftPackage   = "no vendor or product"
	leftVersion   = "no version: the criteria have \"-\""
	leftUpdate    = "bounds together with a version or an update"
	leftBound     = "a bound is not a version"
	leftNegated   = "negated"
	leftOtherOS   = "only on other operating systems than Linux"
	leftTooMany   = "too many"
	maxMatches    = 20000  // of one record; genuine ones have up to a few thousand
	maxConditions = 100    // of one entry
	maxRepeated   = 200000 // conditions of all matches of a record, which each has again
)

// A Specific is the field "cpe" of the database_specific of an affected entry: what the
// package and the versions do not say. Attributes that are Any are left out.
type Specific struct {
	Part      string `json:"part"`
	Update    string `json:"update,omitempty"`
	Edition   string `json:"edition,omitempty"`
	Language  string `json:"language,omitempty"`
	SWEdition string `json:"sw_edition,omitempty"`
	TargetSW  string `json:"target_sw,omitempty"`
	TargetHW  string `json:"target_hw,omitempty"`
	Other     string `json:"other,omitempty"`
	// Criteria are the names as published.
	Criteria []string `json:"criteria"`
	// Conditions must all apply too. Each is a list of alternatives.
	Conditions [][]Condition `json:"conditions,omitempty"`
	// StartExcluded: the ranges begin after the versions of their introduced events. The
	// OSV schema cannot say this, so those versions count as affected.
	StartExcluded bool `json:"start_excluded,omitempty"`
}

type specific struct {
	CPE Specific `json:"cpe"`
}

// Encode returns database_specific with s.
func (s Specific) Encode() json.RawMessage {
	b, err := json.Marshal(specific{s})
	if err != nil {
		panic(err) // strings can be encoded
	}
	return b
}

// SpecificOf returns the Specific of an entry, or zero if it has none.
func SpecificOf(a advisory.Affected) Specific {
	var specific specific
	if json.Unmarshal(a.DatabaseSpecific, &specific) != nil {
		return Specific{}
	}
	return specific.CPE
}

// A Condition is the platform on which a program is vulnerable.
type Condition struct {
	Criteria       string `json:"criteria"`
	StartIncluding string `json:"start_including,omitempty"`
	StartExcluding string `json:"start_excluding,omitempty"`
	EndIncluding   string `json:"end_including,omitempty"`
	EndExcluding   string `json:"end_excluding,omitempty"`
}

// Affected converts the vulnerable matches of configurations, and products, into affected
// entries of the ecosystem CPE, sorted by package. Those with the same package, attributes
// and conditions are one entry. Matches that are not vulnerable become the conditions of
// the others in the same configuration if all of its nodes must apply.
func Affected(all []Configuration, products ...Product) ([]advisory.Affected, Left) {
	c := converter{left: Left{}, entries: map[string]*entry{}}
	for _, conf := range all {
		c.configuration(conf)
	}
	for _, p := range products {
		c.product(p)
	}
	var out []advisory.Affected
	for _, e := range c.order {
		out = append(out, advisory.Affected{
			Package:          advisory.Package{Ecosystem: Ecosystem, Name: e.pkg},
			Ranges:           e.ranges,
			Versions:         e.versions,
			DatabaseSpecific: e.Encode(),
		})
	}
	slices.SortStableFunc(out, func(a, b advisory.Affected) int { return cmp.Compare(a.Package.Name, b.Package.Name) })
	if len(c.left) == 0 {
		return out, nil
	}
	return out, c.left
}

// A Product is named by CPE, and its versions are given in another way.
type Product struct {
	Criteria string // a name without a version
	Versions []string
	Ranges   [][]advisory.Event
}

func (c *converter) product(p Product) {
	n, left := parse(p.Criteria)
	if left == "" && (n.Version != cpe.Any && n.Version != cpe.NA || n.Update != cpe.Any && n.Update != cpe.NA) {
		left = leftUpdate
	}
	if c.matches++; c.matches > maxMatches {
		left = leftTooMany
	}
	if left != "" {
		c.left[left]++
		return
	}
	n.Update = cpe.Any
	c.add(n, p.Criteria, Specific{}, p.Versions, p.Ranges...)
}

type converter struct {
	left    Left
	entries map[string]*entry
	order   []*entry
	matches int
	// repeated counts the conditions of the matches.
	repeated int
}

type entry struct {
	pkg      string
	ranges   []advisory.Range
	versions []string
	seen     map[string]bool // criteria, versions and ranges: a record may have very many
	Specific
}

// first reports whether the entry does not have the value yet, and notes it.
func (e *entry) first(kind, value string) bool {
	key := kind + value
	if e.seen[key] {
		return false
	}
	e.seen[key] = true
	return true
}

func (c *converter) configuration(conf Configuration) {
	conditions, elsewhere := conf.conditions()
	size := 0
	for _, alternatives := range conditions {
		size += len(alternatives)
	}
	for _, node := range conf.Nodes {
		for _, m := range node.Matches {
			if !m.Vulnerable {
				continue
			}
			c.matches++
			c.repeated += size
			reason := ""
			switch {
			case conf.Negate || node.Negate:
				reason = leftNegated
			case elsewhere:
				reason = leftOtherOS
			case c.matches > maxMatches || c.repeated > maxRepeated || len(conditions) > maxConditions:
				reason = leftTooMany
			default:
				reason = c.match(m, conditions)
			}
			if reason != "" {
				c.left[reason]++
			}
		}
	}
}

// conditions returns the conditions of a configuration. elsewhere reports whether one of
// them needs another operating system than Linux.
func (conf Configuration) conditions() (conditions [][]Condition, elsewhere bool) {
	for _, node := range conf.Nodes {
		if conf.Operator != "AND" && node.Operator != "AND" {
			continue
		}
		var alternatives []Condition
		other := true
		for _, m := range node.Matches {
			if m.Vulnerable {
				continue
			}
			alternatives = append(alternatives, Condition{m.Criteria, m.StartIncluding, m.StartExcluding, m.EndIncluding, m.EndExcluding})
			other = other && otherSystem(m.Criteria)
		}
		if len(alternatives) > 0 && len(alternatives) <= maxConditions && !node.Negate {
			conditions = append(conditions, alternatives)
			elsewhere = elsewhere || other
		}
	}
	return conditions, elsewhere
}

// otherSystem reports whether a name is that of an operating system other than Linux. Of
// the many that NVD names, these are the platforms of programs that also run on Linux.
func otherSystem(criteria string) bool {
	n, err := cpe.Parse(criteria)
	return err == nil && n.Part == "o" &&
		(n.Vendor == "microsoft" || n.Vendor == "apple" || n.Vendor == "google" && n.Product == "android")
}

// match adds a match to its entry, or returns the reason for which it cannot.
func (c *converter) match(m Match, conditions [][]Condition) (left string) {
	n, left := parse(m.Criteria)
	if left != "" {
		return left
	}
	versions, events, left := m.versions(n)
	if left != "" {
		return left
	}
	s := Specific{Conditions: conditions, StartExcluded: m.StartIncluding == "" && m.StartExcluding != ""}
	c.add(n, m.Criteria, s, versions, events)
	return ""
}

// parse parses the name of a package of software, or returns the reason for which it is
// not one.
func parse(criteria string) (n cpe.Name, left string) {
	n, err := cpe.Parse(criteria)
	if err != nil {
		return n, leftName
	}
	if _, ok := n.Package(); !ok {
		return n, leftPackage
	}
	if n.Part == "h" {
		return n, leftHardware
	}
	return n, ""
}

// add adds versions and ranges to the entry of a name.
func (c *converter) add(n cpe.Name, criteria string, s Specific, versions []string, ranges ...[]advisory.Event) {
	pkg, _ := n.Package()
	s.Part = n.Part
	for _, f := range [...]struct {
		to   *string
		from string
	}{
		{&s.Update, n.Update}, {&s.Edition, n.Edition}, {&s.Language, n.Language}, {&s.SWEdition, n.SWEdition},
		{&s.TargetSW, n.TargetSW}, {&s.TargetHW, n.TargetHW}, {&s.Other, n.Other},
	} {
		if f.from != cpe.Any {
			*f.to = f.from
		}
	}
	key, err := json.Marshal(struct {
		Package string
		Specific
	}{pkg, s})
	if err != nil {
		panic(err) // strings can be encoded
	}
	e := c.entries[string(key)]
	if e == nil {
		e = &entry{pkg: pkg, seen: map[string]bool{}, Specific: s}
		c.entries[string(key)] = e
		c.order = append(c.order, e)
	}
	if e.first("criteria ", criteria) {
		e.Criteria = append(e.Criteria, criteria)
	}
	for _, v := range versions {
		if e.first("version ", v) {
			e.versions = append(e.versions, v)
		}
	}
	for _, events := range ranges {
		if len(events) > 0 && e.first("range ", fmt.Sprintf("%q", events)) {
			e.ranges = append(e.ranges, advisory.Range{Type: advisory.Ecosystem, Events: events})
		}
	}
}

// versions returns the versions of a match: one, which may be written in several ways, or
// the events of a range.
func (m Match) versions(n cpe.Name) (versions []string, events []advisory.Event, left string) {
	bounded := m.StartIncluding != "" || m.StartExcluding != "" || m.EndIncluding != "" || m.EndExcluding != ""
	withUpdate := n.Update != cpe.Any && n.Update != cpe.NA
	switch {
	case n.Version == cpe.NA:
		return nil, nil, leftVersion
	case n.Version != cpe.Any && bounded, n.Version == cpe.Any && withUpdate:
		return nil, nil, leftUpdate
	case n.Version != cpe.Any && !IsVersion(n.Version):
		return nil, nil, leftBound
	case withUpdate: // 2.4.5p3, 1.0-rc2
		return []string{n.Version + n.Update, n.Version + "-" + n.Update}, nil, ""
	case n.Version != cpe.Any:
		return []string{n.Version}, nil, ""
	}
	for _, v := range [...]string{m.StartIncluding, m.StartExcluding, m.EndIncluding, m.EndExcluding} {
		if v != "" && !IsVersion(v) {
			return nil, nil, leftBound
		}
	}
	events = append(events, advisory.Event{Introduced: cmp.Or(m.StartIncluding, m.StartExcluding, "0")})
	if m.EndExcluding != "" {
		events = append(events, advisory.Event{Fixed: m.EndExcluding})
	}
	if m.EndIncluding != "" {
		events = append(events, advisory.Event{LastAffected: m.EndIncluding})
	}
	return nil, events, ""
}

const maxVersion = 100 // bytes

// IsVersion reports whether s can be a version: it has a digit, begins with a letter or a
// digit, and has no white space and none of the characters by which people write ranges
// and lists. "n/a", "unspecified", "*" and "<= 1.2" are not versions.
func IsVersion(s string) bool {
	if s == "" || len(s) > maxVersion || !strings.ContainsAny(s, "0123456789") {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
		case i > 0 && strings.IndexByte(".-_+~:", c) >= 0:
		default:
			return false
		}
	}
	return true
}
