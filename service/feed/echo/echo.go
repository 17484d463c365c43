// Package echo is the feed of the advisories of Echo, which are in one file by package and
// vulnerability.
package echo

import (
	"bytes"
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
const Name = "echo"

const ecosystem = "Echo" // of the entries

// Bounds of what is read.
const (
	maxFile    = 64 << 20
	maxPackage = 32 << 20
	maxEntries = 2_000_000
)

const file = "data.json"

// Source describes the source.
func Source() feed.Source {
	return feed.Source{
		Name:        Name,
		Title:       "Echo advisories",
		Address:     "https://advisory.echohq.com",
		Format:      "JSON, one file",
		Licence:     "not stated",
		Terms:       "https://advisory.echohq.com",
		Contributes: feed.Advisories,
		Ecosystems:  []string{ecosystem},
		Default:     true,
		First:       feed.Cost{Download: 10 << 20, Disk: 32 << 20, Memory: 64 << 20, Time: 20 * time.Second},
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

// An entry is what the file says about one vulnerability in a package.
type entry struct {
	Fixed    string `json:"fixed_version"` // empty without a fix
	Severity string `json:"severity"`      // may be missing
}

var (
	id      = regexp.MustCompile(`^(CVE-[0-9]{4}-[0-9]{4,19}|[A-Z]{2,10}(-[A-Za-z0-9]{1,20}){1,6})$`)
	name    = regexp.MustCompile(`^[^\s/:]{1,200}$`)
	version = regexp.MustCompile(`^[^\s,<>=]{1,200}$`)
)

// records yields an advisory for each vulnerability of a file.
func records(path string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		all, n := make(map[string]*advisory.Advisory), 0
		for p, err := range whole.ValuesIn(path, maxPackage) {
			if err == nil && (p.Name == "" || !bytes.HasPrefix(p.JSON, []byte("{"))) {
				err = errors.New("the file is not an object of packages")
			}
			if err != nil {
				yield(store.Record{}, err)
				return
			}
			for v, err := range whole.Values(bytes.NewReader(p.JSON), maxPackage) {
				if n++; err == nil && n > maxEntries {
					err = fmt.Errorf("more than %d entries", maxEntries)
				}
				if err != nil {
					yield(store.Record{}, err)
					return
				}
				if err := add(all, p.Name, v); err != nil && !yield(store.Record{}, whole.Rejected(p.Name+" "+v.Name, err)) {
					return
				}
			}
		}
		for _, id := range slices.Sorted(maps.Keys(all)) {
			if !yield(whole.Converted(id, *all[id], nil)) {
				return
			}
		}
	}
}

// add adds an entry. The error says why it is rejected. The version "0" means that the
// package is not affected, as in the tracker of Debian, whose packages Echo rebuilds.
func add(all map[string]*advisory.Advisory, pkg string, v whole.Value) error {
	var e entry
	if err := json.Unmarshal(v.JSON, &e); err != nil {
		return err
	}
	switch {
	case !bytes.HasPrefix(v.JSON, []byte("{")):
		return errors.New("not an object")
	case !name.MatchString(pkg):
		return errors.New("invalid name of a package")
	case !id.MatchString(v.Name) || strings.HasPrefix(v.Name, "CVE-") && !advisory.IsCVE(v.Name):
		return errors.New("invalid ID of a vulnerability")
	case e.Fixed != "" && !version.MatchString(e.Fixed):
		return fmt.Errorf("invalid version %.100q", e.Fixed)
	}
	specific := struct {
		Status  string `json:"status,omitempty"`
		Urgency string `json:"urgency,omitempty"`
	}{Urgency: e.Severity}
	af := advisory.Affected{Package: advisory.Package{Ecosystem: ecosystem, Name: pkg}}
	if e.Fixed == "0" {
		specific.Status = advisory.StatusNotAffected.String()
	} else {
		af.Ranges = []advisory.Range{advisory.Before(e.Fixed)}
	}
	if specific.Status != "" || specific.Urgency != "" {
		var err error
		if af.EcosystemSpecific, err = json.Marshal(specific); err != nil {
			return err
		}
	}
	a := all["ECHO-"+v.Name]
	if a == nil {
		a = &advisory.Advisory{ID: "ECHO-" + v.Name, Upstream: []string{v.Name}}
		all[a.ID] = a
	}
	a.Affected = append(a.Affected, af)
	return nil
}
