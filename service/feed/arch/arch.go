// Package arch is the feed of Arch Linux' security tracker
// (https://security.archlinux.org), which lists vulnerabilities in groups.
package arch

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
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
const Name = "arch"

const ecosystem = "Arch Linux" // of the entries

// Bounds of what is read. The file has about 1 MiB, with 2,900 groups.
const (
	maxFile  = 64 << 20
	maxGroup = 1 << 20
	maxList  = 1000 // packages or issues of a group
)

const file = "all.json"

// Source describes the source.
func Source() feed.Source {
	return feed.Source{
		Name:        Name,
		Title:       "Arch Linux security tracker",
		Address:     "https://security.archlinux.org",
		Format:      "JSON, one file",
		Licence:     "MIT",
		Terms:       "https://github.com/archlinux/arch-security-tracker/blob/master/LICENSE",
		MayPassOn:   true,
		Contributes: feed.Advisories,
		Ecosystems:  []string{ecosystem},
		Default:     true,
		First:       feed.Cost{Download: 1 << 20, Disk: 4 << 20, Memory: 16 << 20, Time: 10 * time.Second},
		Feed: func(s feed.Setup, _ string) (feed.Feed, error) {
			return whole.Feed{
				Setup:   s,
				Source:  Name,
				Files:   []whole.File{{Name: file, Limit: maxFile}},
				Records: func(paths []string) iter.Seq2[store.Record, error] { return records(paths[0]) },
			}, nil
		},
	}
}

// records yields an advisory for each group of a file.
func records(path string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		i := 0
		for b, err := range whole.ListIn(path, maxGroup) {
			if err != nil {
				yield(store.Record{}, err)
				return
			}
			i++
			a, err := convert(b)
			name := a.ID
			if name == "" {
				name = fmt.Sprintf("group %d", i)
			}
			if !yield(whole.Converted(name, a, err)) {
				return
			}
		}
	}
}

// A group is vulnerabilities that packages have in common.
type group struct {
	Name       string   `json:"name"` // "AVG-1234"
	Packages   []string `json:"packages"`
	Status     string   `json:"status"`
	Severity   string   `json:"severity"`
	Type       string   `json:"type"`     // "denial of service"
	Affected   string   `json:"affected"` // the version in which it was found
	Fixed      string   `json:"fixed"`    // may be null
	Issues     []string `json:"issues"`
	Advisories []string `json:"advisories"`
}

var (
	groupID     = regexp.MustCompile(`^AVG-[0-9]{1,9}$`)
	advisoryID  = regexp.MustCompile(`^ASA-[0-9]{6}-[0-9]{1,9}$`)
	packageName = regexp.MustCompile(`^[A-Za-z0-9@_+][A-Za-z0-9@._+-]{0,199}$`)
	version     = regexp.MustCompile(`^[^\s/]{1,200}$`)
)

// convert converts one group. On an error the result has at most an ID.
//
// Every version before the fix counts as affected: the tracker names the version in which
// a vulnerability was found, not the first that has it.
func convert(b []byte) (advisory.Advisory, error) {
	var g group
	if err := json.Unmarshal(b, &g); err != nil {
		return advisory.Advisory{}, err
	}
	if !groupID.MatchString(g.Name) {
		return advisory.Advisory{}, fmt.Errorf("invalid name of a group %.40q", g.Name)
	}
	a := advisory.Advisory{ID: g.Name}
	entry, err := g.entry()
	if err != nil {
		return a, err
	}
	if len(g.Packages) == 0 || len(g.Packages) > maxList || len(g.Issues) > maxList {
		return a, fmt.Errorf("%d packages and %d issues", len(g.Packages), len(g.Issues))
	}
	for _, issue := range g.Issues {
		if !advisory.IsCVE(issue) {
			return a, fmt.Errorf("invalid CVE %.40q", issue)
		}
	}
	slices.Sort(g.Packages)
	affected := make([]advisory.Affected, 0, len(g.Packages))
	for _, name := range slices.Compact(g.Packages) {
		if !packageName.MatchString(name) {
			return a, fmt.Errorf("invalid name of a package %.100q", name)
		}
		entry.Package = advisory.Package{Ecosystem: ecosystem, Name: name}
		affected = append(affected, entry)
	}
	a.Summary, a.Upstream, a.Affected = g.Type, g.Issues, affected
	a.References = []advisory.Reference{{Type: "ADVISORY", URL: "https://security.archlinux.org/" + g.Name}}
	for _, id := range g.Advisories {
		if advisoryID.MatchString(id) {
			a.Related = append(a.Related, id)
			a.References = append(a.References, advisory.Reference{Type: "ADVISORY", URL: "https://security.archlinux.org/" + id})
		}
	}
	a.DatabaseSpecific = advisory.SeverityField(strings.ToLower(g.Severity))
	return a, nil
}

// entry returns what the group says about each of its packages.
func (g group) entry() (entry advisory.Affected, err error) {
	if g.Fixed != "" && !version.MatchString(g.Fixed) {
		return entry, fmt.Errorf("invalid version %.100q", g.Fixed)
	}
	entry.Ranges = []advisory.Range{advisory.Before(g.Fixed)}
	switch g.Status {
	case "Vulnerable", "Testing": // the fix of the latter is in the testing repositories
		return entry, nil
	case "Fixed":
		if g.Fixed == "" {
			return entry, errors.New("the group is fixed, but has no fixed version")
		}
		return entry, nil
	case "Unknown":
		entry.EcosystemSpecific = advisory.StatusField(advisory.StatusUnderInvestigation)
		return entry, nil
	case "Not affected":
		entry.Ranges = nil
		entry.EcosystemSpecific = advisory.StatusField(advisory.StatusNotAffected)
		return entry, nil
	}
	return entry, fmt.Errorf("unknown status %.40q", g.Status)
}
