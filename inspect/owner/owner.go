// Package owner finds out which operating system package a file belongs to, and whether
// the file is still as it was installed.
//
// It runs after the readers, when the files in question are known: a few thousand out
// of hundreds of thousands. It reads the file lists of the packages of dpkg, rpm, apk
// and pacman once and keeps only what concerns these files. Memory thus grows with the number
// of files in question and not with the lists.
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
	"assay/inspect/distro/pacman"
	"assay/inspect/distro/rpm"
	"assay/inspect/inventory"
	"assay/inspect/rootfs"
	"assay/inspect/walk"

	"golang.org/x/sys/unix"
)

const (
	// maxClaims bounds how many packages one file may belong to. In rpm several
	// packages may share a file; otherwise more than one is a mistake.
	maxClaims = 8
	// maxContent is the size in bytes up to which the digest of a file is computed.
	maxContent = 256 << 20
	// maxFolders bounds the folders in lists whose links are followed. A large system
	// has about ten thousand folders, and few of them contain a file in question.
	maxFolders = 1 << 17
)

// A Tree has the lists and the files.
type Tree struct {
	Root *rootfs.Root
	// Skip is what is not part of the tree, and where links must not lead.
	Skip *walk.Skip
	// Workers is how many lists or files are read at once, at least 1.
	Workers int
	// Real maps the path by which a file was found to the file's own path, for files
	// that were found through links.
	Real map[string]string
	// IDs are the IDs of files in question by their paths without links. A file that is
	// not in it is examined.
	IDs map[string]rootfs.ID
	// Failed receives the lists that could not be read completely, from several
	// goroutines. It does not receive errors of databases that contain more than lists:
	// their readers report them.
	Failed func(path string, err error)
	// Missing receives the folders in which lists are expected but missing.
	Missing func(path string, err error)
}

// Join sets the Owner of each package whose first evidence is a file of an operating
// system package. Operating system packages themselves are not changed: their evidence
// is a database, not a file of theirs.
//
// A file belongs to the package whose list contains its path. Directories in the path
// may be links (/bin to usr/bin, /usr/sbin to bin), and dpkg's diversions are followed.
// If several packages list a file, the owner is the first by name among those with an
// equal digest, else a different one, else an unknown one. A digest is unknown if the
// list has none or the file is larger than 256 MiB. If hard links give a file several
// paths in question, all of them have the same owner.
//
// If dpkg has packages but no lists, the owners are unknown. Missing is called if a
// file in question is where packages of the system install files. A file in a folder
// that only they use has an owner without a name.
//
// Join returns when ctx ends; files that have not been found by then have no owner.
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
	j.pacman(ctx, packages)
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

// anchorOf returns the file that determines the owner of a package.
func (j *join) anchorOf(p inventory.Package) (path string, ok bool) {
	if len(p.Evidence) == 0 {
		return "", false
	}
	switch e := p.Evidence[0]; e.Kind {
	case dpkg.Kind, chisel.Kind, rpm.Kind, apk.Kind, pacman.Kind:
		return "", false
	default:
		return cmp.Or(j.Real[e.Path], e.Path), true
	}
}

type join struct {
	Tree
	anchors map[string]*anchor // by path
	bases   map[string]bool    // the last components of these paths

	mu      sync.Mutex        // guards folders and the claims of all anchors
	folders map[string]string // paths without links, by the paths in lists
}

// An anchor is a file in question: its owner becomes the owner of the packages found in
// it.
type anchor struct {
	path   string
	claims []claim
	owner  *inventory.Owner
}

// A claim says that a package lists a file.
type claim struct {
	pkg    string
	digest digest // nil if unknown
}

// A digest is the digest of a file when it was installed.
type digest interface {
	// Hash returns a new hash of the digest's algorithm.
	Hash() hash.Hash
	// Equal reports whether sum, a result of Hash, matches the digest.
	Equal(sum []byte) bool
}

// find returns the anchor at a path in a list, relative to the root, or nil. Folders in
// the path may be links. It is called for every file of the system, so it follows links
// only if the last component is that of an anchor.
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

// real returns the path of a folder without links, or "" if it is unknown.
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

// claim records that the file of an anchor belongs to a package.
func (j *join) claim(a *anchor, pkg string, d digest) {
	j.mu.Lock()
	defer j.mu.Unlock()
	a.claims = append(a.claims, claim{pkg, d})
	if len(a.claims) > maxClaims {
		slices.SortStableFunc(a.claims, func(a, b claim) int { return cmp.Compare(a.pkg, b.pkg) })
		a.claims = a.claims[:maxClaims]
	}
}

// open opens a database or list at a fixed path. It returns nil if there is none.
func (j *join) open(path string, limit int64) *rootfs.File {
	if j.Skip.Covers(path) {
		return nil
	}
	f, err := j.Root.Open(path, limit)
	if err != nil {
		return nil // the package reader has already reported it
	}
	if j.Skip.Covers(f.Path()) {
		f.Close()
		return nil
	}
	return f
}

// each calls work for the numbers from 0 to n-1, from several goroutines, until ctx
// ends. Each goroutine has its own scratch.
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

// compare computes the digests of the files with claims and decides who owns them.
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
			o := inventory.Owner{Package: c.pkg, Digest: j.digestOf(a.path, c.digest, buf)}
			if best.Package == "" || compareOwners(o, best) < 0 {
				best = o
			}
		}
		a.owner = &best
	})
}

// shareNames gives all paths of a file the same owner. A file has several paths through
// hard links, for example in the store of an image made with ostree.
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

// digestOf compares the file at path with the digest that it had when it was installed.
func (j *join) digestOf(path string, d digest, buf []byte) inventory.Digest {
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
	// GODEBUG in the image may forbid MD5 and SHA-1, but dpkg and apk use nothing else.
	fips140.WithoutEnforcement(func() {
		if _, err := io.CopyBuffer(h, f, buf); err != nil {
			result = inventory.DigestUnknown
		} else if d.Equal(h.Sum(nil)) {
			result = inventory.DigestEqual
		}
	})
	return result
}
