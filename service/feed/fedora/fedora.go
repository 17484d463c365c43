// Package fedora is the feed of Fedora's errata, which are in the updateinfo.xml of its
// repositories of updates.
package fedora

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"assay/service/feed"
	"assay/service/feed/updateinfo"
)

// Name is the name of the source.
const Name = "fedora"

// Source describes the source. Records name binary packages.
func Source() feed.Source {
	return feed.Source{
		Name:        Name,
		Title:       "Fedora",
		Address:     "https://dl.fedoraproject.org/pub/fedora/linux/updates",
		Format:      "updateinfo.xml of rpm repositories",
		Licence:     "not stated",
		Terms:       "https://docs.fedoraproject.org/en-US/legal/",
		Contributes: feed.Advisories,
		Ecosystems:  []string{"Fedora"},
		Default:     true,
		First:       feed.Cost{Download: 20 << 20, Disk: 100 << 20, Memory: 256 << 20, Time: 2 * time.Minute},
		Feed: func(s feed.Setup, _ string) (feed.Feed, error) {
			return updateinfo.Feed{
				Setup:        s,
				Source:       Name,
				Repositories: repositories,
				Link:         func(id string) string { return "https://bodhi.fedoraproject.org/updates/" + id },
				Errata:       updateinfo.Errata{InText: true, Others: []string{"ppc64le", "s390x"}},
			}, nil
		},
	}
}

// Releases are looked for from first to last, until gap of them in a row are missing after
// one that exists. Older releases are in Fedora's archive, on another server.
const (
	first = 43
	last  = 99
	gap   = 2
)

// repositories returns the repositories of the releases that the mirror has.
func repositories(ctx context.Context, m feed.Mirror) ([]updateinfo.Repository, error) {
	var all []updateinfo.Repository
	missing := 0
	for release := first; release <= last && (len(all) == 0 || missing < gap); release++ {
		name := strconv.Itoa(release)
		ok, err := exists(ctx, m, name)
		if err != nil {
			return nil, fmt.Errorf("release %s: %w", name, err)
		}
		if !ok {
			missing++
			continue
		}
		missing = 0
		for _, arch := range [...]string{"x86_64", "aarch64"} {
			all = append(all, updateinfo.Repository{Name: name + "/" + arch, Ecosystem: "Fedora:" + name, Folders: []string{folder(name, arch)}})
		}
	}
	if len(all) == 0 {
		return nil, errors.New("the mirror has no release")
	}
	return all, nil
}

// exists reports whether the mirror has a release. A release that has one architecture must
// have all of them, since otherwise its packages would lose their errata.
func exists(ctx context.Context, m feed.Mirror, release string) (bool, error) {
	ok, err := updateinfo.Exists(ctx, m, folder(release, "x86_64"))
	if ok || err != nil {
		return ok, err
	}
	if ok, err = updateinfo.Exists(ctx, m, folder(release, "aarch64")); ok {
		err = errors.New("the mirror has aarch64 only")
	}
	return false, err
}

func folder(release, arch string) string { return release + "/Everything/" + arch + "/" }
