package rootfs

import (
	"bytes"
	"encoding/binary"
	"iter"
	"strings"

	"golang.org/x/sys/unix"
)

// A Dir is an open directory. Its methods do not follow links.
type Dir struct{ fd int }

// Close closes the directory.
func (d Dir) Close() error { return unix.Close(d.fd) }

// OpenDir opens the directory name in d for reading; name is one component.
func (d Dir) OpenDir(name string) (Dir, error) {
	fd, err := openat(d.fd, name, readDir)
	return Dir{fd}, err
}

// Dir opens the root itself for reading.
func (r *Root) Dir() (Dir, error) { return r.dir.OpenDir(".") }

// Descend opens the directory that names lead to from d. There is at least one name,
// and each is one path component. Neither their number nor their total length is
// limited.
func (d Dir) Descend(names []string) (Dir, error) {
	cur := d
	for {
		next, n, err := cur.step(names)
		if cur != d {
			cur.Close()
		}
		if err != nil || n == len(names) {
			return next, err
		}
		cur, names = next, names[n:]
	}
}

// step opens the directory that the first n of names lead to, as many as one system
// call takes. Without openat2, which the kernel or a seccomp filter may not allow, n is
// 1: openat would follow links on the way.
func (d Dir) step(names []string) (Dir, int, error) {
	n, size := 0, 0
	for n < len(names) && size+len(names[n])+1 < unix.PathMax {
		size += len(names[n]) + 1
		n++
	}
	if n > 1 {
		how := unix.OpenHow{
			Flags:   stepFlags(n == len(names)),
			Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
		}
		if fd, err := unix.Openat2(d.fd, strings.Join(names[:n], "/"), &how); err == nil {
			return Dir{fd}, n, nil
		}
	}
	fd, err := openat(d.fd, names[0], int(stepFlags(len(names) == 1)))
	return Dir{fd}, 1, err
}

// readDir are the flags for opening a directory to read its entries.
const readDir = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC

func stepFlags(last bool) uint64 {
	if last {
		return readDir
	}
	return unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
}

// An Entry is a name in a directory.
type Entry struct {
	Name string
	Type uint8 // unix.DT_DIR, …; unix.DT_UNKNOWN if the filesystem does not report it
}

// BufSize is how many bytes of entries are usually read at once, about a thousand
// ordinary names.
const BufSize = 32 << 10

// Each yields the entries of the directory, without "." and "..", and stops after
// an error. It reads through buf, of at least 4 KiB, or its own buffer if buf is
// nil. A directory can be read only once.
func (d Dir) Each(buf []byte) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if buf == nil {
			buf = make([]byte, BufSize)
		}
		for {
			entries, err := d.Read(buf)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			if len(entries) == 0 {
				return
			}
			for name, typ := range Entries(entries) {
				if !yield(Entry{string(name), typ}, nil) {
					return
				}
			}
		}
	}
}

// Read fills buf, of at least 4 KiB, with the next entries of the directory. It returns
// the filled part, which Entries decodes; it is empty at the end of the directory.
func (d Dir) Read(buf []byte) ([]byte, error) {
	for {
		n, err := unix.Getdents(d.fd, buf)
		switch err {
		case nil:
			return buf[:n], nil
		case unix.EINTR:
		default:
			return nil, err
		}
	}
}

// Entries yields the name and the type (unix.DT_DIR, …) of each entry that Read
// returned, without "." and "..". A name is valid until the next iteration.
func Entries(buf []byte) iter.Seq2[[]byte, uint8] {
	// struct linux_dirent64: inode, offset, record length, type, name.
	const lenAt, typeAt, nameAt = 16, 18, 19
	return func(yield func([]byte, uint8) bool) {
		for len(buf) > nameAt {
			size := int(binary.NativeEndian.Uint16(buf[lenAt:]))
			if size <= nameAt || size > len(buf) {
				return
			}
			name := buf[nameAt:size]
			if end := bytes.IndexByte(name, 0); end >= 0 {
				name = name[:end]
			}
			kind := buf[typeAt]
			buf = buf[size:]
			if string(name) == "." || string(name) == ".." || len(name) == 0 {
				continue
			}
			if !yield(name, kind) {
				return
			}
		}
	}
}

// Type returns the type of the entry name, for filesystems that do not report it in
// listings: unix.DT_DIR, DT_REG, DT_LNK, or DT_UNKNOWN for anything else. It returns
// DT_DIR if the entry cannot be examined, so that opening it reports the error.
func (d Dir) Type(name string) uint8 {
	mode, err := d.mode(name)
	switch {
	case err != nil || mode == unix.S_IFDIR:
		return unix.DT_DIR
	case mode == unix.S_IFREG:
		return unix.DT_REG
	case mode == unix.S_IFLNK:
		return unix.DT_LNK
	}
	return unix.DT_UNKNOWN
}

// Info describes a file that was not opened.
type Info struct {
	Size       int64 // in bytes
	Executable bool  // by anyone
}

// Info returns the Info of the entry name.
func (d Dir) Info(name string) (Info, error) {
	st, err := d.stat(name)
	return Info{Size: st.Size, Executable: st.Mode&0o111 != 0}, err
}

func (d Dir) mode(name string) (uint32, error) {
	st, err := d.stat(name)
	return st.Mode & unix.S_IFMT, err
}

func (d Dir) stat(name string) (unix.Stat_t, error) {
	for {
		var st unix.Stat_t
		err := unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
		if err != unix.EINTR {
			return st, err
		}
	}
}

// ID returns the ID of the directory.
func (d Dir) ID() (ID, error) {
	var st unix.Stat_t
	err := unix.Fstat(d.fd, &st)
	return ID{uint64(st.Dev), uint64(st.Ino)}, err
}

// Readlink returns the target of the link name in d.
func (d Dir) Readlink(name string) (string, error) {
	var buf [unix.PathMax]byte
	for {
		n, err := unix.Readlinkat(d.fd, name, buf[:])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return "", err
		case n == 0:
			return "", unix.ENOENT
		case n == len(buf):
			return "", unix.ENAMETOOLONG
		default:
			return string(buf[:n]), nil
		}
	}
}

func openat(dir int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}
