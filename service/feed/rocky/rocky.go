// Package rocky is the feed of Rocky Linux's errata, which are in the updateinfo.xml of its
// repositories.
//
// A repository has the errata of one minor release. The newest ones are below pub/rocky, the
// others below vault/rocky, and all of them are read: an image of an old minor release lacks
// the fixes of its own time too.
package rocky

import (
	"context"
	"fmt"
	"time"

	"assay/service/feed"
	"assay/service/feed/updateinfo"
)

// Name is the name of the source.
const Name = "rocky"

// Source describes the source. Records name source packages, as OSV's do.
func Source() feed.Source {
	return feed.Source{
		Name:        Name,
		Title:       "Rocky Linux",
		Address:     "https://dl.rockylinux.org",
		Format:      "updateinfo.xml of rpm repositories",
		Licence:     "not stated",
		Terms:       "https://rockylinux.org/legal/licensing",
		Contributes: feed.Advisories,
		Ecosystems:  []string{"Rocky Linux"},
		Default:     true,
		First:       feed.Cost{Download: 64 << 20, Disk: 64 << 20, Memory: 256 << 20, Time: 5 * time.Minute},
		Feed: func(s feed.Setup, _ string) (feed.Feed, error) {
			return updateinfo.Feed{
				Setup:        s,
				Source:       Name,
				Repositories: repositories,
				Link:         func(id string) string { return "https://errata.rockylinux.org/" + id },
				Errata:       updateinfo.Errata{BySource: true, Others: []string{"ppc64le", "riscv64", "s390x"}},
			}, nil
		},
	}
}

// A release is a major release. Its first minor release with errata is first, and it may
// have minor releases up to lastMinor.
type release struct {
	major, first int
	crb          string // its repository of packages for developers
}

var releases = []release{{8, 4, "PowerTools"}, {9, 0, "CRB"}, {10, 0, "CRB"}}

const lastMinor = 10

// repositories returns the repositories of all minor releases.
func repositories(ctx context.Context, m feed.Mirror) ([]updateinfo.Repository, error) {
	var all []updateinfo.Repository
	for _, r := range releases {
		folders, err := r.minors(ctx, m)
		if err != nil {
			return nil, err
		}
		for _, folder := range folders {
			for _, name := range [...]string{"BaseOS", "AppStream", "extras", r.crb} {
				// The name stays when the repository moves to the vault, so that it is not
				// taken for a new one that may be missing.
				repository := updateinfo.Repository{
					Name:          folder.minor + name + "/x86_64",
					Ecosystem:     fmt.Sprintf("Rocky Linux:%d", r.major),
					Folders:       []string{folder.tree + folder.minor + name + "/x86_64/os/"},
					Optional:      name != "BaseOS" && name != "AppStream",
					MayLackErrata: true,
				}
				other := repository
				other.Arch, other.Like, other.Optional = "aarch64", repository.Name, true
				other.Name = folder.minor + name + "/aarch64"
				other.Folders = []string{folder.tree + folder.minor + name + "/aarch64/os/"}
				all = append(all, repository, other)
			}
		}
	}
	return all, nil
}

// A folder is that of a minor release: "8.4/" in "vault/rocky/".
type folder struct{ tree, minor string }

// minors returns the folders of the minor releases that the mirror has. It is an error if
// one of them is missing before the newest.
func (r release) minors(ctx context.Context, m feed.Mirror) ([]folder, error) {
	var folders []folder
	missing := 0 // the first that is missing
	for minor := r.first; minor <= lastMinor; minor++ {
		name := fmt.Sprintf("%d.%d/", r.major, minor)
		tree, err := find(ctx, m, name)
		switch {
		case err != nil:
			return nil, fmt.Errorf("release %d.%d: %w", r.major, minor, err)
		case tree == "" && missing == 0:
			missing = minor + 1
		case tree != "" && missing != 0:
			return nil, fmt.Errorf("the mirror has release %d.%d, and lacks %d.%d", r.major, minor, r.major, missing-1)
		case tree != "":
			folders = append(folders, folder{tree, name})
		}
	}
	if len(folders) == 0 {
		return nil, fmt.Errorf("the mirror lacks release %d.%d", r.major, r.first)
	}
	return folders, nil
}

// find returns the tree that has a minor release, or an empty string if the mirror lacks it.
func find(ctx context.Context, m feed.Mirror, minor string) (string, error) {
	for _, tree := range [...]string{"vault/rocky/", "pub/rocky/"} {
		ok, err := updateinfo.Exists(ctx, m, tree+minor+"BaseOS/x86_64/os/")
		if err != nil {
			return "", err
		}
		if ok {
			return tree, nil
		}
	}
	return "", nil
}
