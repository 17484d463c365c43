// Package cve is the feed of the CVE list (https://github.com/CVEProject/cvelistV5): all
// CVE records, with the ratings of the CNAs and of CISA.
package cve

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"assay/service/advisory"
	"assay/service/feed/applicability"
	"assay/service/feed/cve/record"
	"assay/service/feed/rating"
	"assay/service/feed/wordpress"
)

// convert converts one CVE record. What the CNA says counts. Authorized data publishers
// (ADPs) often repeat it in other words, so they are used only for what the CNA leaves out.
//
// The vendor and product of a record are names for people, which identify no package. Only
// two kinds of records have affected entries: those about WordPress, its plugins and its
// themes, and those that name programs by CPE.
//
// CISA's ADP also repeats its own catalog of exploited vulnerabilities, and its decisions
// (SSVC), as metrics of another kind. They are ignored: the catalog is a source of its own,
// and newer there, and nothing is decided by SSVC.
func convert(b []byte) (advisory.Advisory, error) {
	r, err := record.Parse(b)
	if err != nil {
		return advisory.Advisory{}, err
	}
	cna := &r.Containers.CNA
	a := advisory.Advisory{
		ID:        r.Metadata.ID,
		Modified:  r.Modified(),
		Published: r.Metadata.DatePublished.Time,
	}
	if r.Metadata.State == record.Rejected {
		withdrawn := a.Modified
		if at := r.Metadata.DateRejected; !at.IsZero() {
			withdrawn = at.Time
		}
		a.Withdrawn = &withdrawn
		a.Related = slices.DeleteFunc(slices.Clone(cna.ReplacedBy), func(id string) bool { return !advisory.IsCVE(id) || id == a.ID })
		a.Details = record.English(cna.RejectedReasons)
		return a, nil
	}
	a.Summary = record.Plain(cna.Title)
	a.Details = strings.TrimSpace(record.English(cna.Descriptions))
	a.References = references(&r)
	a.Aliases = jenkinsWarnings(&r)
	ratings := ratings(&r)
	a.Severity = ratings.Severity()
	var left applicability.Left
	a.Affected, left = affected(&r)
	fields := map[string]any{"assigner": r.Metadata.Assigner}
	if r.Disputed() {
		fields["disputed"] = true
	}
	if len(left) > 0 {
		fields["not_converted"] = left
	}
	a.DatabaseSpecific = ratings.Specific(fields)
	return a, nil
}

// containers yields the container of the CNA, and those of the ADPs.
func containers(r *record.Record) []*record.Container {
	all := []*record.Container{&r.Containers.CNA}
	for i := range r.Containers.ADP {
		all = append(all, &r.Containers.ADP[i])
	}
	return all
}

// The name and the ID of CISA as an ADP.
const (
	cisaName = "CISA-ADP"
	cisaID   = "134c704f-9b21-4f2e-91b3-4a467353bcc0"
)

func ratings(r *record.Record) *rating.List {
	l := new(rating.List)
	for i, c := range containers(r) {
		by, org := rating.ByOther, c.Provider.ShortName
		switch {
		case i == 0:
			by = advisory.RatedByCNA
			if org == "" {
				org = r.Metadata.Assigner
			}
		case org == cisaName || c.Provider.OrgID == cisaID:
			by = advisory.RatedByADP
		}
		for _, m := range c.Metrics {
			for _, v := range [...]*record.CVSS{m.V40, m.V31, m.V30, m.V2} {
				if v != nil {
					l.Add(by, org, v.Vector, v.Base)
				}
			}
		}
	}
	return l
}

// jenkinsAdvisory finds the ID of a warning of Jenkins in the address of its advisory.
var jenkinsAdvisory = regexp.MustCompile(`^https?://(?:www\.)?jenkins\.io/security/advisory/[^#]*#(SECURITY-[0-9]+)$`)

// jenkinsWarnings returns the IDs of the warnings of Jenkins that are about the same
// vulnerability. The warnings themselves name no CVE.
func jenkinsWarnings(r *record.Record) []string {
	if r.Metadata.Assigner != "jenkins" {
		return nil
	}
	var ids []string
	seen := map[string]bool{}
	for _, ref := range r.Containers.CNA.References {
		if m := jenkinsAdvisory.FindStringSubmatch(ref.URL); m != nil && !seen[m[1]] {
			seen[m[1]] = true
			ids = append(ids, "JENKINS-"+m[1])
		}
	}
	return ids
}

// references returns the links of all containers, each once.
func references(r *record.Record) []advisory.Reference {
	var all []advisory.Reference
	seen := map[string]bool{}
	for _, c := range containers(r) {
		for _, ref := range c.References {
			if ref.URL == "" || seen[ref.URL] {
				continue
			}
			seen[ref.URL] = true
			all = append(all, advisory.Reference{Type: referenceType(ref.Tags), URL: ref.URL})
		}
	}
	return all
}

