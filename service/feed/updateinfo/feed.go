package updateinfo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"assay/service/feed"
	"assay/service/store"
	"assay/verdict/hint"
)

// Bounds of updateinfo.xml. Genuine files have a few MiB, compressed.
const (
	maxUpdateinfo   = 256 << 20
	maxDecompressed = 4 << 30
)

// A Repository is one rpm repository.
type Repository struct {
	Name      string // for people, and in the state
	Ecosystem string // of its packages, "Rocky Linux:9"
	// Folders are where it may be in the mirror. The first that has it counts.
	Folders []string
	// Optional: it may be missing, unless the update before found it.
	Optional bool
	// MayLackErrata: it may have no updateinfo.xml, unless it had one at the update before.
	MayLackErrata bool
	// Arch is the architecture of an optional repository that another one, called Like, has
	// for x86_64. Without it, nothing is known about the architecture, so the errata of the
	// other count for it too.
	Arch, Like string
}

// A Feed is the feed of a source that is a list of repositories. It implements feed.Feed.
// If the errata of one repository have changed, those of all are read again. The files stay
// in the folder for downloads, and only those that have changed are downloaded.
type Feed struct {
	feed.Setup
	Source string
	// Repositories returns the repositories of the mirror.
	Repositories func(ctx context.Context, m feed.Mirror) ([]Repository, error)
	// Link returns the page of an erratum.
	Link func(id string) string
	// Errata are empty, with the options of the source.
	Errata Errata
}

// A state is what an update saves for the next one.
type state struct {
	feed.State
	Repositories map[string]repository `json:"repositories"` // by name
}

// A repository is a Repository as it was found.
type repository struct {
	Folder    string       `json:"folder"`
	Ecosystem string       `json:"ecosystem"`
	Version   feed.Version `json:"version"` // of repomd.xml
	File      file         `json:"file"`
	NoFile    bool         `json:"no_file,omitempty"` // it has no updateinfo.xml
	Errata    int          `json:"errata"`            // in it
}

// same reports whether two repositories have the same errata.
func (r repository) same(o repository) bool {
	return r.Folder == o.Folder && r.File == o.File && r.NoFile == o.NoFile
}

// Origin implements feed.Feed.
func (f Feed) Origin() store.Origin { return store.Origin{Source: f.Source} }

// Update implements feed.Feed.
func (f Feed) Update(ctx context.Context, st feed.Store, now time.Time) (feed.Outcome, error) {
	before, _, err := feed.LoadState[state](ctx, st, f.Origin(), f.Mirror)
	if err != nil {
		return feed.Outcome{}, err
	}
	repositories, err := f.Repositories(ctx, f.Mirror)
	if err != nil {
		return feed.Outcome{}, err
	}
	s := state{State: feed.State{Place: f.Mirror.String()}}
	if s.Repositories, err = f.look(ctx, repositories, before.Repositories); err != nil {
		return feed.Outcome{}, err
	}
	if unchanged(before.Repositories, s.Repositories) {
		encoded, err := feed.EncodeState(s)
		if err != nil {
			return feed.Outcome{}, err
		}
		return feed.Outcome{}, st.FeedState(ctx, f.Origin(), now, encoded)
	}
	errata, err := f.read(ctx, repositories, s.Repositories)
	if err != nil {
		return feed.Outcome{}, err
	}
	if !feed.AcceptsShrink(st) {
		if err := f.complete(before.Repositories, s.Repositories); err != nil {
			return feed.Outcome{}, err
		}
	}
	encoded, err := feed.EncodeState(s)
	if err != nil {
		return feed.Outcome{}, err
	}
	o := feed.Outcome{Whole: true}
	im, err := st.Import(ctx, store.Import{Origin: f.Origin(), At: now, Whole: true, State: encoded}, errata.Records())
	if err != nil {
		return feed.Outcome{}, err
	}
	o.Add(im)
	return o, f.clean(s.Repositories)
}

// complete reports whether a repository has lost all of its errata, or is not listed any more.
// The whole source may still have most of its records then, so the store would accept it. A
// release with all of its repositories may end: its images are not evaluated any more.
func (f Feed) complete(before, now map[string]repository) error {
	listed := make(map[string]bool)
	for _, r := range now {
		listed[r.Ecosystem] = true
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		lost := ""
		switch r, ok := now[name]; {
		case !ok && !listed[before[name].Ecosystem]:
			continue
		case !ok:
			lost = "is not listed any more"
		case before[name].Errata > 0 && r.Errata == 0:
			lost = "has no errata any more"
		default:
			continue
		}
		return hint.Errorf(fmt.Sprintf("if the publisher removed them on purpose: assayd update --accept-shrink %s", f.Origin()), "repository %q %s", name, lost)
	}
	return nil
}

