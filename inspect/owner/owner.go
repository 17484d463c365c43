// Package owner finds out which package of the operating system a file belongs
// to, and whether the file is still the one that was installed.
//
// It works late: the files in question are known, a few thousand of hundreds of
// thousands, and the lists of what the packages of dpkg, rpm and apk installed are
// gone through once, and kept of them what concerns those files. What is needed of
// memory grows with the files in question and not with the lists.
package owner

import (
	"bytes"
	"cmp"
	"context"
	"crypto/fips140"
	"hash"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"assay/inspect/distro/apk"
	"assay/inspect/distro/chisel"
	"assay/inspect/distro/dpkg"
	"assay/inspect/distro/rpm"
	"assay/inspect/inventory"
	"assay/inspect/rootfs"
	"assay/inspect/walk"

	"golang.org/x/sys/unix"
)

const (
	// maxClaims is how many packages one file may belong to. Beyond rpm, where
	// several may share one, more than one is a mistake.
	maxClaims = 8
	// maxContent is how large a file may be whose digest is made.
	maxContent = 256 << 20
	// maxFolders bounds the folders of lists whose links are followed. A large system
	// has some ten thousand folders, and few of them a file in question.
	maxFolders = 1 << 17
)

// A Tree is where the lists and the files are.
type Tree struct {
	Root *rootfs.Root
	// Skip is what is no part of the tree, and where no link may lead.
	Skip *walk.Skip
	// Workers is how many lists or files are read at once, at least 1.
	Workers int
	// Real are the paths of files that were found through links, by the paths by
	// which they were found.
	Real map[string]string
	// IDs tell files in question from all others, by their paths without links. A
	// file that is not in it is asked.
	IDs map[string]rootfs.ID
	// Failed is told the lists that could not be read to their end, from several
	// goroutines. Databases that hold more than lists have their own readers,
	// which have told of them.
	Failed func(path string, err error)
	// Missing is told where lists must be and are not.
	Missing func(path string, err error)
}

// Join fills in the Owner of each package whose first evidence is a file that
// belongs to a package of the operating system. Packages of the operating system
// itself are left as they are: they are found in its databases, not in files of
// theirs.
//
// A file belongs to the package whose list has its path, where directories may be
// links (/bin to usr/bin, /usr/sbin to bin), and dpkg's diversions are followed. Of several packages it is one for which the digest is equal, else
// different, else unknown, and the first by name among those. A digest is unknown
// where the list has none, or the file is larger than 256 MiB. Where hard links give a
// file several names in question, the owner of one is that of all.
//
// Where dpkg has packages and no list of any, it is unknown what belongs to them.
// Missing is told, if a file in question is where packages of the system install
// files; one in a folder that they alone use has an owner without a name.
//
// It returns when ctx ends; what was not found by then has no owner.
func Join(ctx context.Context, tree Tree, packages []inventory.Package) {
	j := &join{Tree: tree, anchors: map[string]*anchor{}, bases: map[string]bool{}, folders: map[string]string{}}
	for _, p := range packages {
		if path, ok := j.anchorOf(p); ok && j.anchors[path] == nil {
			j.anchors[path] = &anchor{path: path}
			j.bases[path[strings.LastIndexByte(path, '/')+1:]] = true
		}
	}
	if len(j.anchors) == 0 {
		return
	}
	unlisted := j.dpkg(ctx)
	j.rpm(ctx)
	j.apk()
	j.compare(ctx)
	j.shareNames(ctx)
	if unlisted {
		for path, a := range j.anchors {
			if a.owner == nil && dpkg.InOwnFolder(path) {
				a.owner = &inventory.Owner{Digest: inventory.DigestUnknown}
			}
		}
	}
	for i := range packages {
		if path, ok := j.anchorOf(packages[i]); ok {
			packages[i].Owner = j.anchors[path].owner
		}
	}
}

// anchorOf returns the file whose owner is that of a package.
func (j *join) anchorOf(p inventory.Package) (path string, ok bool) {
	if len(p.Evidence) == 0 {
		return "", false
	}
	switch e := p.Evidence[0]; e.Kind {
	case dpkg.Kind, chisel.Kind, rpm.Kind, apk.Kind:
		return "", false
	default:
		return cmp.Or(j.Real[e.Path], e.Path), true
	}
}

type join struct {
	Tree
	anchors map[string]*anchor // by path
	bases   map[string]bool    // the last parts of these paths

	mu      sync.Mutex        // guards the claims of all anchors, and folders
	folders map[string]string // without links, by their paths in lists
}

// An anchor is a file in question.
type anchor struct {
	path   string
	claims []claim
	owner  *inventory.Owner
}

// A claim is that of a package to a file.
type claim struct {
	pkg    string
	digest digest // nil where it is not known
}

// A digest is that of a file as it was installed.
type digest interface {
	// Hash returns a new hash of its kind.
	Hash() hash.Hash
	// Equal reports whether the digest is sum, what Hash has made of a content.
	Equal(sum []byte) bool
}

