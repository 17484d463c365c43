package index

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"assay/service/advisory"
	"assay/service/distro"
	"assay/verdict"
)

const (
	maxWord    = 32  // bytes of a word that rates
	maxSummary = 300 // bytes of a summary
	maxStream  = 128 // bytes of a module stream
)

// An Entry is one affected entry of an advisory with its key.
type Entry struct {
	Key
	Affected Affected
}

// Entries returns the entries of an advisory, in the order of the record. Withdrawn
// records have none. Affected entries are left out if they name no package, are about
// other operating systems than Linux, or have nothing to compare: GIT ranges are ignored,
// and by the schema's evaluation an entry without versions and ranges affects no version.
// Such an entry is kept if its status says that the package is not affected, because it
// then overrules less specific records.
//
// firstSeen, if not nil, returns when the service first saw that the record names version
// as a fix of pkg, both as in the record, or zero if that is unknown. Of several fixes in
// one range the earliest time counts, so that a fix that was added later does not make the
// others look new.
func Entries(a advisory.Advisory, firstSeen func(ecosystem, pkg, version string) time.Time) []Entry {
	if a.Withdrawn != nil {
		return nil
	}
	var entries []Entry
	for _, af := range a.Affected {
		p := af.Package
		if p.Ecosystem == "" || p.Name == "" {
			continue
		}
		af = Bounded(af)
		specific := readSpecific(af)
		arches, ok := specific.platforms()
		if !ok {
			continue
		}
		var ranges []Range
		for _, r := range specific.ranges(af.Ranges) {
			if r.Type == advisory.Git || len(r.Events) == 0 {
				continue
			}
			kept := Range{Type: r.Type, Events: r.Events}
			for _, e := range r.Events {
				if e.Fixed == "" || firstSeen == nil {
					continue
				}
				at := firstSeen(p.Ecosystem, p.Name, e.Fixed)
				if !at.IsZero() && (kept.FirstSeen.IsZero() || at.Before(kept.FirstSeen)) {
					kept.FirstSeen = at
				}
			}
			ranges = append(ranges, kept)
		}
		patterns, status := specific.patterns(af), specific.status(af)
		if len(ranges) == 0 && len(af.Versions) == 0 && len(patterns) == 0 && status != advisory.StatusNotAffected {
			continue
		}
		entries = append(entries, Entry{
			Key: KeyOf(p.Ecosystem, p.Name),
			Affected: Affected{
				Advisory: a.ID,
				Source:   a.Source,
				Versions: af.Versions,
				Ranges:   ranges,
				Severity: af.Severity,
				Urgency:  specific.urgency(),
				Status:   status,
				Modules:  specific.modules(a.Summary, ranges),
				Arches:   arches,
				Binaries: specific.binaries(af),
				Patterns: patterns,
				Imports:  specific.imports(p.Name),
				Note:     note(af),
			},
		})
	}
	return entries
}

// Describe returns what an index keeps about an advisory as a whole. Indexes have no
// Vulnerability of a withdrawn record.
func Describe(a advisory.Advisory) Vulnerability {
	v := Vulnerability{
		ID:        a.ID,
		Source:    a.Source,
		Aliases:   ownAliases(a),
		Upstream:  a.Upstream,
		Related:   a.Related,
		Summary:   summary(a),
		Severity:  a.Severity,
		Modified:  a.Modified,
		Published: a.Published,
		Notice:    notice(a),
	}
	var specific struct {
		Severity       any             `json:"severity"`
		Disputed       any             `json:"disputed"`
		Ratings        json.RawMessage `json:"ratings"`
		KnownExploited json.RawMessage `json:"known_exploited"`
	}
	if len(a.DatabaseSpecific) > 0 && json.Unmarshal(a.DatabaseSpecific, &specific) == nil {
		switch string(specific.KnownExploited) {
		case "", "null", "false":
		default:
			v.KnownExploited = true
		}
		v.Ratings = ratings(specific.Ratings)
		if specific.Disputed == true {
			v.Summary = clip("Disputed: "+v.Summary, maxSummary)
		}
		v.Severity = slices.DeleteFunc(slices.Clone(v.Severity), func(s advisory.Severity) bool {
			return slices.ContainsFunc(v.Ratings, func(r advisory.Rating) bool { return r.Severity == s })
		})
		// GitHub's records have a word if they have no vector.
		if word, ok := specific.Severity.(string); ok && len(v.Severity)+len(v.Ratings) == 0 && word != "" {
			v.Severity = []advisory.Severity{{Type: advisory.SeverityWord, Score: word}}
		}
	}
	if word := summaryWord(a); word != "" {
		v.Severity = append(slices.Clone(v.Severity), advisory.Severity{Type: advisory.SeverityWord, Score: word})
	}
	return v
}

// maxRatings bounds the ratings of a record. Real ones have up to six.
const maxRatings = 32

