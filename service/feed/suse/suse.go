// Package suse is the feed of SUSE's OVAL definitions of SUSE Linux Enterprise and openSUSE
// (https://www.suse.com/support/security/oval/).
package suse

import (
	"cmp"
	"context"
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
const Name = "suse"

// Bounds of what is read. The list of files has about 100 KiB, and the largest document
// 70 MiB, compressed.
const (
	maxList  = 4 << 20
	maxFile  = 2 << 30
	maxFiles = 64
)

// Source describes the source.
func Source() feed.Source {
	return feed.Source{
		Name:        Name,
		Title:       "SUSE security data",
		Address:     "https://ftp.suse.com/pub/projects/security/oval",
		Format:      "OVAL, a file for each product line",
		Licence:     "CC-BY-4.0",
		Terms:       "https://www.suse.com/support/security/oval/",
		MayPassOn:   true,
		Contributes: feed.Advisories,
		Ecosystems:  []string{"SUSE", "openSUSE"},
		Default:     true,
		First:       feed.Cost{Download: 200 << 20, Disk: 1 << 30, Memory: 256 << 20, Time: 10 * time.Minute},
		Timeout:     2 * time.Hour,
		Feed: func(s feed.Setup, _ string) (feed.Feed, error) {
			var read []document
			return whole.Feed{
				Setup:  s,
				Source: Name,
				List: func(ctx context.Context, m feed.Mirror) (files []whole.File, err error) {
					read, err = list(ctx, m)
					for _, d := range read {
						files = append(files, whole.File{Name: d.file, Limit: maxFile})
					}
					return files, err
				},
				Keep:    true,
				Records: func(paths []string) iter.Seq2[store.Record, error] { return records(read, paths) },
			}, nil
		},
	}
}

// A document is one file of the publisher.
type document struct {
	file string
	line string // "SLE-15"
}

// list returns the documents to read, which the index page names.
func list(ctx context.Context, m feed.Mirror) ([]document, error) {
	page, err := feed.IndexPage(ctx, m, maxList)
	if err != nil {
		return nil, err
	}
	return documents(page)
}

// link finds the documents of the product lines that images are of. A name with the number
// of a service pack ("suse.linux.enterprise.15-sp4") is of a part of a line.
var link = regexp.MustCompile(`href="((suse\.linux\.enterprise|suse\.linux\.enterprise\.micro|suse\.linux\.micro|opensuse\.leap|opensuse\.tumbleweed)` +
	`(?:\.(\d{1,2}(?:\.\d{1,2})?))?(-affected)?\.xml(\.gz|\.bz2)?)"`)

// lines are the beginnings of the names of product lines in IDs.
var lines = map[string]string{
	"suse.linux.enterprise":       "SUSE-SLE",
	"suse.linux.enterprise.micro": "SUSE-SLEM",
	"suse.linux.micro":            "SUSE-SLM",
	"opensuse.leap":               "openSUSE-LEAP",
	"opensuse.tumbleweed":         "openSUSE-TUMBLEWEED",
}

// documents returns the documents in the list of a folder: of each product line the one
// with unfixed vulnerabilities if there is one ("-affected"), and compressed if possible. A
// document of a minor version is left out if there is one of all minor versions.
func documents(page string) ([]document, error) {
	type choice struct {
		document
		rank int
	}
	chosen := map[string]choice{}
	for _, m := range link.FindAllStringSubmatch(page, -1) {
		line := lines[m[2]]
		if m[3] != "" {
			line += "-" + m[3]
		}
		rank := 0
		if m[4] == "" {
			rank = 3
		}
		rank += slices.Index([]string{".gz", ".bz2", ""}, m[5])
		if c, ok := chosen[line]; !ok || rank < c.rank {
			chosen[line] = choice{document{m[1], line}, rank}
		}
	}
	var all []document
	for line, c := range chosen {
		major, _, minor := strings.Cut(line, ".")
		if _, ok := chosen[major]; !minor || !ok {
			all = append(all, c.document)
		}
	}
	if len(all) == 0 || len(all) > maxFiles {
		return nil, fmt.Errorf("the list of files has %d documents", len(all))
	}
	slices.SortFunc(all, func(a, b document) int { return strings.Compare(a.line, b.line) })
	return all, nil
}

// records yields the records of the documents.
func records(documents []document, paths []string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for i, path := range paths {
			for d, err := range oval.Read(path, "org.opensuse.security") {
				if err != nil {
					yield(store.Record{}, fmt.Errorf("%s: %w", documents[i].file, err))
					return
				}
				a, err := convert(documents[i].line, d)
				if !yield(whole.Converted(documents[i].line+" "+d.ID, a, err)) {
					return
				}
			}
		}
	}
}

// convert converts a definition of a product line, which is about one CVE.
func convert(line string, d oval.Definition) (advisory.Advisory, error) {
	cve := strings.TrimSpace(d.Metadata.Title)
	if !advisory.IsCVE(cve) || d.Class != "vulnerability" {
		return advisory.Advisory{}, fmt.Errorf("the definition %.40q of the class %.20q is not about a CVE", cve, d.Class)
	}
	a := advisory.Advisory{
		ID:         line + "-" + cve,
		Upstream:   []string{cve},
		Details:    strings.Join(strings.Fields(d.Metadata.Description), " "),
		References: []advisory.Reference{{Type: "ADVISORY", URL: "https://www.suse.com/security/cve/" + cve + "/"}},
	}
	about := d.Metadata.Advisory
	for _, day := range []struct {
		text string
		to   *time.Time
	}{{about.Issued.Date, &a.Published}, {cmp.Or(about.Updated.Date, about.Issued.Date), &a.Modified}} {
		if day.text == "" { // in documents before 2017
			continue
		}
		var err error
		if *day.to, err = time.Parse(time.DateOnly, day.text); err != nil {
			return a, err
		}
	}
	affected, err := d.Affected(fact)
	if err != nil {
		return a, err
	}
	if a.Affected, err = oval.Entries(distinct(affected)); err != nil {
		return a, err
	}
	a.DatabaseSpecific = advisory.SeverityField(strings.TrimSpace(about.Severity))
	return a, nil
}

