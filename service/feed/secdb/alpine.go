package secdb

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"

	"assay/service/feed"
	"assay/service/feed/whole"
)

// Alpine is the name of the source of Alpine's database.
const Alpine = "alpine"

var alpine = database{
	prefix:    "ALPINE",
	ecosystem: "Alpine",
	release:   regexp.MustCompile(`^(v[0-9]{1,3}\.[0-9]{1,3}|edge)$`),
	page:      "https://security.alpinelinux.org/vuln/",
}

// AlpineSource describes the source: Alpine's security database
// (https://secdb.alpinelinux.org), which has two files for each release and for edge.
func AlpineSource() feed.Source {
	return feed.Source{
		Name:        Alpine,
		Title:       "Alpine secdb",
		Address:     "https://secdb.alpinelinux.org",
		Format:      "JSON, two files for each release",
		Licence:     "CC-BY-SA-4.0",
		Terms:       "https://secdb.alpinelinux.org/license.txt",
		MayPassOn:   true,
		Contributes: feed.Advisories,
		Ecosystems:  []string{alpine.ecosystem},
		Default:     true,
		First:       feed.Cost{Download: 6 << 20, Disk: 32 << 20, Memory: 128 << 20, Time: time.Minute},
		Feed: func(s feed.Setup, _ string) (feed.Feed, error) {
			return whole.Feed{Setup: s, Source: Alpine, List: alpineFiles, Keep: true, Records: alpine.records}, nil
		},
	}
}

const (
	maxIndex    = 1 << 20
	maxReleases = 200
)

var alpineFolder = regexp.MustCompile(`(?i:href)="(v[0-9]{1,3}\.[0-9]{1,3}|edge)/"`)

// alpineFiles returns the files of every release that the index page names.
func alpineFiles(ctx context.Context, m feed.Mirror) ([]whole.File, error) {
	page, err := feed.IndexPage(ctx, m, maxIndex)
	if err != nil {
		return nil, err
	}
	var releases []string
	for _, m := range alpineFolder.FindAllStringSubmatch(page, -1) {
		releases = append(releases, m[1])
	}
	slices.Sort(releases)
	releases = slices.Compact(releases)
	if len(releases) == 0 || len(releases) > maxReleases {
		return nil, fmt.Errorf("the index page has links to %d releases", len(releases))
	}
	var files []whole.File
	for _, r := range releases {
		files = append(files, whole.File{Name: r + "/main.json", Limit: maxFile})
		if r != "v3.2" { // which has no other repository
			files = append(files, whole.File{Name: r + "/community.json", Limit: maxFile})
		}
	}
	return files, nil
}