func referenceType(tags []string) string {
	for _, t := range [...]struct{ tag, typ string }{
		{"patch", "FIX"}, {"vendor-advisory", "ADVISORY"}, {"third-party-advisory", "ADVISORY"}, {"issue-tracking", "REPORT"}, {"exploit", "EVIDENCE"},
	} {
		if slices.Contains(tags, t.tag) {
			return t.typ
		}
	}
	return "WEB"
}

// affected returns the affected entries of a record. If it is about WordPress, the programs
// that it names by CPE are the same ones, unless the CNA names others too.
func affected(r *record.Record) ([]advisory.Affected, applicability.Left) {
	own := wordpress.FromCVE(r)
	all := containers(r)
	if len(own) > 0 {
		all = all[:1]
	}
	left := applicability.Left{}
	for _, c := range all {
		entries, notConverted := named(c)
		maps.Copy(left, notConverted)
		if len(own) > 0 {
			entries = slices.DeleteFunc(entries, func(e advisory.Affected) bool {
				return e.Package.Name == "wordpress:wordpress" || applicability.SpecificOf(e).TargetSW == "wordpress"
			})
		}
		if len(entries) > 0 && len(own) == 0 {
			return wordpress.FromCPE(entries, links(r)), left
		}
		if len(entries) > 0 {
			return append(own, entries...), left
		}
	}
	return own, left
}

func links(r *record.Record) []string {
	var urls []string
	for _, ref := range references(r) {
		urls = append(urls, ref.URL)
	}
	return urls
}

// named returns the entries of a container that are named by CPE. Its configurations take
// precedence over the names of its products, which they repeat.
func named(c *record.Container) ([]advisory.Affected, applicability.Left) {
	if entries, left := applicability.Affected(c.Applicability); len(entries) > 0 {
		return entries, left
	}
	left := applicability.Left{}
	var products []applicability.Product
	for _, a := range c.Affected {
		// The CPE of a package in a collection is that of its distribution: those of Red
		// Hat's packages are "cpe:/o:redhat:enterprise_linux:8".
		if len(a.CPEs) == 0 || a.PackageName != "" || a.CollectionURL != "" || elsewhere(a.Platforms) {
			continue
		}
		p := versions(a, left)
		if len(p.Versions)+len(p.Ranges) == 0 {
			continue
		}
		for _, name := range a.CPEs {
			p.Criteria = name
			products = append(products, p)
		}
	}
	entries, more := applicability.Affected(nil, products...)
	maps.Copy(left, more)
	return entries, left
}

// elsewhere reports whether an entry is about other operating systems than Linux only.
func elsewhere(platforms []string) bool {
	return len(platforms) > 0 && !slices.ContainsFunc(platforms, func(p string) bool {
		p = strings.ToLower(p)
		return !strings.Contains(p, "windows") && !strings.Contains(p, "macos") && !strings.Contains(p, "android") && p != "ios"
	})
}

// Reasons for which a version is not converted.
const (
	leftText    = "a version is a text, not a version"
	leftCommits = "versions are commits"
	leftDefault = "all versions are affected that are not listed"
)

// versions returns the affected versions of an entry. A version that is a text ("n/a",
// "before 1.2", "<= 3.1") is counted in left: it would compare with any version.
func versions(a record.Affected, left applicability.Left) applicability.Product {
	var p applicability.Product
	for _, v := range a.Versions {
		if v.Status != "affected" {
			continue
		}
		end := v.LessThan + v.LessThanOrEqual
		switch {
		case v.Type == "git":
			left[leftCommits]++
		case end == "" && applicability.IsVersion(v.Version):
			p.Versions = append(p.Versions, v.Version)
		case end == "":
			left[leftText]++
		default:
			if events, ok := events(v); ok {
				p.Ranges = append(p.Ranges, events)
			} else {
				left[leftText]++
			}
		}
	}
	if a.DefaultStatus == "affected" && len(p.Versions)+len(p.Ranges) == 0 && len(a.Versions) > 0 {
		left[leftDefault]++
	}
	return p
}

// events returns the events of a range. It is not ok if one of its versions is a text.
func events(v record.Version) (events []advisory.Event, ok bool) {
	start := v.Version
	switch strings.ToLower(start) {
	case "", "*", "-", "n/a", "unspecified", "0":
		start = "0"
	}
	events = append(events, advisory.Event{Introduced: start})
	all := []string{start}
	for _, c := range v.Changes {
		all = append(all, c.At)
		switch c.Status {
		case "affected":
			events = append(events, advisory.Event{Introduced: c.At})
		case "unaffected":
			events = append(events, advisory.Event{Fixed: c.At})
		default:
			return nil, false
		}
	}
	if v.LessThan != "" && v.LessThan != "*" {
		events, all = append(events, advisory.Event{Fixed: v.LessThan}), append(all, v.LessThan)
	}
	if v.LessThanOrEqual != "" && v.LessThanOrEqual != "*" {
		events, all = append(events, advisory.Event{LastAffected: v.LessThanOrEqual}), append(all, v.LessThanOrEqual)
	}
	return events, !slices.ContainsFunc(all, func(s string) bool { return !applicability.IsVersion(s) })
}
