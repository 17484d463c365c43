package rootfs

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// maxLinks is how many links one path may contain, as in the kernel.
	maxLinks = 40
	// maxDepth bounds the directories that are held open while a path is resolved. The
	// fixed paths of a system have a handful of components.
	maxDepth = 256
)

// A place is what a path leads to: an entry of the last of dirs. Directories are held
// open from the root down, so ".." is a step back that does not use the filesystem,
// which may be changing.
type place struct {
	root  Dir
	dirs  []Dir    // below the root, outermost first
	names []string // of dirs
	name  string   // the entry, "." for the last directory itself
}

// resolve finds what path leads to with the root as the top of the filesystem. The last
// component of the result is not a link.
func (r *Root) resolve(path string) (*place, error) {
	at := &place{root: r.dir}
	if err := at.walk(path); err != nil {
		at.close()
		return nil, err
	}
	return at, nil
}

func (at *place) walk(path string) error {
	rest := components(path)
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case ".":
			continue
		case "..":
			at.up()
			continue
		}
		mode, err := at.parent().mode(name)
		if err != nil {
			return err
		}
		switch {
		case mode == unix.S_IFLNK:
			if links++; links > maxLinks {
				return unix.ELOOP
			}
			target, err := at.parent().Readlink(name)
			if err != nil {
				return err
			}
			if strings.HasPrefix(target, "/") {
				at.close()
			}
			rest = slices.Concat(components(target), rest)
		case len(rest) == 0:
			at.name = name
			return nil
		case mode == unix.S_IFDIR:
			if err := at.down(name); err != nil {
				return err
			}
		default:
			return unix.ENOTDIR
		}
	}
	at.name = "."
	return nil
}

// components splits a path. A slash at its end asks for a directory and is kept as ".".
func components(path string) []string {
	parts := slices.DeleteFunc(strings.Split(path, "/"), func(s string) bool { return s == "" })
	if strings.HasSuffix(path, "/") {
		parts = append(parts, ".")
	}
	return parts
}

func (at *place) parent() Dir {
	if len(at.dirs) == 0 {
		return at.root
	}
	return at.dirs[len(at.dirs)-1]
}

func (at *place) down(name string) error {
	if len(at.dirs) == maxDepth {
		return unix.ENAMETOOLONG
	}
	fd, err := openat(at.parent().fd, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	at.dirs = append(at.dirs, Dir{fd})
	at.names = append(at.names, name)
	return nil
}

// up goes to the parent. The parent of the root is the root.
func (at *place) up() {
	if n := len(at.dirs) - 1; n >= 0 {
		at.dirs[n].Close()
		at.dirs, at.names = at.dirs[:n], at.names[:n]
	}
}

// close goes back to the root.
func (at *place) close() {
	for len(at.dirs) > 0 {
		at.up()
	}
}

// path returns the path of the place relative to the root.
func (at *place) path() string {
	if at.name == "." {
		return strings.Join(at.names, "/")
	}
	return strings.Join(append(slices.Clone(at.names), at.name), "/")
}
