// Package amazon has the feeds of Amazon Linux's security advisories (ALAS), which are in
// the updateinfo.xml of its repositories.
//
// Amazon Linux 2 has a core and extras, and Amazon Linux 2023 a core, live patches of the
// kernel and Nvidia's drivers. Each is a repository for each architecture, at an address that
// changes with each release and that a file mirror.list names.
package amazon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"assay/service/feed"
	"assay/service/feed/updateinfo"
)

// Names of the sources.
const (
	Name  = "amazon"
	Name1 = "amazon-1" // the first Amazon Linux
)

const terms = "https://alas.aws.amazon.com/"

// Source describes the advisories of Amazon Linux 2 and 2023.
func Source() feed.Source {
	return feed.Source{
		Name:        Name,
		Title:       "Amazon Linux 2 and 2023",
		Address:     "https://cdn.amazonlinux.com",
		Format:      "updateinfo.xml of rpm repositories",
		Licence:     "not stated",
		Terms:       terms,
		Contributes: feed.Advisories,
		Ecosystems:  []string{"Amazon Linux"},
		Default:     true,
		First:       feed.Cost{Download: 64 << 20, Disk: 128 << 20, Memory: 512 << 20, Time: 5 * time.Minute},
		Feed: func(s feed.Setup, _ string) (feed.Feed, error) {
			return updateinfo.Feed{Setup: s, Source: Name, Repositories: repositories, Link: link}, nil
		},
	}
}

// Source1 describes the advisories of the first Amazon Linux, whose support ended in 2023.
// Its mirror.list names other servers than its own, so the user must name the folder of the
// repository.
func Source1() feed.Source {
	return feed.Source{
		Name:        Name1,
		Title:       "Amazon Linux 1",
		Format:      "updateinfo.xml of an rpm repository",
		Licence:     "not stated",
		Terms:       terms,
		Contributes: feed.Advisories,
		Ecosystems:  []string{"Amazon Linux"},
		First:       feed.Cost{Download: 4 << 20, Disk: 16 << 20, Memory: 64 << 20, Time: 30 * time.Second},
		Feed: func(s feed.Setup, _ string) (feed.Feed, error) {
			updates := []updateinfo.Repository{{Name: "updates", Ecosystem: "Amazon Linux:1", Folders: []string{""}}}
			return updateinfo.Feed{
				Setup: s, Source: Name1, Link: link,
				Repositories: func(context.Context, feed.Mirror) ([]updateinfo.Repository, error) { return updates, nil },
			}, nil
		},
	}
}

// link returns the page of an advisory: AL2/ALASKERNEL-5.15-2022-001 for
// ALAS2KERNEL-5.15-2022-001.
func link(id string) string {
	for _, release := range [...]string{"2023", "2"} {
		if rest, ok := strings.CutPrefix(id, "ALAS"+release); ok {
			return terms + "AL" + release + "/ALAS" + rest + ".html"
		}
	}
	return terms + id + ".html"
}

// Bounds of the files that name repositories. Genuine ones have a few KiB.
const (
	maxMirrors = 1 << 20 // bytes of mirror.list
	maxCatalog = 8 << 20 // bytes of extras-catalog.json
	maxExtras  = 1000
)

// repositories returns the repositories of both releases.
func repositories(ctx context.Context, m feed.Mirror) ([]updateinfo.Repository, error) {
	all := []listed{
		{updateinfo.Repository{Name: "2/core", Ecosystem: "Amazon Linux:2"}, "2/core/latest/ARCH/mirror.list"},
		{updateinfo.Repository{Name: "2023/core", Ecosystem: "Amazon Linux:2023"}, "al2023/core/mirrors/latest/ARCH/mirror.list"},
		{updateinfo.Repository{Name: "2023/kernel-livepatch", Ecosystem: "Amazon Linux:2023"}, "al2023/kernel-livepatch/mirrors/latest/ARCH/mirror.list"},
		{updateinfo.Repository{Name: "2023/nvidia", Ecosystem: "Amazon Linux:2023", Optional: true}, "al2023/nvidia/mirrors/latest/ARCH/mirror.list"},
	}
	extras, err := extras(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("extras of Amazon Linux 2: %w", err)
	}
	for _, name := range extras {
		all = append(all, listed{
			updateinfo.Repository{Name: "2/extras/" + name, Ecosystem: "Amazon Linux:2", MayLackErrata: true},
			"2/extras/" + name + "/latest/ARCH/mirror.list",
		})
	}
	var found []updateinfo.Repository
	for _, l := range all {
		for _, arch := range [...]string{"x86_64", "aarch64"} {
			r, err := l.find(ctx, m, arch)
			if err != nil {
				return nil, fmt.Errorf("repository %q: %w", r.Name, err)
			}
			found = append(found, r)
		}
	}
	return found, nil
}

// extras returns the names of the extras of Amazon Linux 2.
func extras(ctx context.Context, m feed.Mirror) ([]string, error) {
	b, _, err := m.Get(ctx, "2/extras-catalog.json", maxCatalog, feed.Version{})
	if err != nil {
		return nil, err
	}
	var catalog struct {
		Topics []struct {
			Name string `json:"n"`
		} `json:"topics"`
	}
	if err := json.Unmarshal(b, &catalog); err != nil {
		return nil, fmt.Errorf("not a catalog: %w", err)
	}
	if len(catalog.Topics) == 0 || len(catalog.Topics) > maxExtras {
		return nil, fmt.Errorf("the catalog has %d extras", len(catalog.Topics))
	}
	var names []string
	for _, t := range catalog.Topics {
		if t.Name == "" || strings.Trim(t.Name, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.+") != "" || strings.HasPrefix(t.Name, ".") {
			return nil, fmt.Errorf("invalid name of an extra %.100q", t.Name)
		}
		names = append(names, t.Name)
	}
	return names, nil
}

// A listed repository is named by a mirror.list. ARCH stands for the architecture.
type listed struct {
	updateinfo.Repository
	list string
}

// find returns the repository for an architecture. Its folder is on the same server as the
// list. Without a list it is missing: an extra, Nvidia's drivers or the live patches may be
// for x86_64 only.
func (l listed) find(ctx context.Context, m feed.Mirror, arch string) (updateinfo.Repository, error) {
	r := l.Repository
	r.Name += "/" + arch
	r.Optional = r.Optional || arch != "x86_64" && !strings.HasSuffix(l.Name, "/core")
	if arch != "x86_64" {
		r.Arch, r.Like = arch, l.Name+"/x86_64"
	}
	b, _, err := m.Get(ctx, strings.Replace(l.list, "ARCH", arch, 1), maxMirrors, feed.Version{})
	if r.Optional && (errors.Is(err, feed.ErrNotFound) || errors.Is(err, feed.ErrForbidden)) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		folder, err := folderOf(strings.ReplaceAll(line, "$basearch", arch))
		if err != nil {
			return r, err
		}
		r.Folders = append(r.Folders, folder)
	}
	if len(r.Folders) == 0 {
		return r, errors.New("its mirror.list is empty")
	}
	return r, nil
}

// folderOf returns the path of an address in a mirror.list, which is below the address of the
// source: the list of a copy may still name the publisher's server.
func folderOf(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || strings.Contains(u.Path, "..") {
		return "", fmt.Errorf("invalid address in mirror.list: %.100q", address)
	}
	folder := strings.Trim(u.Path, "/")
	if folder == "" {
		return "", fmt.Errorf("invalid address in mirror.list: %.100q", address)
	}
	return folder + "/", nil
}
