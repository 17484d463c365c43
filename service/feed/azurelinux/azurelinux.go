// Package azurelinux is the feed of Microsoft's OVAL definitions of Azure Linux and of
// CBL-Mariner, as it was called before
// (https://github.com/microsoft/AzureLinuxVulnerabilityData).
package azurelinux

import (
	"errors"
	"fmt"
	"iter"
	"regexp"
	"strings"
	"time"

	"assay/service/advisory"
	"assay/service/feed"
	"assay/service/feed/oval"
	"assay/service/feed/whole"
	"assay/service/store"
)

// Name is the name of the source.
const Name = "azurelinux"

const maxFile = 256 << 20 // bytes; the largest has about 20 MiB

// A document has the definitions of one release.
type document struct{ file, namespace, ecosystem string }

var documents = []document{
	{"azurelinux-3.0-oval.xml", "com.microsoft.azurelinux", "Azure Linux:3"},
	{"cbl-mariner-2.0-oval.xml", "com.microsoft.cbl-mariner", "Azure Linux:2"},
	{"cbl-mariner-1.0-oval.xml", "com.microsoft.cbl-mariner", "Azure Linux:1"},
}

// Source describes the source.
func Source() feed.Source {
	var files []whole.File
	for _, d := range documents {
		files = append(files, whole.File{Name: d.file, Limit: maxFile})
	}
	return feed.Source{
		Name:        Name,
		Title:       "Azure Linux vulnerability data",
		Address:     "https://raw.githubusercontent.com/microsoft/AzureLinuxVulnerabilityData/main",
		Format:      "OVAL, a file for each release",
		Licence:     "MIT",
		Terms:       "https://github.com/microsoft/AzureLinuxVulnerabilityData/blob/main/LICENSE",
		MayPassOn:   true,
		Contributes: feed.Advisories,
		Ecosystems:  []string{"Azure Linux"},
		Default:     true,
		First:       feed.Cost{Download: 40 << 20, Disk: 32 << 20, Memory: 64 << 20, Time: time.Minute},
		Feed: func(s feed.Setup, _ string) (feed.Feed, error) {
			return whole.Feed{Setup: s, Source: Name, Files: files, Records: records}, nil
		},
	}
}

// records yields the records of the documents.
func records(paths []string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for i, path := range paths {
			for d, err := range oval.Read(path, documents[i].namespace) {
				if err != nil {
					yield(store.Record{}, fmt.Errorf("%s: %w", documents[i].file, err))
					return
				}
				a, err := convert(documents[i].ecosystem, d)
				if !yield(whole.Converted(documents[i].ecosystem+" "+d.ID, a, err)) {
					return
				}
			}
		}
	}
}

var number = regexp.MustCompile(`^\d+(-\d+)?$`)

// convert converts a definition of a release, which is about one CVE in one source package.
// The criteria do not name the release, because each has a document of its own.
func convert(ecosystem string, d oval.Definition) (advisory.Advisory, error) {
	m := d.Metadata
	a := advisory.Advisory{ID: "AZL-" + m.AdvisoryID, Summary: m.Title, Details: m.Description}
	if !number.MatchString(m.AdvisoryID) {
		return advisory.Advisory{}, fmt.Errorf("invalid advisory ID %.40q", m.AdvisoryID)
	}
	if len(m.References) != 1 || !advisory.IsCVE(m.References[0].ID) {
		return a, errors.New("the definition does not name one CVE")
	}
	a.Upstream = []string{m.References[0].ID}
	a.References = []advisory.Reference{{Type: "WEB", URL: m.References[0].URL}}
	if m.AdvisoryDate != "" { // some definitions have none
		var err error
		if a.Published, err = time.Parse(time.RFC3339, m.AdvisoryDate); err != nil {
			return a, err
		}
		a.Modified = a.Published
	}
	affected, err := d.Affected(func(t oval.Test) (oval.Fact, error) {
		f, err := t.Package()
		f.Release = ecosystem
		return f, err
	})
	if err != nil {
		return a, err
	}
	switch m.Patchable {
	case "true", "false":
	case "Not Applicable": // "This CVE either no longer is or was never applicable."
		for i := range affected {
			affected[i].NotAffected = true
		}
	default:
		return a, fmt.Errorf("unknown value %.40q of \"patchable\"", m.Patchable)
	}
	if a.Affected, err = oval.Entries(affected); err != nil {
		return a, err
	}
	a.DatabaseSpecific = advisory.SeverityField(strings.TrimSpace(m.Severity))
	return a, nil
}
