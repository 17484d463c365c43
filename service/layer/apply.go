package layer

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	whiteout = ".wh."
	// aufs begins the names of the entries of AUFS itself. One of them is the opaque
	// whiteout, and links has the files that other entries are hard links to.
	aufs   = whiteout + whiteout
	opaque = aufs + ".opq"
	links  = aufs + "plnk"
)

// An applier adds the entries of one layer to a tree.
type applier struct {
	*tree
	limits    Limits
	whiteouts whiteouts
	links     bool // the layer has the folder links
	replaced  map[place]bool
}

// A place is a name in a folder. A folder there was replaced by something else.
type place struct {
	folder uint64 // inode
	name   string
}

// maxReplaced bounds the folders that a layer replaces by something else.
const maxReplaced = 100_000

// apply adds the entries of layer i, which s reads. It counts entries and bytes in the tree.
func (t *tree) apply(ctx context.Context, i int, s *stream, limits Limits) error {
	t.layer, t.stale = i, true
	a := applier{tree: t, limits: limits, whiteouts: whiteouts{dir: t.scratch}}
	defer a.whiteouts.close()
	r := tar.NewReader(s)
	for n := 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		header, err := r.Next()
		if err == io.EOF {
			if s.ended() && !s.verified() {
				return bad("the archive is truncated: its end is missing")
			}
			break
		}
		if err != nil {
			return a.unreadable(s, n, err)
		}
		if t.entries++; t.entries > limits.Entries {
			return bad("the layers have more than %d entries", limits.Entries)
		}
		t.steps += entrySteps
		if err := a.entry(header, r); err != nil {
			return entryError(s, header.Name, err)
		}
	}
	return a.finish()
}

// unreadable returns the error of an archive that ends or is invalid after n entries.
func (a *applier) unreadable(s *stream, n int, err error) error {
	if s.failed != nil {
		return s.failed
	}
	if errors.Is(err, tar.ErrHeader) && n == 0 {
		return bad("not a tar archive, or compressed with an unsupported format")
	}
	return bad("read the archive after %d entries: %w", n, err)
}

// entryError names the entry that cannot be added.
func entryError(s *stream, name string, err error) error {
	if s.failed != nil {
		return s.failed
	}
	return blame(fmt.Errorf("entry %q: %w", short(name), err))
}

// blame marks an error as the image's fault if it is one that paths or archives cause.
func blame(err error) error {
	for _, cause := range []error{unix.ENAMETOOLONG, unix.ELOOP, unix.ENOTDIR, tar.ErrHeader, io.ErrUnexpectedEOF} {
		if errors.Is(err, cause) {
			return badImage{err}
		}
	}
	return err
}

func short(name string) string {
	if len(name) > 200 {
		return name[:200] + "…"
	}
	return name
}

// clean returns a path from the root, without "..", or "" for the root.
func clean(name string) string { return path.Clean("/" + name)[1:] }

// split splits a path into its folder and its last component.
func split(name string) (folder, base string) {
	i := strings.LastIndexByte(name, '/')
	return name[:max(i, 0)], name[i+1:]
}

func (a *applier) entry(h *tar.Header, r io.Reader) error {
	name := clean(h.Name)
	if name == "" || h.Typeflag == tar.TypeXGlobalHeader {
		return nil // the mode of the root does not matter
	}
	if err := checkPath(name); err != nil {
		return err
	}
	folder, base := split(name)
	if strings.HasPrefix(base, aufs) && base != opaque && name != links || strings.HasPrefix(folder, aufs) && folder != links {
		return nil
	}
	a.links = a.links || folder == links || name == links
	if removed, ok := strings.CutPrefix(base, whiteout); ok && name != links {
		return a.whiteout(folder, base, removed)
	}
	if h.Typeflag == tar.TypeChar && h.Devmajor == 0 && h.Devminor == 0 {
		return a.whiteout(folder, whiteout+base, base)
	}
	dir, err := a.in(folder)
	if err != nil {
		return err
	}
	if h.Typeflag == tar.TypeDir {
		return a.folder(dir, base)
	}
	err = a.make(dir, base, h, r)
	if err == unix.EEXIST {
		if err = a.replace(dir, base); err == nil {
			err = a.make(dir, base, h, r)
		}
	}
	return err
}

