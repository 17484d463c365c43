package match

import (
	"iter"
	"slices"
	"strings"

	gocvss20 "github.com/pandatix/go-cvss/20"
	gocvss30 "github.com/pandatix/go-cvss/30"
	gocvss31 "github.com/pandatix/go-cvss/31"
	gocvss40 "github.com/pandatix/go-cvss/40"

	"assay/service/advisory"
	"assay/service/distro"
	"assay/service/index"
	"assay/verdict"
)

const maxVector = 512 // bytes of a CVSS vector; the longest of version 4 has 180

// A rating is one rating of a vulnerability.
type rating struct {
	severity verdict.Severity // or Unrated
	source   string
	word     bool // it is a distribution's rating of its own package
	score    float64
	vector   string
}

func (r rating) rated() bool { return r.severity != verdict.Unrated && r.severity != "" }

// worst returns the more severe of two ratings, or a if they are equal.
func worst(a, b rating) rating {
	if b.rated() && (!a.rated() || b.severity.Rank() < a.severity.Rank()) {
		return b
	}
	return a
}

// rate picks one of the ratings in the record id. A word takes precedence over CVSS,
// because the distribution has looked at its own build. Of CVSS vectors that of the newest
// version counts. A word keeps the score and the vector.
func rate(ratings []advisory.Severity, id string) rating {
	best, newest := rating{severity: verdict.Unrated}, ""
	word := best
	for _, s := range ratings {
		if s.Type == "Ubuntu" || s.Type == advisory.SeverityWord {
			if sev := distro.Severity(s.Score); sev != verdict.Unrated && !word.rated() {
				word.severity = sev
				word.source = shown(id) + ": " + strings.ToLower(s.Score)
				if s.Type == "Ubuntu" {
					word.source, word.word = "ubuntu: "+strings.ToLower(s.Score), true
				}
			}
			continue
		}
		score, version, ok := baseScore(s.Score)
		if !ok || version < newest || version == newest && score <= best.score {
			continue
		}
		newest = version
		best = rating{severity: scoreSeverity(score), source: shown(id) + ": CVSS " + version, score: score, vector: s.Score}
	}
	if word.rated() {
		best.severity, best.source, best.word = word.severity, word.source, word.word
	}
	return best
}

// rateRecord returns the rating of a record as a whole.
func rateRecord(rec *index.Vulnerability) rating {
	if by := rateByOthers([]*index.Vulnerability{rec}); by.rated() {
		return by
	}
	return rate(rec.Severity, rec.ID)
}

// rateByOthers picks one of the ratings that records repeat: of the first rater in the
// order of index.RaterRank who has rated the first of the records' ids that has a rating.
// Several records may have ratings of the same one, and then the worst counts.
func rateByOthers(known []*index.Vulnerability) rating {
	best, rank, id := rating{severity: verdict.Unrated}, 0, ""
	for _, k := range known {
		if best.rated() && k.ID != id {
			break
		}
		for by, ratings := range byRater(k.Ratings) {
			got := rate(ratings, raterName(by))
			if !got.rated() {
				continue
			}
			at := index.RaterRank(by.By)
			switch {
			case !best.rated() || at < rank:
				best, rank, id = got, at, k.ID
			case at == rank:
				best = worst(best, got)
			}
		}
	}
	return best
}

// byRater yields the ratings of each rater, in the order of the list.
func byRater(all []advisory.Rating) iter.Seq2[advisory.Rating, []advisory.Severity] {
	return func(yield func(advisory.Rating, []advisory.Severity) bool) {
		for len(all) > 0 {
			var own []advisory.Severity
			n := 0
			for n < len(all) && all[n].By == all[0].By && all[n].Org == all[0].Org {
				own = append(own, all[n].Severity)
				n++
			}
			if !yield(all[0], own) {
				return
			}
			all = all[n:]
		}
	}
}

// raterName returns how a rating names its rater: "CNA GitHub_M".
func raterName(r advisory.Rating) string {
	switch r.By {
	case advisory.RatedByADP:
		return "CISA ADP"
	case advisory.RatedByNVD:
		return "NVD"
	}
	return strings.TrimSpace("CNA " + r.Org)
}

// urgencyRating returns the rating of a distribution's word for a package.
func urgencyRating(word, ecosystem string) rating {
	distribution, _, _ := strings.Cut(ecosystem, ":")
	sev := distro.Severity(word)
	if sev == verdict.Unrated {
		return rating{severity: sev}
	}
	return rating{severity: sev, source: strings.ToLower(distribution) + ": " + word, word: true}
}

// scoreSeverity returns the severity of a score by the scale of CVSS. A score of 0 is
// negligible.
func scoreSeverity(score float64) verdict.Severity {
	switch {
	case score >= 9:
		return verdict.Critical
	case score >= 7:
		return verdict.High
	case score >= 4:
		return verdict.Medium
	case score > 0:
		return verdict.Low
	}
	return verdict.Negligible
}