// ratings reads the ratings that a record repeats. It leaves out those of unknown raters
// and returns none if the field has another form, which it has in other databases.
func ratings(field json.RawMessage) []advisory.Rating {
	var all []advisory.Rating
	if len(field) == 0 || json.Unmarshal(field, &all) != nil {
		return nil
	}
	all = slices.DeleteFunc(all, func(r advisory.Rating) bool { return RaterRank(r.By) == len(raters) || r.Score == "" })
	for i := range all {
		all[i].Org = head(all[i].Org, maxWord)
	}
	return all[:min(len(all), maxRatings)]
}

var raters = [...]string{advisory.RatedByCNA, advisory.RatedByADP, advisory.RatedByNVD}

// RaterRank returns the place of a rater in the order in which their ratings count. An
// unknown one is last.
func RaterRank(by string) int {
	if i := slices.Index(raters[:], by); i >= 0 {
		return i
	}
	return len(raters)
}

// summaryWord returns the severity at the beginning of an erratum's summary in lower
// case: "important" of "Important: openssl security update". Records of Red Hat, AlmaLinux
// and Rocky Linux have no other field for it.
func summaryWord(a advisory.Advisory) string {
	word, _, ok := strings.Cut(head(a.Summary, maxWord), ": ")
	if !ok || distro.Erratum(a.ID) == nil || distro.Severity(word) == verdict.Unrated {
		return ""
	}
	return strings.ToLower(word)
}

// ownAliases returns the aliases of a record. Of several CVEs in a GitHub advisory it
// returns only those that the advisory links to, if there are any. GitHub has one CVE for
// each of its advisories, but databases that merge aliases give the CVEs of two advisories
// to both (GHSA-269q-hmxg-m83q and GHSA-5mcr-gq6c-3hq2).
func ownAliases(a advisory.Advisory) []string {
	if !strings.HasPrefix(a.ID, "GHSA-") {
		return a.Aliases
	}
	cves := 0
	for _, alias := range a.Aliases {
		if advisory.IsCVE(alias) {
			cves++
		}
	}
	if cves < 2 {
		return a.Aliases
	}
	var own []string
	for _, r := range a.References {
		page := strings.TrimPrefix(r.URL, "https://nvd.nist.gov/vuln/detail/")
		page = strings.TrimPrefix(page, "https://www.cve.org/CVERecord?id=")
		if advisory.IsCVE(page) && slices.Contains(a.Aliases, page) {
			own = append(own, page)
		}
	}
	if len(own) == 0 {
		return a.Aliases
	}
	return slices.DeleteFunc(slices.Clone(a.Aliases), func(alias string) bool {
		return advisory.IsCVE(alias) && !slices.Contains(own, alias)
	})
}

// notice reports whether a record does not describe a vulnerability: RustSec's notices
// that a crate is unmaintained, and announcements of bug fixes and enhancements that name
// no CVE.
func notice(a advisory.Advisory) bool {
	if distro.IsNotice(a.ID) {
		return !slices.ContainsFunc(a.Related, advisory.IsCVE) && !slices.ContainsFunc(a.Upstream, advisory.IsCVE)
	}
	for _, af := range a.Affected {
		var specific struct {
			Informational any `json:"informational"`
		}
		if len(af.DatabaseSpecific) == 0 || json.Unmarshal(af.DatabaseSpecific, &specific) != nil {
			continue
		}
		if specific.Informational == "unmaintained" || specific.Informational == "notice" {
			return true
		}
	}
	return false
}

// summary returns the record's summary, or the beginning of its details if it has none, in
// one line of at most maxSummary bytes.
func summary(a advisory.Advisory) string {
	text := a.Summary
	if text == "" {
		// Enough for maxSummary bytes of words, whatever the spaces between.
		text = head(a.Details, 4*maxSummary)
	}
	return clip(strings.Join(strings.Fields(head(text, 4*maxSummary)), " "), maxSummary)
}

// modules returns the module streams that an entry is about ("nodejs:18"): the one in its
// own field, or else those in the summary of the record. The records that OSV has of
// AlmaLinux, Rocky Linux and Red Hat lack the field, and name the streams in their summaries
// ("Important: nodejs:18 security update"). If no fix is a module build, the summary means
// a version.
func (s specific) modules(summary string, ranges []Range) []string {
	if stream, ok := s.Modularity.(string); ok && stream != "" && len(stream) <= maxStream {
		if stream == advisory.NoModule {
			stream = ""
		}
		return []string{stream}
	}
	if !slices.ContainsFunc(ranges, func(r Range) bool { return distro.ModuleBuild(r.LastFix()) }) {
		return nil
	}
	var streams []string
	for word := range strings.FieldsSeq(head(summary, maxSummary)) {
		// "httpd:2.4/mod_http2," names a package of the module.
		word, _, _ = strings.Cut(strings.Trim(word, "(),;"), "/")
		name, stream, _ := strings.Cut(word, ":")
		if name != "" && stream != "" && !strings.Contains(stream, ":") {
			streams = append(streams, word)
		}
	}
	slices.Sort(streams)
	return slices.Compact(streams)
}

// head returns at most the first n bytes of s, cut between characters.
func head(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// clip returns s, or its beginning and dots if it has more than n bytes.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return head(s, n-len("...")) + "..."
}
