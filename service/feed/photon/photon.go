// Package photon is the feed of the vulnerabilities in Photon OS, which VMware publishes as
// one file for each release.
package photon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"assay/service/advisory"
	"assay/service/feed"
	"assay/service/feed/whole"
	"assay/service/store"
)

// Name is the name of the source.
const Name = "photon"

const ecosystem = "Photon OS" // of the entries, without a release

// Bounds of what is read. A file has a few MiB, and about 30,000 entries.
const (
	maxIndex    = 1 << 20
	maxReleases = 50
	maxFile     = 128 << 20
	maxEntry    = 64 << 10
	maxEntries  = 2_000_000
)

// Source describes the source.
func Source() feed.Source {
	return feed.Source{
		Name:        Name,
		Title:       "Photon OS",
		Address:     "https://packages.broadcom.com/photon/photon_cve_metadata",
		Format:      "JSON, one file for each release",
		Licence:     "not stated",
		Terms:       "https://github.com/vmware/photon/wiki/Security-Advisories",
		Contributes: feed.Advisories,
		Ecosystems:  []string{ecosystem},
		Default:     true,
		First:       feed.Cost{Download: 30 << 20, Disk: 100 << 20, Memory: 128 << 20, Time: time.Minute},
		Feed: func(s feed.Setup, _ string) (feed.Feed, error) {
			var releases []string
			return whole.Feed{
				Setup:  s,
				Source: Name,
				List: func(ctx context.Context, m feed.Mirror) (files []whole.File, err error) {
					releases, err = list(ctx, m)
					for _, r := range releases {
						files = append(files, whole.File{Name: "cve_data_photon" + r + ".json", Limit: maxFile})
					}
					return files, err
				},
				Keep:    true,
				Records: func(paths []string) iter.Seq2[store.Record, error] { return records(releases, paths) },
			}, nil
		},
	}
}

var release = regexp.MustCompile(`^[0-9]{1,3}\.[0-9]{1,3}$`)

// list returns the releases that have a file. The branch under development has one too.
func list(ctx context.Context, m feed.Mirror) ([]string, error) {
	b, _, err := m.Get(ctx, "photon_versions.json", maxIndex, feed.Version{})
	if err != nil {
		return nil, err
	}
	var versions struct {
		Branches []string `json:"branches"`
	}
	if err := json.Unmarshal(b, &versions); err != nil {
		return nil, fmt.Errorf("photon_versions.json: %w", err)
	}
	releases := slices.DeleteFunc(versions.Branches, func(b string) bool { return strings.EqualFold(b, "dev") })
	slices.Sort(releases)
	releases = slices.Compact(releases)
	if len(releases) == 0 || len(releases) > maxReleases {
		return nil, fmt.Errorf("photon_versions.json names %d releases", len(releases))
	}
	for _, r := range releases {
		if !release.MatchString(r) {
			return nil, fmt.Errorf("photon_versions.json: invalid release %.40q", r)
		}
	}
	return releases, nil
}

// records yields an advisory for each vulnerability in the files of releases.
func records(releases, paths []string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		all, n := make(map[string]*vulnerability), 0
		for i, path := range paths {
			valid := 0
			for e, err := range whole.ListIn(path, maxEntry) {
				if n++; err == nil && n > maxEntries {
					err = fmt.Errorf("more than %d entries", maxEntries)
				}
				if err != nil {
					yield(store.Record{}, err)
					return
				}
				id, err := add(all, releases[i], e)
				if err == nil {
					valid++
				} else if !yield(store.Record{}, whole.Rejected(id, err)) {
					return
				}
			}
			if valid == 0 { // otherwise the release would lose its entries
				yield(store.Record{}, fmt.Errorf("release %s has no valid entry", releases[i]))
				return
			}
		}
		for _, id := range slices.Sorted(maps.Keys(all)) {
			if !yield(whole.Converted(id, all[id].advisory(id), nil)) {
				return
			}
		}
	}
}

// An entry says what is known about one vulnerability in one package of a release.
type entry struct {
	ID       string   `json:"cve_id"`
	Package  string   `json:"pkg"`
	Score    *float64 `json:"cve_score"` // of CVSS 3; may be null
	Affected string   `json:"aff_ver"`   // "all versions before 5.22.1-4.ph1 are vulnerable", "NA"
	Fixed    string   `json:"res_ver"`   // "5.22.1-4.ph1", "NA"
	Status   string   `json:"status"`    // missing in older files
}

// A vulnerability is what the files say about one vulnerability.
type vulnerability struct {
	score    float64
	affected map[advisory.Package]*affected
}

// affected says which versions of a package are affected.
type affected struct {
	fixed   []string // the ends of ranges
	unfixed bool
}

