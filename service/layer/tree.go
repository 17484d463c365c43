package layer

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"assay/inspect/rootfs"

	"golang.org/x/sys/unix"
)

const (
	// maxDepth is how deep folders may be, which bounds the folders that are open at once.
	maxDepth = 512
	// maxLinks is how many links a path may contain, as in the kernel.
	maxLinks = 40
	// entrySteps is how many steps the work for one entry may take on average. A step is a
	// component of a path or an entry of a folder.
	entrySteps = 64
	// minSteps are the steps for an image with few entries.
	minSteps = 1 << 20
)

// A tree is the folder into which layers are laid.
//
// An entry knows which layer has brought it by its time of modification: the nanoseconds are
// the index of the layer plus one. The seconds are as in the archive for files, and zero for
// folders, whose time also changes when something is added to them or removed. So nothing has
// to be remembered for each entry.
type tree struct {
	root    int    // an open folder
	scratch string // a folder for other files
	layer   int    // index of the current layer

	// What the layers have used so far. Steps are left.
	entries      int
	bytes, steps int64

	// parent is the folder at a path, the last one that was used, or -1. It is stale when a
	// folder or a link was removed since.
	parent     int
	parentPath string
	stale      bool

	buf []byte // for the content of files
}

func openTree(path string) (*tree, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	t := &tree{root: fd, scratch: filepath.Dir(path), parent: -1, steps: minSteps, buf: make([]byte, blockSize)}
	if err := t.probe(); err != nil {
		t.close()
		return nil, fmt.Errorf("use the folder %q: %w", path, err)
	}
	return t, nil
}

func (t *tree) close() {
	t.forget()
	unix.Close(t.root)
}

// probe checks that the filesystem keeps nanoseconds.
func (t *tree) probe() error {
	const name = "probe"
	if err := unix.Symlinkat(".", t.root, name); err != nil {
		return err
	}
	t.layer = 998
	defer func() { t.layer = 0 }()
	if err := t.mark(t.root, name, time.Unix(1e9, 0)); err != nil {
		return err
	}
	st, err := stat(t.root, name)
	if err == nil && (!t.marked(&st) || st.Mtim.Sec != 1e9) {
		err = errors.New("the filesystem does not keep nanoseconds of times")
	}
	if err != nil {
		return err
	}
	return unix.Unlinkat(t.root, name, 0)
}

// mark records that the current layer has brought the entry name of a folder.
func (t *tree) mark(dir int, name string, modified time.Time) error {
	seconds := min(max(modified.Unix(), 0), math.MaxUint32)
	return setTime(dir, name, unix.Timespec{Sec: seconds, Nsec: int64(t.layer) + 1})
}

// markDir records that the current layer has an entry for a folder.
func (t *tree) markDir(dir int, name string) error {
	return setTime(dir, name, unix.Timespec{Nsec: int64(t.layer) + 1})
}

func setTime(dir int, name string, at unix.Timespec) error {
	return again(func() error {
		return unix.UtimesNanoAt(dir, name, []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW)
	})
}

// marked reports whether the current layer has brought an entry. For a folder with entries of
// the current layer the result is not defined.
func (t *tree) marked(st *unix.Stat_t) bool {
	if st.Mtim.Nsec != int64(t.layer)+1 {
		return false
	}
	return st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Mtim.Sec == 0
}

// layerOf returns the index of the layer that has brought a file.
func layerOf(st *unix.Stat_t) int { return int(st.Mtim.Nsec) - 1 }

// in returns the folder at a path without links and "..", to which entries are added. Missing
// folders are made. The result is valid until the next call.
func (t *tree) in(path string) (int, error) {
	if t.parent >= 0 && t.parentPath == path && !t.stale {
		return t.parent, nil
	}
	t.forget()
	fd, err := t.open(path, true)
	if err != nil {
		return -1, err
	}
	t.parent, t.parentPath, t.stale = fd, path, false
	return fd, nil
}

