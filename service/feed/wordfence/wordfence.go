// Package wordfence is the feed of Wordfence Intelligence, version 3
// (https://www.wordfence.com/help/wordfence-intelligence/v3-accessing-and-consuming-the-vulnerability-data-feed/):
// vulnerabilities of WordPress, its plugins and its themes.
package wordfence

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"assay/service/advisory"
	"assay/service/feed"
	"assay/service/feed/whole"
	"assay/service/feed/wordpress"
	"assay/service/store"
	"assay/service/version"
)

// Name is the name of the source.
const Name = "wordfence"

// Bounds of what is read. The feed "production" has about 120 MiB.
const (
	maxFile   = 1 << 30
	maxRecord = 4 << 20
)

var files = []whole.File{{Name: "production", Limit: maxFile}, {Name: "scanner", Limit: maxFile}}

// Source describes the source. It has two feeds: "production" has the records that are
// analysed, and "scanner" those too, and newer ones, with less detail. A record of
// "scanner" counts if "production" does not have it.
func Source() feed.Source {
	return feed.Source{
		Name:        Name,
		Title:       "Wordfence Intelligence",
		Address:     "https://www.wordfence.com/api/intelligence/v3/vulnerabilities",
		Format:      "JSON, two files",
		Licence:     "Wordfence Intelligence Terms and Conditions, CVE Terms of Use",
		Terms:       "https://www.wordfence.com/wordfence-intelligence-terms-and-conditions/",
		MayPassOn:   true, // with the notices and licences, which the records carry
		Contributes: feed.Advisories,
		Ecosystems:  []string{wordpress.Ecosystem},
		Key:         feed.RequiredKey,
		Authorize:   func(h http.Header, key string) { h.Set("Authorization", "Bearer "+key) },
		First:       feed.Cost{Download: 200 << 20, Disk: 500 << 20, Memory: 64 << 20, Time: 5 * time.Minute},
		Feed: func(s feed.Setup, _ string) (feed.Feed, error) {
			return whole.Feed{
				Setup:   s,
				Source:  Name,
				Files:   files,
				Records: records,
			}, nil
		},
	}
}

// records yields the records of the files: those of the first one, and those of the
// others that none before has.
func records(paths []string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		seen := make(map[string]bool)
		for i, path := range paths {
			own, read, rejected := make(map[string]bool), 0, 0
			for v, err := range open(path) {
				if err != nil {
					yield(store.Record{}, err)
					return
				}
				read++
				if seen[v.Name] {
					continue
				}
				own[v.Name] = true
				a, err := convert(v)
				r, err := whole.Converted(v.Name, a, err)
				if err != nil {
					rejected++
				}
				if !yield(r, err) {
					return
				}
			}
			if 2*rejected > len(own) || read == 0 {
				yield(store.Record{}, fmt.Errorf("the file %q has %d records, of which %d are rejected", files[i].Name, read, rejected))
				return
			}
			if i == 0 {
				seen = own
			}
		}
	}
}