// clean removes the files of earlier updates from the folder for downloads.
func (f Feed) clean(found map[string]repository) error {
	current := make(map[string]bool)
	for _, r := range found {
		current[f.path(r)] = true
	}
	files, err := os.ReadDir(f.Dir)
	for _, file := range files {
		if path := filepath.Join(f.Dir, file.Name()); strings.HasPrefix(file.Name(), prefix) && !current[path] {
			err = errors.Join(err, os.RemoveAll(path))
		}
	}
	return err
}

// prefix begins the names of downloads.
const prefix = "updateinfo-"

// path returns where the updateinfo.xml of a repository is stored.
func (f Feed) path(r repository) string { return filepath.Join(f.Dir, prefix+r.File.Checksum) }

func unchanged(before, now map[string]repository) bool {
	if len(before) != len(now) {
		return false
	}
	for name, r := range now {
		if b, ok := before[name]; !ok || !b.same(r) {
			return false
		}
	}
	return true
}

// look reads the repomd.xml of the repositories, and returns those that exist.
func (f Feed) look(ctx context.Context, repositories []Repository, before map[string]repository) (map[string]repository, error) {
	found := make(map[string]repository)
	for _, r := range repositories {
		was, known := before[r.Name]
		now, err := f.repomd(ctx, r, was)
		if missing(err) && r.Optional && !known {
			continue
		}
		if err == nil && known && now.NoFile && !was.NoFile {
			err = errNoUpdateinfo
		}
		if err != nil {
			return nil, fmt.Errorf("repository %q: %w", r.Name, err)
		}
		if now.same(was) {
			now.Errata = was.Errata
		}
		now.Ecosystem = r.Ecosystem
		found[r.Name] = now
	}
	return found, nil
}

// missing reports whether an error is about a file that does not exist. Storage services
// that do not show which files exist answer that it is forbidden.
func missing(err error) bool {
	return errors.Is(err, feed.ErrNotFound) || errors.Is(err, feed.ErrForbidden)
}

// repomd reads repomd.xml in the first folder that has it.
func (f Feed) repomd(ctx context.Context, r Repository, before repository) (now repository, err error) {
	err = feed.ErrNotFound // without folders
	for _, folder := range r.Folders {
		version := feed.Version{}
		if before.Folder == folder {
			version = before.Version
		}
		var b []byte
		b, version, err = f.Mirror.Get(ctx, folder+repomdFile, maxRepomd, version)
		switch {
		case missing(err):
			continue
		case errors.Is(err, feed.ErrUnchanged):
			return before, nil
		case err != nil:
			return now, err
		}
		now = repository{Folder: folder, Version: version}
		now.File, err = parseRepomd(b)
		if errors.Is(err, errNoUpdateinfo) && r.MayLackErrata {
			now.NoFile, err = true, nil
		}
		if err != nil {
			return now, fmt.Errorf("%q: %w", folder+repomdFile, err)
		}
		return now, nil
	}
	return now, err
}

// read reads the errata of all repositories that were found.
func (f Feed) read(ctx context.Context, repositories []Repository, found map[string]repository) (*Errata, error) {
	errata := f.Errata
	uncovered := make(map[string]string) // architectures, by the repository that counts for them
	for _, r := range repositories {
		if now, ok := found[r.Name]; r.Arch != "" && (!ok || now.NoFile) {
			uncovered[r.Like] = r.Arch
		}
	}
	for _, r := range repositories {
		now, ok := found[r.Name]
		if !ok || now.NoFile {
			continue
		}
		r.Arch = uncovered[r.Name]
		n, err := f.readOne(ctx, r, now, &errata)
		if err != nil {
			return nil, fmt.Errorf("repository %q: %w", r.Name, err)
		}
		now.Errata = n
		found[r.Name] = now
	}
	return &errata, nil
}

// readOne downloads the updateinfo.xml of a repository, unless it was downloaded before, and
// adds its errata, and for the architecture of r too. It returns how many there are.
func (f Feed) readOne(ctx context.Context, r Repository, now repository, errata *Errata) (n int, err error) {
	path := f.path(now)
	if now.File.verify(path) != nil {
		if _, err := f.Mirror.Save(ctx, now.Folder+now.File.Href, path, maxUpdateinfo, feed.Version{}); err != nil {
			return 0, err
		}
		if err := now.File.verify(path); err != nil {
			return 0, errors.Join(err, os.RemoveAll(path))
		}
	}
	add := func(in io.Reader) error {
		for e, err := range Read(in) {
			if err == nil {
				n++
				e.Link = f.Link(e.ID)
				if r.Arch != "" {
					e.Packages = alsoFor(r.Arch, e.Packages)
				}
				err = errata.Add(r.Ecosystem, e)
			}
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return n, feed.Text(path, maxDecompressed, add)
}

// alsoFor returns packages with those of another architecture in addition.
func alsoFor(arch string, packages []Package) []Package {
	for _, p := range packages {
		if p.Arch == "x86_64" {
			p.Arch = arch
			packages = append(packages, p)
		}
	}
	return packages
}