// forget closes the last folder.
func (t *tree) forget() {
	if t.parent >= 0 {
		unix.Close(t.parent)
	}
	t.parent = -1
}

// open opens the folder at a path. With adding, missing folders are made, and a folder
// replaces links and files of lower layers on the way. Links are followed inside the root.
func (t *tree) open(path string, adding bool) (int, error) {
	t.steps--
	if path == "" {
		return openat(t.root, ".")
	}
	if strings.Count(path, "/") >= maxDepth {
		return -1, errDepth
	}
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	}
	if fd, err := unix.Openat2(t.root, path, &how); err == nil {
		return fd, nil
	}
	w := way{tree: t, adding: adding}
	fd, err := w.walk(path)
	w.up(len(w.dirs))
	return fd, err
}

var (
	errDepth = bad("folders are nested more than %d deep", maxDepth)
	errSteps = bad("the entries take too much work: too many links and deep folders")
)

// A way leads through a tree, component by component.
type way struct {
	*tree
	adding bool
	dirs   []int // open folders below the root, outermost first
}

func (w *way) walk(path string) (int, error) {
	rest := strings.Split(path, "/")
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		if w.steps--; w.steps < 0 {
			return -1, errSteps
		}
		switch name {
		case "", ".":
			continue
		case "..":
			w.up(min(1, len(w.dirs)))
			continue
		}
		target, err := w.down(name)
		if err != nil {
			return -1, err
		}
		if target == "" {
			continue
		}
		if links++; links > maxLinks {
			return -1, unix.ELOOP
		}
		if target[0] == '/' {
			w.up(len(w.dirs))
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return openat(w.here(), ".")
}

// here returns the last folder.
func (w *way) here() int {
	if len(w.dirs) == 0 {
		return w.root
	}
	return w.dirs[len(w.dirs)-1]
}

func (w *way) up(n int) {
	for range n {
		unix.Close(w.here())
		w.dirs = w.dirs[:len(w.dirs)-1]
	}
}

// down goes to a folder in the last one, or returns the target of a link.
func (w *way) down(name string) (target string, err error) {
	dir := w.here()
	st, err := stat(dir, name)
	kind := st.Mode & unix.S_IFMT
	switch {
	case err == unix.ENOENT && w.adding:
		err = mkdir(dir, name)
	case err != nil:
	case kind == unix.S_IFDIR:
	case w.adding && !w.marked(&st):
		if err = unlink(dir, name); err == nil {
			err = mkdir(dir, name)
		}
	case kind == unix.S_IFLNK:
		return readlink(dir, name)
	default:
		err = unix.ENOTDIR
	}
	if err != nil {
		return "", err
	}
	if len(w.dirs) == maxDepth {
		return "", errDepth
	}
	fd, err := openat(dir, name)
	if err == nil {
		w.dirs = append(w.dirs, fd)
	}
	return "", err
}

// remove removes the entry name of a folder, and everything below it. Nothing being there is
// no error.
func (t *tree) remove(dir int, name string) error {
	st, err := stat(dir, name)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		t.stale = true
		return t.removeDir(dir, name)
	case unix.S_IFLNK:
		t.stale = true
	}
	return unlink(dir, name)
}

func (t *tree) removeDir(dir int, name string) error {
	err := t.each(dir, name, func(in int, child string, kind uint8) error {
		if kind == unix.DT_DIR {
			return t.removeDir(in, child)
		}
		return unlink(in, child)
	})
	if err != nil {
		return err
	}
	return again(func() error { return unix.Unlinkat(dir, name, unix.AT_REMOVEDIR) })
}

