package match

import (
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

// A rating is one judgement of a vulnerability.
type rating struct {
	severity verdict.Severity // Unrated where there is none
	source   string
	word     bool // it is a distribution's word for its own package
	score    float64
	vector   string
}

func (r rating) rated() bool { return r.severity != verdict.Unrated && r.severity != "" }

// worst returns the more severe of two ratings, a where they are alike.
func worst(a, b rating) rating {
	if b.rated() && (!a.rated() || b.severity.Rank() < a.severity.Rank()) {
		return b
	}
	return a
}

// rate picks one rating out of those that the record id gives. The distribution's word counts before CVSS, as it has looked at its
// own build, and of CVSS the newest version; the score and the vector are kept
// beside a word.
func rate(ratings []advisory.Severity, id string) rating {
	best, newest := rating{severity: verdict.Unrated}, ""
	word := best
	for _, s := range ratings {
		if s.Type == "Ubuntu" || s.Type == index.SeverityWord {
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

// urgencyRating turns a distribution's word for a package into a rating.
func urgencyRating(word, ecosystem string) rating {
	distribution, _, _ := strings.Cut(ecosystem, ":")
	sev := distro.Severity(word)
	if sev == verdict.Unrated {
		return rating{severity: sev}
	}
	return rating{severity: sev, source: strings.ToLower(distribution) + ": " + word, word: true}
}

// scoreSeverity is CVSS's own scale; a score of nothing is negligible.
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

// baseScore returns the score of a CVSS vector and the version of CVSS, by which
// later ones sort later. Version 4 has one score for all its metrics.
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

// severityOf rates a finding. Each source whose entries affect the subject rates it
// by itself, and the worst of their ratings counts. It is unimportant where each of
// them says so in its own word.
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

// severityBy rates a finding as one source does: in this order by what the affected entries say,
// the records that hold them, the distribution's word for the package, and who
// else has rated the vulnerability, known being the records that know of it. Of several at one step the worst counts. A
// distribution that calls it unimportant in its own package is heard first,
// since the others speak of the software elsewhere.
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
			record = worst(record, rate(rec.Severity, rec.ID))
		}
	}
	for _, step := range [...]rating{unimportant, entry, record, word} {
		if step.rated() {
			// The word stands, and the score that came with it or beside it.
			for _, scored := range [...]rating{step, entry, record} {
				if scored.vector != "" {
					step.score, step.vector = scored.score, scored.vector
					break
				}
			}
			return step, nil
		}
	}
	other := rating{severity: verdict.Unrated}
	for i, k := range known {
		if other.rated() && known[i-1].ID != k.ID {
			break
		}
		ratings := k.Severity
		if !slices.Contains(g.via, k.ID) && !slices.Contains(g.names, k.ID) {
			// Another distribution's word is about its own package.
			ratings = slices.DeleteFunc(slices.Clone(ratings), func(s advisory.Severity) bool {
				return s.Type == "Ubuntu" || s.Type == index.SeverityWord
			})
		}
		other = worst(other, rate(ratings, k.ID)) // of all sources' records of the id
	}
	return other, nil
}

// known returns the records that know of a vulnerability, whoever made them:
// those of its names, those that lead to it, and those of distributions that
// carry its name.
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