// fact returns what a test means. The comment of the criterion says what the publisher
// wants to say with the test.
func fact(t oval.Test) (oval.Fact, error) {
	s := t.State
	installed, is := strings.CutSuffix(t.Comment, " is installed")
	switch {
	case is && strings.HasSuffix(t.Name, "-release"):
		return product(installed, t)
	case strings.HasSuffix(t.Comment, " is not affected"):
		if s != (oval.State{Version: oval.Comparison{Operation: "equals", Value: "0"}}) {
			return oval.Fact{}, errors.New("the package is not affected in some versions only")
		}
		return oval.Fact{Package: t.Name, NotAffected: true}, nil
	case strings.HasSuffix(t.Comment, " was already fixed"):
		// The test is met by newer versions than one in which the vulnerability was already
		// fixed, so it says nothing about those that are affected.
		return oval.Fact{Never: true}, nil
	case t.Check == "none satisfy" && s == oval.State{EVR: s.EVR} && s.EVR.Operation == "greater than or equal" &&
		(strings.HasPrefix(t.Name, "kernel-livepatch-") || strings.HasPrefix(t.Name, "kgraft-patch-")):
		// A kernel is also fixed by a live patch of the running system, which an image is not.
		return oval.Fact{Always: true}, nil
	case s.EVR.Operation == "greater than" && s.EVR.Value != "0:0-0":
		return oval.Fact{}, errors.New("only newer versions are affected")
	}
	return t.Package()
}

var (
	// named is the name of a product with the version of a service pack. Products for
	// support after its end have a suffix.
	named = regexp.MustCompile(`^(SUSE|openSUSE) (.*?) ?(\d+(?:\.\d+)?(?: SP\d+)?|Tumbleweed)((?:-[A-Za-z-]+)?)$`)
	// lookedUp are the products with which images are evaluated.
	lookedUp = regexp.MustCompile(`^SUSE:Linux Enterprise (Server|Server for SAP Applications|Desktop|Software Development Kit|Micro|` +
		`Module for (Basesystem|Certifications|Containers|Desktop Applications|Development Tools|Legacy|Package Hub|Public Cloud|Python 3|` +
		`Server Applications|Web and Scripting)) [0-9. SP]+(-LTSS)?$|^SUSE:Linux Micro [0-9.]+$|^openSUSE:(Leap [0-9.]+|Tumbleweed)$`)
)

// product returns the release that the test of a release package is met by. The package
// and its version decide: that of the server is also the test for "SUSE Linux Enterprise
// Server 15 SP1-BCL". Products with which no image is evaluated, such as thin clients, are
// never installed.
func product(name string, t oval.Test) (oval.Fact, error) {
	s := t.State
	if name == "openSUSE Tumbleweed" && t.Name == "openSUSE-release" && s == (oval.State{EVR: s.EVR}) && s.EVR.Operation == "greater than or equal" {
		return oval.Fact{Release: "openSUSE:Tumbleweed"}, nil
	}
	release, version := "", s.Version.Value
	switch t.Name {
	case "sles-release":
		release = "SUSE:Linux Enterprise Server " + servicePack(version)
	case "sled-release":
		release = "SUSE:Linux Enterprise Desktop " + servicePack(version)
	default:
		m := named.FindStringSubmatch(name)
		if m == nil {
			return oval.Fact{Never: true}, nil
		}
		release = m[1] + ":" + m[2] + " " + m[3] + m[4]
		if !lookedUp.MatchString(release) {
			return oval.Fact{Never: true}, nil
		}
		if m[3] != version && m[3] != servicePack(version) {
			return oval.Fact{}, fmt.Errorf("the test of the product %.100q is about the version %.20q", name, version)
		}
	}
	if s != (oval.State{Version: s.Version}) || s.Version.Operation != "equals" || t.Check != "at least one" || !lookedUp.MatchString(release) {
		return oval.Fact{}, fmt.Errorf("the test of the product %.100q does not compare its version", name)
	}
	return oval.Fact{Release: release}, nil
}

// servicePack returns a version of SUSE Linux Enterprise as products have it: "15 SP1" of
// "15.1". Since 16 there are no service packs.
func servicePack(version string) string {
	major, minor, ok := strings.Cut(version, ".")
	if !ok || len(major) == 2 && major >= "16" {
		return version
	}
	return major + " SP" + minor
}

// distinct returns the affected packages without those of modules, of long-term support and
// of other products, if the server of the same service pack has them too: an image that is
// evaluated with the former is also evaluated with the latter.
func distinct(affected []oval.Affected) []oval.Affected {
	const server = "SUSE:Linux Enterprise Server "
	key := func(a oval.Affected) string {
		a.Release = ""
		return fmt.Sprint(a)
	}
	servers := map[[2]string]bool{}
	for _, a := range affected {
		servers[[2]string{a.Release, key(a)}] = true
	}
	return slices.DeleteFunc(affected, func(a oval.Affected) bool {
		if !strings.HasPrefix(a.Release, "SUSE:Linux Enterprise ") || strings.HasPrefix(a.Release, "SUSE:Linux Enterprise Micro ") {
			return false
		}
		m := named.FindStringSubmatch(strings.Replace(a.Release, ":", " ", 1))
		if m == nil || a.Release == server+m[3] {
			return false
		}
		return servers[[2]string{server + m[3], key(a)}]
	})
}
