// Package oracle is the feed of Oracle's errata for Oracle Linux, in OVAL
// (https://linux.oracle.com/security/).
package oracle

import (
	"errors"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
	"time"

	"assay/service/advisory"
	"assay/service/feed"
	"assay/service/feed/oval"
	"assay/service/feed/whole"
	"assay/service/store"
)

// Name is the name of the source.
const Name = "oracle"

// file has all errata since 2007. There are files for one year and for one release too,
// which repeat the errata of several releases.
const file = "com.oracle.elsa-all.xml.bz2"

const maxFile = 1 << 30

// Source describes the source.
func Source() feed.Source {
	return feed.Source{
		Name:        Name,
		Title:       "Oracle Linux errata",
		Address:     "https://linux.oracle.com/security/oval",
		Format:      "OVAL, one file",
		Licence:     "not stated",
		Terms:       "https://linux.oracle.com/security/",
		Contributes: feed.Advisories,
		Ecosystems:  []string{"Oracle Linux"},
		Default:     true,
		First:       feed.Cost{Download: 40 << 20, Disk: 200 << 20, Memory: 512 << 20, Time: 5 * time.Minute},
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

// records yields the errata of a file.
func records(path string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for d, err := range oval.Read(path, "com.oracle.elsa") {
			if err != nil {
				yield(store.Record{}, err)
				return
			}
			a, err := convert(d)
			if !yield(whole.Converted(d.ID, a, err)) {
				return
			}
		}
	}
}

// erratum is the form of an ID. ELBA and ELEA announce bug fixes and enhancements.
var erratum = regexp.MustCompile(`^EL[SBE]A-\d{4}-\d+(-\d+)?$`)

// convert converts one definition.
//
// The description of a definition is the changelog of the packages, which the record does
// not repeat.
func convert(d oval.Definition) (advisory.Advisory, error) {
	title := strings.Join(strings.Fields(d.Metadata.Title), " ")
	id, summary, _ := strings.Cut(title, ":")
	var a advisory.Advisory
	for _, r := range d.Metadata.References {
		switch {
		case r.Source != "elsa":
		case a.ID != "":
			return a, errors.New("the definition has several errata")
		default:
			a.ID = r.ID
			a.References = []advisory.Reference{{Type: "ADVISORY", URL: r.URL}}
		}
	}
	switch {
	case !erratum.MatchString(a.ID):
		return a, fmt.Errorf("invalid ID %.40q", a.ID)
	case id != a.ID:
		return a, fmt.Errorf("the title is that of %.40q, not of %q", id, a.ID)
	}
	var err error
	if a.Published, err = time.Parse(time.DateOnly, d.Metadata.Advisory.Issued.Date); err != nil {
		return a, err
	}
	a.Modified = a.Published
	for _, c := range d.Metadata.Advisory.CVEs {
		cve := strings.TrimSpace(c.Text)
		if !advisory.IsCVE(cve) {
			return a, fmt.Errorf("invalid CVE ID %.40q", cve)
		}
		if !slices.Contains(a.Upstream, cve) {
			a.Upstream = append(a.Upstream, cve)
		}
	}
	affected, err := d.Affected(fact)
	if err != nil {
		return a, err
	}
	if a.Affected, err = oval.Entries(affected); err != nil {
		return a, err
	}
	word := strings.TrimSpace(d.Metadata.Advisory.Severity)
	a.Summary = strings.TrimSpace(strings.TrimSuffix(summary, "("+word+")"))
	a.DatabaseSpecific = advisory.SeverityField(word)
	return a, nil
}

var (
	release = regexp.MustCompile(`^\^(\d{1,2})$`)
	module  = regexp.MustCompile(`^Module ([a-z0-9._+-]+):([A-Za-z0-9._+-]+) is enabled$`)
)

// fact returns what a test means.
func fact(t oval.Test) (oval.Fact, error) {
	s := t.State
	switch {
	case t.Kind == "textfilecontent54":
		m := module.FindStringSubmatch(t.Comment)
		if m == nil || t.Name != "/etc/dnf/modules.d/"+m[1]+".module" {
			return oval.Fact{}, errors.New("the test of a file is not about a module")
		}
		return oval.Fact{Module: m[1] + ":" + m[2]}, nil
	case t.Name == "oraclelinux-release" && s == oval.State{Version: s.Version} && s.Version.Operation == "pattern match":
		m := release.FindStringSubmatch(s.Version.Value)
		if m == nil {
			return oval.Fact{}, fmt.Errorf("unsupported release %.40q", s.Version.Value)
		}
		return oval.Fact{Release: "Oracle Linux:" + m[1]}, nil
	case t.Name == "oraclelinux-release" && s == oval.State{Arch: s.Arch} && s.Arch.Operation == "pattern match",
		t.Name == "oraclelinux-release" && s == oval.State{Arch: s.Arch} && s.Arch.Operation == "equals":
		return oval.Fact{Arch: s.Arch.Value}, nil
	case s == oval.State{Release: oval.Comparison{Operation: "pattern match", Value: "ksplice"}}:
		return oval.Fact{Build: ".ksplice"}, nil
	}
	return t.Package()
}
