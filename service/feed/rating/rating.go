// Package rating collects the CVSS ratings of a CVE by those who made them.
package rating

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	gocvss20 "github.com/pandatix/go-cvss/20"
	gocvss30 "github.com/pandatix/go-cvss/30"
	gocvss31 "github.com/pandatix/go-cvss/31"
	gocvss40 "github.com/pandatix/go-cvss/40"

	"assay/service/advisory"
)

// ByOther is who rated if it is nobody in the order of advisory.Rating.
const ByOther = "other"

var order = []string{advisory.RatedByCNA, advisory.RatedByADP, advisory.RatedByNVD, ByOther}

// A Rating is one rating with the score that its publisher states.
type Rating struct {
	advisory.Rating
	Base float64 `json:"base,omitempty"`
	rank int     // of the version of CVSS, the newest first
}

// A List has the ratings of one CVE.
type List struct {
	all     []Rating
	Invalid int // vectors that cannot be parsed
}

const maxRatings = 64 // of one CVE

// Add adds a rating. It ignores an empty vector, and one that the same rater has given
// before. A vector that cannot be parsed is only counted.
func (l *List) Add(by, org, vector string, base float64) {
	if vector == "" {
		return
	}
	r := Rating{Rating: advisory.Rating{By: by, Org: org}, Base: base}
	var ok bool
	if r.Severity, r.rank, ok = parse(vector); !ok {
		l.Invalid++
		return
	}
	same := func(o Rating) bool { return o.Rating == r.Rating }
	if len(l.all) < maxRatings && !slices.ContainsFunc(l.all, same) {
		l.all = append(l.all, r)
	}
}

// Sorted returns the ratings: the CNA's first, then those of CISA's ADP, of NVD, and of
// others. Those of one rater are ordered by the version of CVSS, the newest first.
func (l *List) Sorted() []Rating {
	all := slices.Clone(l.all)
	slices.SortStableFunc(all, func(a, b Rating) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.By), slices.Index(order, b.By)), cmp.Compare(a.rank, b.rank))
	})
	return all
}

// Severity returns the vectors in the same order, each once.
func (l *List) Severity() []advisory.Severity {
	var all []advisory.Severity
	for _, r := range l.Sorted() {
		if !slices.Contains(all, r.Severity) {
			all = append(all, r.Severity)
		}
	}
	return all
}

// A version is one version of CVSS. metrics are in the order in which vectors have them.
type version struct {
	prefix, typ, metrics string
	parse                func(vector string) error
}

var versions = []version{
	{"CVSS:4.0/", "CVSS_V4", "AV AC AT PR UI VC VI VA SC SI SA E CR IR AR MAV MAC MAT MPR MUI MVC MVI MVA MSC MSI MSA S AU R V RE U",
		func(v string) error { _, err := gocvss40.ParseVector(v); return err }},
	{"CVSS:3.1/", "CVSS_V3", v3, func(v string) error { _, err := gocvss31.ParseVector(v); return err }},
	{"CVSS:3.0/", "CVSS_V3", v3, func(v string) error { _, err := gocvss30.ParseVector(v); return err }},
	{"", "CVSS_V2", "AV AC Au C I A E RL RC CDP TD CR IR AR", func(v string) error { _, err := gocvss20.ParseVector(v); return err }},
}

const v3 = "AV AC PR UI S C I A E RL RC CR IR AR MAV MAC MPR MUI MS MC MI MA"

const maxVector = 512 // bytes; the longest of version 4 has 180

// parse returns the rating of a vector, with the metrics in their usual order. Some CVE
// records have them in another order.
func parse(vector string) (s advisory.Severity, rank int, ok bool) {
	if len(vector) > maxVector {
		return s, 0, false
	}
	rank = slices.IndexFunc(versions, func(v version) bool { return strings.HasPrefix(vector, v.prefix) })
	v := versions[rank]
	values := map[string]string{}
	for metric := range strings.SplitSeq(strings.TrimPrefix(vector, v.prefix), "/") {
		name, _, _ := strings.Cut(metric, ":")
		if _, twice := values[name]; twice {
			return s, 0, false
		}
		values[name] = metric
	}
	var parts []string
	for name := range strings.FieldsSeq(v.metrics) {
		if metric, ok := values[name]; ok {
			parts = append(parts, metric)
			delete(values, name)
		}
	}
	vector = v.prefix + strings.Join(parts, "/")
	if len(values) > 0 || v.parse(vector) != nil {
		return s, 0, false
	}
	return advisory.Severity{Type: v.typ, Score: vector}, rank, true
}

// Specific returns the database_specific of a record with ratings: the other fields,
// without empty texts, and "ratings".
func (l *List) Specific(fields map[string]any) json.RawMessage {
	if ratings := l.Sorted(); len(ratings) > 0 {
		fields["ratings"] = ratings
	}
	if l.Invalid > 0 {
		fields["invalid_ratings"] = l.Invalid
	}
	for name, value := range fields {
		if value == "" {
			delete(fields, name)
		}
	}
	if len(fields) == 0 {
		return nil
	}
	b, err := json.Marshal(fields)
	if err != nil {
		panic(err) // texts and numbers can be encoded
	}
	return b
}
