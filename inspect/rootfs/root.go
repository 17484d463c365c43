// Package rootfs opens files of a filesystem tree whose content is not trusted.
// Nothing it opens lies outside the tree: links are resolved as a process
// chrooted into the tree would resolve them, or not followed at all. Only
// regular files and directories are opened, so that no FIFO blocks and no
// device acts. Linux only; neither /proc nor write access is needed.
//
// An error names the cause and not the path, which the caller has.
package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// IsAbsent reports whether err says that there is nothing at a path.
func IsAbsent(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)
}

// A Root is the top directory of a tree. It may be used by several goroutines.
type Root struct {
	dir  Dir
	path string
}

// Open opens the tree at path, a directory of the host or a link to one. The
// right to search it is enough; that to list it is not needed.
func Open(path string) (*Root, error) {
	if path == "" {
		return nil, fmt.Errorf("root %q: %w", path, unix.ENOENT)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("root %q: %w", path, err)
	}
	if abs, err = filepath.EvalSymlinks(abs); err != nil {
		return nil, fmt.Errorf("root %q: %w", path, err)
	}
	fd, err := openat(unix.AT_FDCWD, abs, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil, fmt.Errorf("root %q: %w", path, err)
	}
	return &Root{dir: Dir{fd}, path: abs}, nil
}

// Path returns the absolute path of the tree on the host, without links.
func (r *Root) Path() string { return r.path }

// Close ends the use of the tree; what was opened below it stays open.
func (r *Root) Close() error { return r.dir.Close() }

// Open opens the regular file at path, slash separated and relative to the
// root, for reading at most limit bytes. Links are followed inside the tree.
func (r *Root) Open(path string, limit int64) (*File, error) {
	at, err := r.resolve(path)
	if err != nil {
		return nil, err
	}
	defer at.close()
	return at.parent().OpenFile(at.name, at.path(), limit)
}

// OpenFound opens the file at path, one that a walk of the tree has found: no
// part of it is a link, or the file is no longer that.
func (r *Root) OpenFound(path string, limit int64) (*File, error) {
	if !fs.ValidPath(path) {
		return nil, unix.EINVAL
	}
	dir, name := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		dir, name = path[:i], path[i+1:]
	}
	if dir == "" {
		return r.dir.OpenFile(name, path, limit)
	}
	d, err := r.dir.Descend(strings.Split(dir, "/"))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.OpenFile(name, path, limit)
}

// OpenDir opens the directory at path, as Open does a file, and returns its
// path without links.
func (r *Root) OpenDir(path string) (Dir, string, error) {
	at, err := r.resolve(path)
	if err != nil {
		return Dir{}, "", err
	}
	defer at.close()
	d, err := at.parent().OpenDir(at.name)
	return d, at.path(), err
}

// IsLink reports whether the entry at path is a link. Links in the folders above it
// are followed inside the tree.
func (r *Root) IsLink(path string) bool {
	folder, name := ".", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		folder, name = path[:i+1], path[i+1:]
	}
	at, err := r.resolve(folder)
	if err != nil {
		return false
	}
	defer at.close()
	mode, err := at.parent().mode(name)
	return err == nil && mode == unix.S_IFLNK
}

// Identify returns what tells the file or directory that path leads to from all
// others, and its type (unix.S_IFREG, …). Links are followed inside the tree.
func (r *Root) Identify(path string) (ID, uint32, error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	if fd, err := unix.Openat2(r.dir.fd, path, &how); err == nil {
		defer unix.Close(fd)
		var st unix.Stat_t
		err = unix.Fstat(fd, &st)
		return ID{uint64(st.Dev), uint64(st.Ino)}, st.Mode & unix.S_IFMT, err
	}
	// The kernel, or a filter before it, may not know openat2; and a path may be
	// longer than it takes.
	at, err := r.resolve(path)
	if err != nil {
		return ID{}, 0, err
	}
	defer at.close()
	st, err := at.parent().stat(at.name)
	return ID{uint64(st.Dev), uint64(st.Ino)}, st.Mode & unix.S_IFMT, err
}