var (
	// validID matches CVEs, and IDs of Black Duck. Other texts, such as "UNK-1" and "Re", do not
	// name a vulnerability.
	validID = regexp.MustCompile(`^(CVE-[0-9]{4}-[0-9]{4,19}|BDSA-[0-9]{4}-[0-9]{1,10})$`)
	name    = regexp.MustCompile(`^[^\s/:]{1,200}$`)
	version = regexp.MustCompile(`^[^\s,<>=]{1,200}$`)
	before  = regexp.MustCompile(`(?i)^all versions before (\S{1,200}) are vulnerable$`)
	every   = regexp.MustCompile(`(?i)^all versions are vulnerable$`)
)

// add adds an entry. The error says why it is rejected; id names it.
func add(all map[string]*vulnerability, release string, b json.RawMessage) (id string, err error) {
	var e entry
	if err := json.Unmarshal(b, &e); err != nil {
		return release, err
	}
	id = strings.TrimSpace(release + " " + e.Package + " " + e.ID)
	switch {
	case !validID.MatchString(e.ID):
		return id, errors.New("invalid ID of a vulnerability")
	case !name.MatchString(e.Package):
		return id, errors.New("invalid name of a package")
	}
	af, err := e.convert()
	if err != nil {
		return id, err
	}
	v := all["PHOTON-"+e.ID]
	if v == nil {
		v = &vulnerability{affected: make(map[advisory.Package]*affected)}
		all["PHOTON-"+e.ID] = v
	}
	if e.Score != nil {
		v.score = max(v.score, *e.Score)
	}
	p := advisory.Package{Ecosystem: ecosystem + ":" + release, Name: e.Package}
	if known := v.affected[p]; known != nil { // listed again
		af.fixed, af.unfixed = append(known.fixed, af.fixed...), af.unfixed || known.unfixed
	}
	v.affected[p] = &af
	return id, nil
}

// convert returns which versions an entry affects: none if the package is not affected. If
// the text about the affected versions and the fix differ, both are ends of a range, so
// that the newer one counts.
func (e entry) convert() (af affected, err error) {
	fixed := given(e.Fixed)
	if fixed != "" {
		af.fixed = append(af.fixed, fixed)
	}
	text := given(e.Affected)
	if m := before.FindStringSubmatch(text); m != nil {
		if m[1] != fixed {
			af.fixed = append(af.fixed, m[1])
		}
	} else if every.MatchString(text) {
		af.unfixed = fixed == ""
	} else if text != "" && fixed == "" {
		return af, fmt.Errorf("unknown affected versions %.100q", text)
	}
	for _, v := range af.fixed {
		if !version.MatchString(v) {
			return af, fmt.Errorf("invalid version %.100q", v)
		}
	}
	switch strings.ToLower(e.Status) {
	case "not affected":
		if len(af.fixed) > 0 || af.unfixed {
			return af, errors.New("the package is not affected, but has affected versions")
		}
	case "", "fixed":
		if len(af.fixed) == 0 && !af.unfixed {
			return af, errors.New("no affected versions and no fix")
		}
	default:
		return af, fmt.Errorf("unknown status %.40q", e.Status)
	}
	return af, nil
}

// given returns a text, or an empty string if it says that there is none.
func given(s string) string {
	if s = strings.TrimSpace(s); strings.EqualFold(s, "NA") {
		return ""
	}
	return s
}

// advisory returns the advisory of a vulnerability.
func (v *vulnerability) advisory(id string) advisory.Advisory {
	a := advisory.Advisory{ID: id, Upstream: []string{strings.TrimPrefix(id, "PHOTON-")}}
	a.DatabaseSpecific = advisory.SeverityField(severity(v.score))
	packages := slices.SortedFunc(maps.Keys(v.affected), advisory.Package.Compare)
	for _, p := range packages {
		a.Affected = append(a.Affected, v.affected[p].entry(p))
	}
	return a
}

// entry returns the entry of a package.
func (af *affected) entry(p advisory.Package) advisory.Affected {
	e := advisory.Affected{Package: p}
	slices.Sort(af.fixed)
	for _, fixed := range slices.Compact(af.fixed) {
		e.Ranges = append(e.Ranges, advisory.Before(fixed))
	}
	if af.unfixed {
		e.Ranges = append(e.Ranges, advisory.Before(""))
	}
	if len(e.Ranges) == 0 {
		e.EcosystemSpecific = advisory.StatusField(advisory.StatusNotAffected)
	}
	return e
}

// severity returns the word for a score by the scale of CVSS 3, or an empty string.
func severity(score float64) string {
	switch {
	case score >= 9 && score <= 10:
		return "critical"
	case score >= 7 && score < 9:
		return "high"
	case score >= 4 && score < 7:
		return "medium"
	case score > 0 && score < 4:
		return "low"
	}
	return ""
}