// replace removes what is in the place of an entry that is no folder.
func (a *applier) replace(dir int, name string) error {
	st, err := stat(dir, name)
	if err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		var at unix.Stat_t
		if at, err = stat(dir, "."); err != nil {
			return err
		}
		if len(a.replaced) == maxReplaced {
			return bad("the layer replaces more than %d folders", maxReplaced)
		}
		if a.replaced == nil {
			a.replaced = map[place]bool{}
		}
		a.replaced[place{at.Ino, name}] = true
	}
	return a.remove(dir, name)
}

// checkPath returns an error for a path that a system call cannot take.
func checkPath(name string) error {
	if strings.IndexByte(name, 0) >= 0 {
		return bad("a path contains a zero byte")
	}
	if len(name) >= unix.PathMax {
		return unix.ENAMETOOLONG
	}
	return nil
}

func (a *applier) whiteout(folder, base, removed string) error {
	switch {
	case base == opaque && folder == "":
		return bad("an opaque whiteout of the root: engines differ in what it hides")
	case removed == "" || removed == "." || removed == "..":
		return bad("a whiteout without a name")
	}
	if _, err := a.in(folder); err != nil {
		return err
	}
	return a.whiteouts.add(folder + "/" + base)
}

// folder makes a folder, or keeps the one that is there.
func (a *applier) folder(dir int, name string) error {
	err := mkdir(dir, name)
	if err == unix.EEXIST {
		st, failed := stat(dir, name)
		if err = failed; err == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR {
			err = a.restore(dir, name)
		}
	}
	if err != nil {
		return err
	}
	return a.markDir(dir, name)
}

// restore makes a folder in place of something else. If that has replaced a folder before, the
// content of that folder is gone here, and overlay filesystems show it.
func (a *applier) restore(dir int, name string) error {
	at, err := stat(dir, ".")
	if err != nil {
		return err
	}
	if a.replaced[place{at.Ino, name}] {
		return bad("the layer replaces a folder twice: engines differ in what is in it then")
	}
	if err := a.remove(dir, name); err != nil {
		return err
	}
	return mkdir(dir, name)
}

// make makes an entry other than a folder. It fails with EEXIST, and has then read nothing, if
// something is there.
func (a *applier) make(dir int, name string, h *tar.Header, r io.Reader) error {
	var err error
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		err = a.file(dir, name, r, h.Size, h.Mode&0o111 != 0)
	case tar.TypeSymlink:
		err = symlink(h.Linkname, dir, name)
	case tar.TypeLink:
		return a.link(dir, name, h)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		// What matters is that it is neither a file nor a folder.
		err = again(func() error { return unix.Mkfifoat(dir, name, 0o600) })
	default:
		err = bad("unsupported type %q", h.Typeflag)
	}
	if err != nil {
		return err
	}
	return a.mark(dir, name, h.ModTime)
}

func symlink(target string, dir int, name string) error {
	if target == "" {
		return bad("a link to nothing")
	}
	if err := checkPath(target); err != nil {
		return err
	}
	return again(func() error { return unix.Symlinkat(target, dir, name) })
}