// each calls f for the entries of the folder name. f may remove the entry.
func (t *tree) each(dir int, name string, f func(in int, child string, kind uint8) error) error {
	fd, err := openDir(dir, name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	buf := make([]byte, 8<<10)
	for {
		n, err := unix.Getdents(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return err
		}
		for child, kind := range rootfs.Entries(buf[:n]) {
			if t.steps--; t.steps < 0 {
				return errSteps
			}
			name := string(child)
			if kind == unix.DT_UNKNOWN {
				st, err := stat(fd, name)
				if err != nil {
					return err
				}
				kind = uint8(st.Mode & unix.S_IFMT >> 12)
			}
			if err := f(fd, name, kind); err != nil {
				return err
			}
		}
	}
}

// has reports whether a folder has an entry of the current layer, at any depth.
func (t *tree) has(dir int, name string) (found bool, err error) {
	err = t.each(dir, name, func(in int, child string, kind uint8) error {
		st, err := stat(in, child)
		if err == nil && t.marked(&st) {
			found = true
		} else if err == nil && kind == unix.DT_DIR {
			found, err = t.has(in, child)
		}
		if found {
			err = errFound
		}
		return err
	})
	if found {
		err = nil
	}
	return found, err
}

var errFound = errors.New("found")

// hide removes the entry name of a folder, unless the current layer has an entry at or below
// it.
func (t *tree) hide(dir int, name string) error {
	st, err := stat(dir, name)
	if err == unix.ENOENT {
		return nil
	}
	kept := err == nil && t.marked(&st)
	if err == nil && !kept && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		kept, err = t.has(dir, name)
	}
	if err != nil || kept {
		return err
	}
	return t.unchanged(dir, func() error { return t.remove(dir, name) })
}

// prune removes everything below a folder that the current layer does not have. It reports
// whether something is left.
func (t *tree) prune(dir int, name string) (left bool, err error) {
	err = t.each(dir, name, func(in int, child string, kind uint8) error {
		st, err := stat(in, child)
		if err != nil {
			return err
		}
		keep := t.marked(&st)
		if kind == unix.DT_DIR {
			below, err := t.prune(in, child)
			if err != nil {
				return err
			}
			if keep && !below { // its mark may be gone
				err = t.markDir(in, child)
			}
			if keep = keep || below; err != nil || keep {
				left = true
				return err
			}
			t.stale = true
			return again(func() error { return unix.Unlinkat(in, child, unix.AT_REMOVEDIR) })
		}
		if keep {
			left = true
			return nil
		}
		t.stale = true
		return unlink(in, child)
	})
	return left, err
}

// unchanged calls f, which removes something from a folder, and restores the mark of the
// folder.
func (t *tree) unchanged(dir int, f func() error) error {
	st, err := stat(dir, ".")
	if err != nil {
		return err
	}
	if err := f(); err != nil || !t.marked(&st) {
		return err
	}
	return t.markDir(dir, ".")
}

// The system calls are repeated if a signal interrupts them.

func again(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

func stat(dir int, name string) (st unix.Stat_t, err error) {
	err = again(func() error { return unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	return st, err
}

// openat opens a folder for the paths below it.
func openat(dir int, name string) (fd int, err error) {
	err = again(func() error {
		fd, err = unix.Openat(dir, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		return err
	})
	return fd, err
}

// openDir opens a folder to list it.
func openDir(dir int, name string) (fd int, err error) {
	err = again(func() error {
		fd, err = unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		return err
	})
	return fd, err
}

func mkdir(dir int, name string) error {
	return again(func() error { return unix.Mkdirat(dir, name, 0o700) })
}

func unlink(dir int, name string) error {
	return again(func() error { return unix.Unlinkat(dir, name, 0) })
}

func readlink(dir int, name string) (target string, err error) {
	var buf [unix.PathMax]byte
	var n int
	err = again(func() error {
		n, err = unix.Readlinkat(dir, name, buf[:])
		return err
	})
	if err == nil && (n == 0 || n == len(buf)) {
		err = unix.ENAMETOOLONG
	}
	return string(buf[:max(n, 0)]), err
}
