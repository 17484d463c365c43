// Package jenkins is the feed of the warnings of the Jenkins update centre
// (https://github.com/jenkins-infra/update-center2): versions of Jenkins and its plugins
// with vulnerabilities.
package jenkins

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"strings"
	"time"

	"assay/service/advisory"
	"assay/service/feed"
	"assay/service/feed/whole"
	"assay/service/store"
)

// Name is the name of the source.
const Name = "jenkins"

// Ecosystem is the ecosystem of the entries.
const Ecosystem = "Jenkins"

// Bounds of what is read. The file has about 4 MiB, most of it about plugins.
const (
	maxFile   = 64 << 20
	maxRecord = 32 << 20
)

// file is the data of the update centre as JSON, without the JavaScript around it.
const file = "update-center.actual.json"

// Source describes the source.
func Source() feed.Source {
	return feed.Source{
		Name:        Name,
		Title:       "Jenkins security warnings",
		Address:     "https://updates.jenkins.io/current",
		Format:      "JSON, one file",
		Licence:     "not stated",
		Terms:       "https://github.com/jenkins-infra/update-center2",
		Contributes: feed.Advisories,
		Ecosystems:  []string{Ecosystem},
		Default:     true,
		First:       feed.Cost{Download: 4 << 20, Disk: 4 << 20, Memory: 32 << 20, Time: 10 * time.Second},
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

// records yields the warnings of a file: the member "warnings" of the update centre's
// data, or the file warnings.json from which it is made, which is the list alone.
func records(path string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		one := func(b json.RawMessage) bool {
			a, err := convert(b)
			return yield(whole.Converted(a.ID, a, err))
		}
		found := false
		for v, err := range whole.ValuesIn(path, maxRecord) {
			switch {
			case err != nil:
				yield(store.Record{}, err)
				return
			case v.Name == "": // warnings.json
				found = true
				if !one(v.JSON) {
					return
				}
			case v.Name == "warnings":
				found = true
				for w, err := range whole.Items(v) {
					if err != nil {
						yield(store.Record{}, err)
						return
					}
					if !one(w) {
						return
					}
				}
			}
		}
		if !found {
			yield(store.Record{}, errors.New("the file has no warnings"))
		}
	}
}

// A warning is one warning.
type warning struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Name     string `json:"name"`
	Message  string `json:"message"`
	URL      string `json:"url"`
	Versions []struct {
		Last    string `json:"lastVersion"`
		Pattern string `json:"pattern"`
	} `json:"versions"`
}

// Prefix begins the IDs of the advisories. The rest is the ID of the warning.
const Prefix = "JENKINS-"

// date finds the date in the address of an advisory.
var date = regexp.MustCompile(`/advisory/(\d{4}-\d{2}-\d{2})/`)

// convert converts one warning. On an error the result has at most an ID.
//
// Jenkins matches the whole version with a pattern, a regular expression of Java. The
// fields firstVersion and lastVersion are for people, and say something else in some
// warnings. A warning without versions is about all of them. Warnings name no fix and no
// CVE.
//
// A pattern that cannot be evaluated stays in the record, so that the package is not
// evaluated with it. Without the record the package would look unaffected.
func convert(b []byte) (advisory.Advisory, error) {
	var w warning
	if err := json.Unmarshal(b, &w); err != nil {
		return advisory.Advisory{}, err
	}
	a := advisory.Advisory{ID: Prefix + w.ID, Summary: w.Message}
	name := ""
	switch {
	case w.ID == "":
		return advisory.Advisory{}, fmt.Errorf("the warning about %.100q has no ID", w.Name)
	case w.Type == "core":
		name = "core"
	case w.Type == "plugin" && w.Name != "" && !strings.ContainsAny(w.Name, " /:"):
		name = "plugin/" + w.Name
	case w.Type == "plugin":
		return a, fmt.Errorf("invalid name of a plugin %.100q", w.Name)
	default:
		return a, fmt.Errorf("unknown type %.40q", w.Type)
	}
	var specific struct {
		Patterns []string `json:"patterns"`
		Last     []string `json:"last_versions,omitempty"`
	}
	if len(w.Versions) == 0 {
		specific.Patterns = []string{".*"}
	}
	for _, v := range w.Versions {
		specific.Patterns = append(specific.Patterns, v.Pattern)
		if v.Last != "" {
			specific.Last = append(specific.Last, v.Last)
		}
	}
	raw, err := json.Marshal(specific)
	if err != nil {
		return a, err
	}
	// A warning has no time. That of the advisory is in its address.
	if m := date.FindStringSubmatch(w.URL); m != nil {
		a.Published, _ = time.Parse(time.DateOnly, m[1])
	}
	a.Modified = a.Published
	if w.URL != "" {
		a.References = []advisory.Reference{{Type: "ADVISORY", URL: w.URL}}
	}
	a.Affected = []advisory.Affected{{
		Package:           advisory.Package{Ecosystem: Ecosystem, Name: name, PURL: "pkg:jenkins/" + name},
		EcosystemSpecific: raw,
	}}
	return a, nil
}
