package match

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"assay/service/advisory"
	"assay/verdict"
)

// An Entry is one affected entry of an advisory under the key that an Index
// keeps it by.
type Entry struct {
	Ecosystem string // as in the record, "Debian:12"
	Name      string // as NormalName spells it
	Affected  Affected
}

// Entries turns an advisory into what every Index holds of it, in the order of
// the record. A withdrawn record gives none, and so does an affected entry that
// names no package, that is about other operating systems than Linux, or that
// has nothing to compare: GIT ranges are left out, and by the schema's evaluation
// an entry without versions and ranges affects no version.
//
// firstSeen tells when the service first saw that the record names version as
// a fix of pkg, both as the record spells them; zero, or a nil function, where
// that is not known. Of several fixes in one range the earliest counts, so that
// a fix that was added later does not make the others look new.
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
		af = bounded(af)
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
		if len(ranges) == 0 && len(af.Versions) == 0 {
			continue
		}
		entries = append(entries, Entry{
			Ecosystem: p.Ecosystem,
			Name:      NormalName(p.Ecosystem, p.Name),
			Affected: Affected{
				Advisory: a.ID,
				Source:   a.Source,
				Versions: af.Versions,
				Ranges:   ranges,
				Severity: af.Severity,
				Urgency:  specific.urgency(),
				Modules:  modules(a.Summary, ranges),
				Arches:   arches,
				Binaries: specific.binaries(af),
			},
		})
	}
	return entries
}

// Describe turns an advisory into what every Index holds of it as a whole. An
// Index keeps no Vulnerability of a withdrawn record.
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
		KnownExploited json.RawMessage `json:"known_exploited"`
	}
	if len(a.DatabaseSpecific) > 0 && json.Unmarshal(a.DatabaseSpecific, &specific) == nil {
		switch string(specific.KnownExploited) {
		case "", "null", "false":
		default:
			v.KnownExploited = true
		}
		// GitHub's records carry a word where they have no vector.
		if word, ok := specific.Severity.(string); ok && len(v.Severity) == 0 && word != "" {
			v.Severity = []advisory.Severity{{Type: severityWord, Score: word}}
		}
	}
	if word := summaryWord(a); word != "" {
		v.Severity = append(slices.Clone(v.Severity), advisory.Severity{Type: severityWord, Score: word})
	}
	return v
}

// summaryWord returns the severity at the beginning of a bulletin's summary, in
// lower case: "important" of "Important: openssl security update". Red Hat and
// those that rebuild its packages have no other place for it.
func summaryWord(a advisory.Advisory) string {
	word, _, ok := strings.Cut(head(a.Summary, maxWord), ": ")
	if !ok || bulletin(a.ID) == "" || wordSeverity(word) == verdict.Unrated {
		return ""
	}
	return strings.ToLower(word)
}

// ownAliases returns the aliases of a record, and of several CVEs of one of
// GitHub's those alone whose pages it refers to, if there are any. GitHub has one
// CVE for each of its advisories, but databases that close aliases over each other
// give to each of two the CVEs of both (GHSA-269q-hmxg-m83q and
// GHSA-5mcr-gq6c-3hq2).
func ownAliases(a advisory.Advisory) []string {
	if !strings.HasPrefix(a.ID, "GHSA-") {
		return a.Aliases
	}
	cves := 0
	for _, alias := range a.Aliases {
		if isCVE(alias) {
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
		if isCVE(page) && slices.Contains(a.Aliases, page) {
			own = append(own, page)
		}
	}
	if len(own) == 0 {
		return a.Aliases
	}
	return slices.DeleteFunc(slices.Clone(a.Aliases), func(alias string) bool {
		return isCVE(alias) && !slices.Contains(own, alias)
	})
}

// notice reports whether a record is no vulnerability: RustSec's notices that a
// crate is unmaintained, and AlmaLinux's and Rocky's bug fix and enhancement
// notices, unless they name a CVE all the same.
func notice(a advisory.Advisory) bool {
	switch kind, _, _ := strings.Cut(a.ID, "-"); kind {
	case "ALBA", "ALEA", "RLBA", "RLEA":
		return !slices.ContainsFunc(a.Related, isCVE)
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

// summary returns the record's summary, or the beginning of its details where
// it has none, in one line of at most maxSummary bytes.
func summary(a advisory.Advisory) string {
	text := a.Summary
	if text == "" {
		// Enough for maxSummary bytes of words, whatever the spaces between.
		text = head(a.Details, 4*maxSummary)
	}
	return clip(strings.Join(strings.Fields(head(text, 4*maxSummary)), " "), maxSummary)
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

// clip returns s, or its beginning and dots where it has more than n bytes.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return head(s, n-len("...")) + "..."
}
