// Package almalinux is the feed of AlmaLinux's errata, which the project publishes as one JSON
// file for each major release (https://wiki.almalinux.org/documentation/errata.html).
package almalinux

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"os"
	"strings"
	"time"

	"assay/service/feed"
	"assay/service/feed/updateinfo"
	"assay/service/feed/whole"
	"assay/service/store"
)

// Name is the name of the source.
const Name = "almalinux"

const address = "https://errata.almalinux.org"

// Bounds of the files. Genuine ones have less than 100 MiB. Their largest erratum has about
// 1 MiB.
const (
	maxFile    = 1 << 30
	maxErratum = 32 << 20
	maxObjects = 250_000 // packages and references of an erratum: empty ones need many times their size in memory
)

// releases are the major releases, each with a file.
var releases = []string{"8", "9", "10"}

// Source describes the source.
func Source() feed.Source {
	return feed.Source{
		Name:        Name,
		Title:       "AlmaLinux",
		Address:     address,
		Format:      "JSON",
		Licence:     "not stated",
		Terms:       "https://wiki.almalinux.org/documentation/errata.html",
		Contributes: feed.Advisories,
		Ecosystems:  []string{"AlmaLinux"},
		Default:     true,
		First:       feed.Cost{Download: 150 << 20, Disk: 350 << 20, Memory: 256 << 20, Time: time.Minute},
		Feed: func(s feed.Setup, _ string) (feed.Feed, error) {
			f := whole.Feed{Setup: s, Source: Name, Keep: true, Records: records}
			for _, r := range releases {
				f.Files = append(f.Files, whole.File{Name: r + "/errata.full.json", Limit: maxFile})
			}
			return f, nil
		},
	}
}

// records yields the records of the files, one of each release. An erratum may be for several
// releases.
func records(paths []string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		errata := updateinfo.Errata{Related: true}
		for i, path := range paths {
			if err := add(&errata, path, releases[i]); err != nil {
				yield(store.Record{}, fmt.Errorf("errata of AlmaLinux %s: %w", releases[i], err))
				return
			}
		}
		errata.Records()(yield)
	}
}

// add adds the errata of a release.
func add(errata *updateinfo.Errata, path, release string) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	n := 0
	for text, err := range whole.Nested(f, "data", maxErratum) {
		if err != nil {
			return err
		}
		n++
		e, err := parse(text, release)
		if err != nil {
			name := e.ID
			if name == "" {
				name = fmt.Sprintf("erratum %d of release %s", n, release)
			}
			err = errata.Reject(name, err)
		} else {
			err = errata.Add("AlmaLinux:"+release, e)
		}
		if err != nil {
			return err
		}
	}
	if n == 0 {
		return errors.New("the file has no errata")
	}
	return nil
}

// An erratum has the fields of errata.full.json, and those of the older errata.json, in which
// the packages are within a list that has one module.
type erratum struct {
	ID           string      `json:"id"`
	UpdateinfoID string      `json:"updateinfo_id"`
	Title        string      `json:"title"`
	Description  string      `json:"description"`
	Type         string      `json:"type"`
	Status       string      `json:"status"`
	Severity     string      `json:"severity"`
	Issued       date        `json:"issued_date"`
	Updated      date        `json:"updated_date"`
	Packages     []pkg       `json:"packages"`
	List         packageList `json:"pkglist"`
	References   []struct {
		Type string `json:"type"`
		ID   string `json:"id"`
	} `json:"references"`
}

type packageList struct {
	Packages []pkg `json:"packages"`
	Module   struct {
		Name   string `json:"name"`
		Stream string `json:"stream"`
	} `json:"module"`
}

type pkg struct {
	Name    string `json:"name"`
	Epoch   string `json:"epoch"`
	Version string `json:"version"`
	Release string `json:"release"`
	Arch    string `json:"arch"`
	Source  string `json:"src"`
	Module  string `json:"module"` // "mariadb:10.3:8050020220427075058:c5368500:x86_64"
}

// A date is in seconds, or in milliseconds within an object.
type date struct{ time.Time }

func (d *date) UnmarshalJSON(b []byte) error {
	var seconds float64
	if json.Unmarshal(b, &seconds) == nil && math.Abs(seconds) < 1e11 {
		d.Time = time.Unix(int64(seconds), 0).UTC()
		return nil
	}
	var of struct {
		Milliseconds int64 `json:"$date"`
	}
	if json.Unmarshal(b, &of) == nil && of.Milliseconds != 0 {
		d.Time = time.UnixMilli(of.Milliseconds).UTC().Truncate(time.Second)
	}
	return nil // no decision depends on a date
}

// parse reads an erratum. With an error it has at most an ID.
func parse(text []byte, release string) (updateinfo.Erratum, error) {
	if n := bytes.Count(text, []byte("{")); n > maxObjects {
		return updateinfo.Erratum{}, fmt.Errorf("it has %d objects, more than %d", n, maxObjects)
	}
	var in erratum
	if err := json.Unmarshal(text, &in); err != nil {
		return updateinfo.Erratum{ID: in.ID + in.UpdateinfoID}, err
	}
	e := updateinfo.Erratum{
		ID: in.ID, Title: in.Title, Description: in.Description, Kind: in.Type, Status: in.Status, Severity: in.Severity,
		Issued: in.Issued.Time, Updated: in.Updated.Time,
	}
	packages, module := in.Packages, ""
	if e.ID == "" {
		e.ID, packages = in.UpdateinfoID, in.List.Packages
		module = in.List.Module.Name + ":" + in.List.Module.Stream
	}
	if e.ID == "" {
		return updateinfo.Erratum{}, errors.New("it has no ID")
	}
	e.Link = address + "/" + release + "/" + strings.Replace(e.ID, ":", "-", 1) + ".html"
	for _, r := range in.References {
		if r.Type == "cve" {
			e.CVEs = append(e.CVEs, r.ID)
		}
	}
	for _, p := range packages {
		e.Packages = append(e.Packages, updateinfo.Package{
			Name: p.Name, Epoch: p.Epoch, Version: p.Version, Release: p.Release, Arch: p.Arch, Source: p.Source,
			Module: stream(p.Module, module),
		})
	}
	return e, nil
}

// stream returns the stream of a module ("mariadb:10.3") of the first name that has one.
func stream(names ...string) string {
	for _, n := range names {
		name, rest, _ := strings.Cut(n, ":")
		if stream, _, _ := strings.Cut(rest, ":"); name != "" && stream != "" {
			return name + ":" + stream
		}
	}
	return ""
}