// file makes a file. Blocks of zeros become holes.
func (a *applier) file(dir int, name string, r io.Reader, size int64, executable bool) (err error) {
	if a.bytes += size; a.bytes > a.limits.Bytes || size < 0 {
		return bad("the files of the layers have more than %d bytes", a.limits.Bytes)
	}
	mode := uint32(0o600)
	if executable {
		mode = 0o700
	}
	var fd int
	err = again(func() error {
		fd, err = unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
		return err
	})
	if err != nil {
		if err == unix.EEXIST {
			a.bytes -= size
		}
		return err
	}
	defer func() {
		if failed := unix.Close(fd); err == nil && failed != unix.EINTR {
			err = failed
		}
	}()
	for off := int64(0); off < size; {
		n, err := fill(r, a.buf[:min(int64(len(a.buf)), size-off)])
		if n == 0 {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		if off+int64(n) < size && allZero(a.buf[:n]) {
			off += int64(n)
			continue
		}
		if err := pwrite(fd, a.buf[:n], off); err != nil {
			return err
		}
		off += int64(n)
	}
	return nil
}

var zeros [4 << 10]byte

func allZero(b []byte) bool {
	for len(b) > 0 {
		n := min(len(b), len(zeros))
		if !bytes.Equal(b[:n], zeros[:n]) {
			return false
		}
		b = b[n:]
	}
	return true
}

func pwrite(fd int, b []byte, off int64) error {
	for len(b) > 0 {
		n, err := unix.Pwrite(fd, b, off)
		if err != nil && err != unix.EINTR {
			return err
		}
		n = max(n, 0)
		b, off = b[n:], off+int64(n)
	}
	return nil
}

// link makes a hard link. To what a lower layer has, it makes a copy, because a file belongs to
// one layer.
func (a *applier) link(dir int, name string, h *tar.Header) error {
	target := clean(h.Linkname)
	if err := checkPath(target); err != nil {
		return err
	}
	folder, base := split(target)
	from, err := a.open(folder, false)
	if err == nil {
		defer unix.Close(from)
		if base == "" {
			base = "."
		}
		var st unix.Stat_t
		if st, err = stat(from, base); err == nil {
			return a.linkTo(dir, name, h, from, base, &st)
		}
	}
	if err == unix.ENOENT || err == unix.ENOTDIR {
		return bad("a hard link to %q, which does not exist", target)
	}
	return err
}

func (a *applier) linkTo(dir int, name string, h *tar.Header, from int, base string, st *unix.Stat_t) error {
	kind := st.Mode & unix.S_IFMT
	if kind == unix.S_IFDIR {
		return bad("a hard link to a folder")
	}
	if there, err := stat(dir, name); err == nil && there.Ino == st.Ino {
		return a.mark(dir, name, h.ModTime) // to itself, or for a second time
	}
	if a.marked(st) {
		err := again(func() error { return unix.Linkat(from, base, dir, name, 0) })
		if err != unix.EMLINK {
			return err
		}
	}
	var err error
	switch kind {
	case unix.S_IFREG:
		err = a.copy(dir, name, from, base, st)
	case unix.S_IFLNK:
		var target string
		if target, err = readlink(from, base); err == nil {
			err = symlink(target, dir, name)
		}
	default:
		err = again(func() error { return unix.Mkfifoat(dir, name, 0o600) })
	}
	if err != nil {
		return err
	}
	return a.mark(dir, name, h.ModTime)
}

func (a *applier) copy(dir int, name string, from int, base string, st *unix.Stat_t) error {
	var fd int
	err := again(func() (err error) {
		fd, err = unix.Openat(from, base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return a.file(dir, name, reader(fd), st.Size, st.Mode&0o111 != 0)
}

// A reader reads a file.
type reader int

func (r reader) Read(p []byte) (n int, err error) {
	err = again(func() error {
		n, err = unix.Read(int(r), p)
		return err
	})
	if n == 0 && err == nil {
		err = io.EOF
	}
	return max(n, 0), err
}

// finish applies the whiteouts, after all entries of the layer are known.
func (a *applier) finish() error {
	for name, err := range a.whiteouts.all() {
		if err != nil {
			return fmt.Errorf("read the whiteouts of a layer: %w", err)
		}
		if err := a.applyWhiteout(name); err != nil {
			return blame(fmt.Errorf("whiteout %q: %w", short(name), err))
		}
	}
	if a.links {
		return a.remove(a.root, links)
	}
	return nil
}

func (a *applier) applyWhiteout(name string) error {
	folder, base := split(name)
	dir, err := a.open(folder, false)
	if err == unix.ENOENT || err == unix.ENOTDIR {
		return nil // a later entry has replaced the folder
	}
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	if base != opaque {
		return a.hide(dir, strings.TrimPrefix(base, whiteout))
	}
	return a.unchanged(dir, func() error {
		_, err := a.prune(dir, ".")
		return err
	})
}