// find returns the anchor at a path of a list, relative to the root, or nil. Folders
// of the path may be links. It is asked for every file of the system and follows
// links only where the last part of the path is that of an anchor.
func (j *join) find(path []byte) *anchor {
	if a := j.anchors[string(path)]; a != nil {
		return a
	}
	dir, base := []byte(nil), path
	if i := bytes.LastIndexByte(path, '/'); i >= 0 {
		dir, base = path[:i], path[i+1:]
	}
	if !utf8.Valid(path) {
		if a := j.anchors[inventory.Text(string(path))]; a != nil {
			return a
		}
		base = []byte(inventory.Text(string(base)))
	}
	if len(dir) == 0 || !j.bases[string(base)] {
		return nil
	}
	if real := j.real(dir); real != "" {
		return j.anchors[inventory.Text(real)+"/"+string(base)]
	}
	return nil
}

// real returns the path without links of a folder of a list, "" where it is not
// known.
func (j *join) real(dir []byte) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if path, ok := j.folders[string(dir)]; ok {
		return path
	}
	if len(j.folders) == maxFolders {
		return ""
	}
	path := ""
	if d, real, err := j.Root.OpenDir(string(dir)); err == nil {
		d.Close()
		path = real
	}
	j.folders[string(dir)] = path
	return path
}

// claim notes that the file of an anchor belongs to a package.
func (j *join) claim(a *anchor, pkg string, d digest) {
	j.mu.Lock()
	defer j.mu.Unlock()
	a.claims = append(a.claims, claim{pkg, d})
	if len(a.claims) > maxClaims {
		slices.SortStableFunc(a.claims, func(a, b claim) int { return cmp.Compare(a.pkg, b.pkg) })
		a.claims = a.claims[:maxClaims]
	}
}

// open opens a database or a list at a fixed path, where there is one.
func (j *join) open(path string, limit int64) *rootfs.File {
	if j.Skip.Covers(path) {
		return nil
	}
	f, err := j.Root.Open(path, limit)
	if err != nil {
		return nil // who reads the database has told of it
	}
	if j.Skip.Covers(f.Path()) {
		f.Close()
		return nil
	}
	return f
}

// each calls work for the numbers from 0 to one below n, from several goroutines,
// until ctx ends. scratch is each goroutine's own.
func each[T any](ctx context.Context, workers, n int, scratch func() T, work func(i int, t T)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(max(1, workers), n) {
		wg.Go(func() {
			t := scratch()
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				work(i, t)
			}
		})
	}
	wg.Wait()
}

// compare makes the digests of the files that have claims and settles whose they
// are.
func (j *join) compare(ctx context.Context) {
	var claimed []*anchor
	for _, a := range j.anchors {
		if len(a.claims) > 0 {
			claimed = append(claimed, a)
		}
	}
	slices.SortFunc(claimed, func(a, b *anchor) int { return strings.Compare(a.path, b.path) })
	buffer := func() []byte { return make([]byte, 64<<10) }
	each(ctx, j.Workers, len(claimed), buffer, func(i int, buf []byte) {
		a := claimed[i]
		var best inventory.Owner
		for _, c := range a.claims {
			o := inventory.Owner{Package: c.pkg, Digest: j.judge(a.path, c.digest, buf)}
			if best.Package == "" || compareOwners(o, best) < 0 {
				best = o
			}
		}
		a.owner = &best
	})
}

// shareNames gives all names of one file the owner of one of them: the names that hard
// links give it, as in the store of an image that is made with ostree.
func (j *join) shareNames(ctx context.Context) {
	files := map[rootfs.ID][]*anchor{}
	for _, a := range j.anchors {
		if ctx.Err() != nil {
			return
		}
		id, ok := j.IDs[a.path]
		if !ok {
			var typ uint32
			var err error
			if id, typ, err = j.Root.Identify(a.path); err != nil || typ != unix.S_IFREG {
				continue
			}
		}
		files[id] = append(files[id], a)
	}
	for _, names := range files {
		var best *inventory.Owner
		for _, a := range names {
			if a.owner != nil && (best == nil || compareOwners(*a.owner, *best) < 0) {
				best = a.owner
			}
		}
		for _, a := range names {
			a.owner = best
		}
	}
}

func compareOwners(a, b inventory.Owner) int {
	rank := func(d inventory.Digest) int {
		return slices.Index([]inventory.Digest{inventory.DigestEqual, inventory.DigestDifferent, inventory.DigestUnknown}, d)
	}
	return cmp.Or(cmp.Compare(rank(a.Digest), rank(b.Digest)), cmp.Compare(a.Package, b.Package))
}

// judge compares the file at path with the digest that it had.
func (j *join) judge(path string, d digest, buf []byte) inventory.Digest {
	if d == nil {
		return inventory.DigestUnknown
	}
	f, err := j.Root.OpenFound(path, maxContent)
	if err != nil {
		return inventory.DigestUnknown
	}
	defer f.Close()
	if f.Size() > maxContent {
		return inventory.DigestUnknown
	}
	h := d.Hash()
	result := inventory.DigestDifferent
	// An image's own GODEBUG may forbid MD5 and SHA-1, which are all that dpkg and
	// apk have.
	fips140.WithoutEnforcement(func() {
		if _, err := io.CopyBuffer(h, f, buf); err != nil {
			result = inventory.DigestUnknown
		} else if d.Equal(h.Sum(nil)) {
			result = inventory.DigestEqual
		}
	})
	return result
}
