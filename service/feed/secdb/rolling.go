package secdb

import (
	"time"

	"assay/service/feed"
	"assay/service/feed/whole"
)

// Names of the sources.
const (
	Wolfi    = "wolfi"
	MinimOS  = "minimos"
	SecureOS = "secureos"
)

// The distributions without releases, each of which has one file.
var (
	wolfi    = database{prefix: "WOLFI", ecosystem: "Wolfi", packages: "https://packages.wolfi.dev"}
	minimOS  = database{prefix: "MINIMOS", ecosystem: "MinimOS", packages: "https://packages.mini.dev"}
	secureOS = database{prefix: "SECUREOS", ecosystem: "SecureOS", packages: "https://apk.cve0.io", page: "https://security.secureos.io/"}
)

// WolfiSource describes the source. Its data is generated from Wolfi's advisories, whose
// licence forbids changed copies and commercial use except by scanners.
func WolfiSource() feed.Source {
	return source(wolfi, "security.json", feed.Source{
		Name:    Wolfi,
		Title:   "Wolfi secdb",
		Address: "https://packages.wolfi.dev/os",
		Licence: "CC-BY-NC-ND-4.0",
		Terms:   "https://github.com/wolfi-dev/advisories/blob/main/LICENSE",
	})
}

// MinimOSSource describes the source.
func MinimOSSource() feed.Source {
	return source(minimOS, "security.json", feed.Source{
		Name:    MinimOS,
		Title:   "MinimOS secdb",
		Address: "https://packages.mini.dev/advisories/secdb",
		Licence: "not stated",
		Terms:   "https://packages.mini.dev/advisories/secdb/security.json",
		Default: true,
	})
}

// SecureOSSource describes the source.
func SecureOSSource() feed.Source {
	return source(secureOS, "secdb.json.gz", feed.Source{
		Name:    SecureOS,
		Title:   "SecureOS secdb",
		Address: "https://security.secureos.io/v1",
		Licence: "not stated",
		Terms:   "https://security.secureos.io",
		Default: true,
	})
}

// source completes the description of a source that has one file.
func source(d database, file string, s feed.Source) feed.Source {
	s.Format = "JSON, one file"
	s.Contributes = feed.Advisories
	s.Ecosystems = []string{d.ecosystem}
	s.First = feed.Cost{Download: 6 << 20, Disk: 16 << 20, Memory: 64 << 20, Time: 20 * time.Second}
	s.Feed = func(setup feed.Setup, _ string) (feed.Feed, error) {
		return whole.Feed{Setup: setup, Source: s.Name, Files: []whole.File{{Name: file, Limit: maxFile}}, Records: d.records}, nil
	}
	return s
}