func open(path string) iter.Seq2[whole.Value, error] {
	return func(yield func(whole.Value, error) bool) {
		for v, err := range whole.ValuesIn(path, maxRecord) {
			if err == nil && v.Name == "" {
				err = errors.New("the records are not members of an object by their ID")
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// A record is one record of a feed. Those of "scanner" lack what follows Copyrights.
type record struct {
	ID            string          `json:"id"`
	Title         string          `json:"title"`
	Software      []software      `json:"software"`
	Informational bool            `json:"informational"`
	References    []string        `json:"references"`
	Published     string          `json:"published"`
	Updated       string          `json:"updated"`
	Copyrights    json.RawMessage `json:"copyrights"`
	Description   string          `json:"description"`
	CVSS          *struct {
		Vector string `json:"vector"`
	} `json:"cvss"`
	CVE string `json:"cve"`
}

// A software entry is one package. The keys of Versions are text for people.
type software struct {
	Type     string              `json:"type"`
	Slug     string              `json:"slug"`
	Versions map[string]*between `json:"affected_versions"`
	Patched  bool                `json:"patched"`
	Fixes    []string            `json:"patched_versions"`
}

// A between is a range of versions. "*" is no bound.
type between struct {
	From          *string `json:"from_version"`
	FromInclusive *bool   `json:"from_inclusive"`
	To            *string `json:"to_version"`
	ToInclusive   *bool   `json:"to_inclusive"`
}

// Prefix begins the IDs of the advisories. The rest is the UUID of the record.
const Prefix = "WORDFENCE-"

const maxSoftware = 1000 // entries of one record; genuine ones have up to a few hundred

// convert converts one record.
func convert(v whole.Value) (advisory.Advisory, error) {
	var r record
	if err := json.Unmarshal(v.JSON, &r); err != nil {
		return advisory.Advisory{}, err
	}
	switch {
	case r.ID != v.Name:
		return advisory.Advisory{}, fmt.Errorf("the record has the ID %.100q", r.ID)
	case len(r.Software) == 0:
		return advisory.Advisory{}, errors.New("the record names no software")
	case len(r.Software) > maxSoftware:
		return advisory.Advisory{}, fmt.Errorf("the record names more than %d packages", maxSoftware)
	}
	a := advisory.Advisory{ID: Prefix + strings.ToLower(r.ID), Summary: r.Title, Details: r.Description}
	var err error
	if a.Published, err = parseTime(r.Published); err != nil {
		return a, err
	}
	if a.Modified = a.Published; r.Updated != "" {
		if a.Modified, err = parseTime(r.Updated); err != nil {
			return a, err
		}
	}
	if advisory.IsCVE(r.CVE) {
		a.Aliases = []string{r.CVE}
	}
	if r.CVSS != nil {
		switch {
		case strings.HasPrefix(r.CVSS.Vector, "CVSS:3"):
			a.Severity = []advisory.Severity{{Type: "CVSS_V3", Score: r.CVSS.Vector}}
		case strings.HasPrefix(r.CVSS.Vector, "CVSS:4"):
			a.Severity = []advisory.Severity{{Type: "CVSS_V4", Score: r.CVSS.Vector}}
		}
	}
	for _, url := range r.References {
		a.References = append(a.References, advisory.Reference{Type: "WEB", URL: url})
	}
	for _, s := range r.Software {
		entry, ok, err := s.affected(r.Informational)
		if err != nil {
			return a, err
		}
		if ok {
			a.Affected = append(a.Affected, entry)
		}
	}
	if len(r.Copyrights) == 0 || string(r.Copyrights) == "null" {
		return a, errors.New("the record has no copyright notices")
	}
	a.DatabaseSpecific, err = json.Marshal(map[string]json.RawMessage{"copyrights": r.Copyrights})
	return a, err
}

// parseTime parses a time, which is UTC.
func parseTime(text string) (time.Time, error) {
	return time.Parse(time.DateTime, text)
}

// affected converts one package. It is not ok for software that is not in the ecosystem:
// WordPress MU, and packages without a slug.
func (s software) affected(informational bool) (entry advisory.Affected, ok bool, err error) {
	name := ""
	switch s.Type {
	case "core":
		if name = wordpress.Core; s.Slug != "wordpress" {
			return entry, false, nil
		}
	case "plugin", "theme":
		if name, ok = wordpress.Name(wordpress.Kind(s.Type), s.Slug); !ok {
			return entry, false, nil
		}
	default:
		return entry, false, fmt.Errorf("unknown type of software %.40q", s.Type)
	}
	if len(s.Versions) == 0 {
		return entry, false, fmt.Errorf("%.100q has no affected_versions", s.Slug)
	}
	entry.Package = wordpress.Package(name)
	for _, key := range slices.Sorted(maps.Keys(s.Versions)) {
		b := s.Versions[key]
		if b == nil || b.From == nil || b.To == nil || b.ToInclusive == nil {
			return entry, false, fmt.Errorf("a range of %.100q is incomplete", s.Slug)
		}
		entry.Ranges = append(entry.Ranges, advisory.Range{Type: advisory.Ecosystem, Events: b.events(s)})
	}
	slices.SortStableFunc(entry.Ranges, func(a, b advisory.Range) int { return compareStarts(a.Events[0], b.Events[0]) })
	if informational {
		entry.DatabaseSpecific = json.RawMessage(`{"informational":"notice"}`)
	}
	return entry, true, nil
}

// compareStarts orders ranges by their start.
func compareStarts(a, b advisory.Event) int {
	order, _ := version.For(wordpress.Ecosystem)
	c, err := order.Comparer()(a.Introduced, b.Introduced)
	if err != nil {
		return strings.Compare(a.Introduced, b.Introduced)
	}
	return c
}

// events converts one range. The schema has no start that is not part of the range, so the
// version at such a start counts as affected. The end is the first fix after it, if there
// is one.
func (b *between) events(s software) []advisory.Event {
	start := "0"
	if !wordpress.First(*b.From) {
		start, _ = wordpress.Bound(*b.From)
	}
	events := []advisory.Event{{Introduced: start}}
	if strings.TrimSpace(*b.To) == "*" {
		return events
	}
	to, ordered := wordpress.Bound(*b.To)
	if !*b.ToInclusive {
		return append(events, advisory.Event{Fixed: to})
	}
	if fix := s.fix(to); ordered && fix != "" {
		return append(events, advisory.Event{Fixed: fix})
	}
	return append(events, advisory.Event{LastAffected: to})
}

// fix returns the oldest fix after a version, or an empty string.
func (s software) fix(last string) string {
	if !s.Patched {
		return ""
	}
	order, _ := version.For(wordpress.Ecosystem)
	compare := order.Comparer()
	newer := func(a, b string) bool { c, err := compare(a, b); return err == nil && c > 0 }
	fix := ""
	for _, text := range s.Fixes {
		v, ok := wordpress.Bound(text)
		if ok && newer(v, last) && (fix == "" || newer(fix, v)) {
			fix = v
		}
	}
	return fix
}