// baseScore returns the score of a CVSS vector and the version of CVSS. Versions are
// ordered as text. Version 4 has one score for all metrics.
func baseScore(vector string) (score float64, version string, ok bool) {
	if len(vector) > maxVector {
		return 0, "", false
	}
	prefix, _, _ := strings.Cut(vector, "/")
	switch prefix {
	case "CVSS:4.0":
		v, err := gocvss40.ParseVector(vector)
		if err != nil {
			return 0, "", false
		}
		return v.Score(), "4.0", true
	case "CVSS:3.1":
		v, err := gocvss31.ParseVector(vector)
		if err != nil {
			return 0, "", false
		}
		return v.BaseScore(), "3.1", true
	case "CVSS:3.0":
		v, err := gocvss30.ParseVector(vector)
		if err != nil {
			return 0, "", false
		}
		return v.BaseScore(), "3.0", true
	}
	v, err := gocvss20.ParseVector(vector)
	if err != nil {
		return 0, "", false
	}
	return v.BaseScore(), "2.0", true
}

// severityOf rates a finding. Each source with matching entries rates it separately, and
// the worst rating counts. It is unimportant if each of them says so.
func (r records) severityOf(g *group, known []*index.Vulnerability) (rated rating, unimportant bool, err error) {
	rated, unimportant = rating{severity: verdict.Unrated}, true
	for source := range g.sources() {
		own, err := r.severityBy(g, source, known)
		if err != nil {
			return rating{}, false, err
		}
		unimportant = unimportant && own.word && own.severity == verdict.Negligible
		rated = worst(rated, own)
	}
	return rated, unimportant, nil
}

// severityBy rates a finding as one source does. The first of these counts: the affected
// entries, their records, the distribution's word for the package, the raters of the CVE
// (see rateByOthers), and other records of the vulnerability, which are in known. Of several ratings at one step the worst counts.
// A distribution's word "unimportant" for its own package comes before all of them, since
// the other ratings are about the software elsewhere.
func (r records) severityBy(g *group, source string, known []*index.Vulnerability) (rating, error) {
	var unimportant, entry, record, word rating
	for _, c := range g.matching {
		if c.entry.Source != source {
			continue
		}
		urgent := urgencyRating(c.entry.Urgency, c.ecosystem.Name)
		if urgent.severity == verdict.Negligible {
			unimportant = worst(unimportant, urgent)
		}
		word = worst(word, urgent)
		entry = worst(entry, rate(c.entry.Severity, c.entry.Advisory))
		rec, err := r.of(c.entry)
		if err != nil {
			return rating{}, err
		}
		if rec != nil {
			record = worst(record, rateRecord(rec))
		}
	}
	for _, step := range [...]rating{unimportant, entry, record, word} {
		if step.rated() {
			// A word is completed with a score and a vector.
			for _, scored := range [...]rating{step, entry, record} {
				if scored.vector != "" {
					step.score, step.vector = scored.score, scored.vector
					break
				}
			}
			return step, nil
		}
	}
	if by := rateByOthers(known); by.rated() {
		return by, nil
	}
	other := rating{severity: verdict.Unrated}
	for i, k := range known {
		if other.rated() && known[i-1].ID != k.ID {
			break
		}
		ratings := k.Severity
		if !slices.Contains(g.via, k.ID) && !slices.Contains(g.names, k.ID) {
			// Another distribution's word is about its own package only.
			ratings = slices.DeleteFunc(slices.Clone(ratings), func(s advisory.Severity) bool {
				return s.Type == "Ubuntu" || s.Type == advisory.SeverityWord
			})
		}
		other = worst(other, rate(ratings, k.ID)) // all sources have records of this id
	}
	return other, nil
}

// known returns the records about a vulnerability, of any publisher: those of its names,
// those that lead to it, and those of distributions whose ids contain one of its names.
func (r records) known(v vulnerability) ([]*index.Vulnerability, error) {
	var found []*index.Vulnerability
	for _, id := range slices.Concat(v.names, v.via) {
		recs, err := r.get(id)
		if err != nil {
			return nil, err
		}
		found = append(found, recs...)
	}
	for _, name := range v.names {
		refs, err := r.referrers(name)
		if err != nil {
			return nil, err
		}
		for _, ref := range refs {
			if v.called(ref.ID) {
				found = append(found, ref)
			}
		}
	}
	return found, nil
}

// SeverityOf returns how a vulnerability is rated in an ecosystem, whatever is installed.
// entries are those about it in the ecosystem, and known the records about it. The first of
// these counts: a distribution's word "unimportant", the entries, their records, the
// distribution's word, the raters of the CVE, and the other records. Of several ratings at one
// step the worst counts.
func SeverityOf(ecosystem string, entries []index.Affected, known []index.Vulnerability) verdict.Severity {
	var unimportant, entry, record, word, other rating
	all := make([]*index.Vulnerability, len(known))
	for i := range known {
		all[i] = &known[i]
	}
	for _, e := range entries {
		urgent := urgencyRating(e.Urgency, ecosystem)
		if urgent.severity == verdict.Negligible {
			unimportant = worst(unimportant, urgent)
		}
		word = worst(word, urgent)
		entry = worst(entry, rate(e.Severity, e.Advisory))
		for _, k := range all {
			if k.ID == e.Advisory && k.Source == e.Source {
				record = worst(record, rateRecord(k))
			}
		}
	}
	for _, k := range all {
		other = worst(other, rate(k.Severity, k.ID))
	}
	for _, step := range [...]rating{unimportant, entry, record, word, rateByOthers(all), other} {
		if step.rated() {
			return step.severity
		}
	}
	return verdict.Unrated
}
