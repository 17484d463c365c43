// Package rootfs opens files of a filesystem tree with untrusted content. It opens
// nothing outside the tree: links are resolved as for a process that is chrooted into
// the tree, or not followed at all. It opens only regular files and directories, so a
// FIFO cannot block it and a device is not triggered. It runs on Linux only and needs
// neither /proc nor write access.
//
// Errors name the cause and not the path, which the caller knows.
package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// IsAbsent reports whether err means that nothing is at a path.
func IsAbsent(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)
}

// A Root is the top directory of a tree. Several goroutines may use it.
type Root struct {
	dir  Dir
	path string
}

// Open opens the tree at path, which is a directory of the host or a link to one. It
// needs the permission to search the directory but not to list it.
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

// Close closes the root. Files and directories that were opened below it stay open.
func (r *Root) Close() error { return r.dir.Close() }

// Open opens the regular file at path for reading at most limit bytes. path is slash
// separated and relative to the root. Links are followed inside the tree.
func (r *Root) Open(path string, limit int64) (*File, error) {
	at, err := r.resolve(path)
	if err != nil {
		return nil, err
	}
	defer at.close()
	return at.parent().OpenFile(at.name, at.path(), limit)
}

// OpenFound opens the file at a path that a walk of the tree has found. It does not
// follow links; if a component of path has become a link, it fails.
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

// OpenDir opens the directory at path, like Open, and returns its path without links.
func (r *Root) OpenDir(path string) (Dir, string, error) {
	at, err := r.resolve(path)
	if err != nil {
		return Dir{}, "", err
	}
	defer at.close()
	d, err := at.parent().OpenDir(at.name)
	return d, at.path(), err
}

// IsLink reports whether the entry at path is a link. Links in the folders above it are
// followed inside the tree.
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

// Identify returns the ID of the file or directory that path leads to, and its type
// (unix.S_IFREG, …). Links are followed inside the tree.
func (r *Root) Identify(path string) (ID, uint32, error) {
	st, err := r.Stat(path)
	return ID{uint64(st.Dev), uint64(st.Ino)}, st.Mode & unix.S_IFMT, err
}

// Stat describes the file or directory that path leads to. Links are followed inside the
// tree.
func (r *Root) Stat(path string) (st unix.Stat_t, err error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	if fd, err := unix.Openat2(r.dir.fd, path, &how); err == nil {
		defer unix.Close(fd)
		err = unix.Fstat(fd, &st)
		return st, err
	}
	// openat2 may not be available in the kernel or be denied by a seccomp filter, and
	// a path may be too long for it.
	at, err := r.resolve(path)
	if err != nil {
		return st, err
	}
	defer at.close()
	return at.parent().stat(at.name)
}
