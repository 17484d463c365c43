// Package ubuntu is the feed of Canonical's own data about Ubuntu
// (https://security-metadata.canonical.com): its OSV records of CVEs, and what its OpenVEX
// documents say in addition about packages without a fix.
package ubuntu

import (
	"errors"
	"fmt"
	"iter"
	"path"
	"strings"
	"time"

	"assay/service/advisory"
	"assay/service/advisory/load"
	"assay/service/feed"
	"assay/service/feed/whole"
	"assay/service/store"
)

// Name is the name of the source.
const Name = "ubuntu"

// The files of the source.
const (
	osvFile = "osv/osv-all.tar.xz"
	vexFile = "vex/vex-all.tar.xz"
)

// Bounds of what is read. The archives have a document for each of about 60,000 CVEs. Those
// of kernels repeat the same packages, and compress to less than a hundredth.
const maxArchive = 4 << 30

var limits = feed.Limits{Entries: 1_000_000, Entry: 32 << 20, Total: 128 << 30, Ratio: 2000}

// Source describes the source.
func Source() feed.Source {
	return feed.Source{
		Name:        Name,
		Title:       "Ubuntu security data",
		Address:     "https://security-metadata.canonical.com",
		Format:      "archives of OSV records and OpenVEX documents",
		Licence:     "CC-BY-SA-4.0",
		Terms:       "https://github.com/canonical/ubuntu-security-notices/blob/main/LICENSE",
		MayPassOn:   true,
		Contributes: feed.Advisories,
		Ecosystems:  []string{"Ubuntu"},
		Default:     true,
		First:       feed.Cost{Download: 300 << 20, Disk: 1500 << 20, Memory: 400 << 20, Time: 10 * time.Minute},
		Timeout:     time.Hour,
		Feed: func(s feed.Setup, _ string) (feed.Feed, error) {
			return whole.Feed{
				Setup:   s,
				Source:  Name,
				Files:   []whole.File{{Name: vexFile, Limit: maxArchive}, {Name: osvFile, Limit: maxArchive}},
				Records: func(paths []string) iter.Seq2[store.Record, error] { return records(paths[0], paths[1]) },
			}, nil
		},
	}
}

// records yields the OSV records with the statuses of the VEX documents. A VEX document that
// cannot be read is rejected, and the record of its CVE has no statuses.
func records(vexPath, osvPath string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		s := newStatuses()
		for d, err := range documents(vexPath, "vex/cve/") {
			if err == nil {
				if err = s.add(d.json); err != nil && !errors.Is(err, errTooMany) {
					err = whole.Rejected(d.name, err)
				}
			}
			if err != nil && (!yield(store.Record{}, err) || !errors.Is(err, store.ErrRejected)) {
				return
			}
		}
		if len(s.cves) == 0 {
			yield(store.Record{}, errors.New("no VEX document could be read"))
			return
		}
		for d, err := range documents(osvPath, "osv/cve/") {
			var r store.Record
			if err == nil {
				if r, err = s.record(d.json); err != nil {
					r, err = store.Record{}, whole.Rejected(d.name, err)
				}
			}
			if !yield(r, err) || err != nil && !errors.Is(err, store.ErrRejected) {
				return
			}
		}
	}
}

// A document is one file of an archive. Its name is without the folder and the extension.
type document struct {
	name string
	json []byte
}

// documents yields the JSON documents in a folder of an archive. An archive without any is
// an error.
func documents(archive, folder string) iter.Seq2[document, error] {
	return func(yield func(document, error) bool) {
		none := true
		for e, err := range feed.Archive(archive, limits) {
			name, ok := strings.CutSuffix(path.Base(e.Name), ".json")
			if err == nil && (!ok || !strings.HasPrefix(e.Name, folder)) {
				continue
			}
			var b []byte
			if err == nil {
				b, err = e.Bytes()
			}
			if none = false; !yield(document{name, b}, err) || err != nil {
				return
			}
		}
		if none {
			yield(document{}, fmt.Errorf("the archive has no documents in %s", folder))
		}
	}
}

// record returns an OSV record with the statuses that are known. Without any, the record
// stays as it is.
func (s *statuses) record(b []byte) (store.Record, error) {
	a, err := advisory.Parse(b)
	if err != nil {
		return store.Record{}, err
	}
	cve, ok := strings.CutPrefix(a.ID, "UBUNTU-")
	if !ok || !advisory.IsCVE(cve) {
		return store.Record{}, fmt.Errorf("%.100q is not the ID of a CVE record of Ubuntu", a.ID)
	}
	for _, af := range a.Affected {
		if base, _, _ := strings.Cut(af.Package.Ecosystem, ":"); base != "Ubuntu" {
			return store.Record{}, fmt.Errorf("it has packages of %.40q", af.Package.Ecosystem)
		}
	}
	more := s.missing(cve, a.Affected)
	changed := len(more) > 0
	for i := range a.Affected {
		done, err := s.annotate(cve, &a.Affected[i])
		if err != nil {
			return store.Record{}, err
		}
		changed = changed || done
	}
	if !changed || a.Withdrawn != nil {
		return load.Record(b)
	}
	a.Affected = append(a.Affected, more...)
	return load.Converted(a)
}
