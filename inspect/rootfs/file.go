package rootfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"assay/inspect/inventory"

	"golang.org/x/sys/unix"
)

// ErrNotRegular is returned for a path that does not lead to a regular file.
var ErrNotRegular = errors.New("not a regular file")

// ErrTooLarge is returned when a file is read beyond its limit.
var ErrTooLarge = errors.New("larger than the limit")

// A File is a regular file open for reading, up to a limit. Reading beyond the limit
// returns ErrTooLarge; reading a file that is within it never does. Only one goroutine
// may use a File.
type File struct {
	fd    int
	path  string
	size  int64
	limit int64
	off   int64
	id    ID
	mtime unix.Timespec
	head  []byte // the beginning, as read by Peek
}

// An ID identifies a file of the host.
type ID struct{ dev, ino uint64 }

// Identify returns the ID of the file at path on the host.
func Identify(path string) (ID, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return ID{}, fmt.Errorf("identify %q: %w", path, err)
	}
	return ID{uint64(st.Dev), uint64(st.Ino)}, nil
}

// OpenFile opens the regular file name in d; name is one path component. path is its
// path from the root; the File stores it in the form of inventory.Text. For anything
// but a regular file the error is ErrNotRegular, and the file is not opened, except if
// it replaces a regular file at that moment.
func (d Dir) OpenFile(name, path string, limit int64) (*File, error) {
	mode, err := d.mode(name)
	if err != nil {
		return nil, err
	}
	if mode != unix.S_IFREG {
		return nil, ErrNotRegular
	}
	return d.OpenListedFile(name, path, limit)
}

// OpenListedFile is OpenFile for an entry that a listing has just reported as a regular
// file. It saves a system call.
func (d Dir) OpenListedFile(name, path string, limit int64) (*File, error) {
	f, err := d.openUnseen(name, path, limit)
	if err != nil {
		return nil, err
	}
	if err := f.see(); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// OpenListedBegin opens a file like OpenListedFile if wanted accepts its beginning, of
// at most len(buf) bytes, and returns nil otherwise. An unwanted file costs no further
// system call. Peek has then been called with buf. opened says that an error occurred
// after the file was opened.
func (d Dir) OpenListedBegin(name, path string, limit int64, buf []byte, wanted func([]byte) bool) (f *File, opened bool, err error) {
	f, err = d.openUnseen(name, path, limit)
	if err != nil {
		return nil, false, err
	}
	head, err := f.Peek(buf)
	if !wanted(head) {
		f.Close()
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return nil, true, err
	}
	if err := f.see(); err != nil {
		f.Close()
		return nil, true, err
	}
	return f, true, nil
}

func (d Dir) openUnseen(name, path string, limit int64) (*File, error) {
	fd, err := openat(d.fd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return nil, err
	}
	return &File{fd: fd, path: inventory.Text(path), limit: limit}, nil
}

// see examines what was opened. It must be a regular file.
func (f *File) see() error {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return ErrNotRegular
	}
	f.size, f.id, f.mtime = st.Size, ID{uint64(st.Dev), uint64(st.Ino)}, st.Mtim
	return nil
}

// Path returns the file's path relative to the root, without links and in the form of
// inventory.Text.
func (f *File) Path() string { return f.path }

// As sets the path to the one under which a link leads to the file. Readers see this
// path.
func (f *File) As(path string) { f.path = inventory.Text(path) }

// Size returns the size of the file when it was opened.
func (f *File) Size() int64 { return f.size }

// Content returns the file as an io.ReaderAt, and its size. For a nil File it returns
// nil and 0.
func (f *File) Content() (io.ReaderAt, int64) {
	if f == nil {
		return nil, 0
	}
	return f, f.size
}

// Modified returns when the file was last modified.
func (f *File) Modified() time.Time { return time.Unix(f.mtime.Unix()) }

// ID returns the ID of the file.
func (f *File) ID() ID { return f.id }

// Close closes the file.
func (f *File) Close() error { return unix.Close(f.fd) }

// Read implements io.Reader.
func (f *File) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := f.pread(p, f.off)
	f.off += int64(n)
	return n, err
}

// Peek reads the beginning of the file into buf. ReadAt serves it from there
// afterwards, so buf belongs to the File until it is closed.
func (f *File) Peek(buf []byte) ([]byte, error) {
	n, err := f.ReadAt(buf, 0)
	f.head = buf[:n]
	return f.head, err
}

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read at offset %d: %w", off, os.ErrInvalid)
	}
	if size := int64(len(f.head)); off <= size && int64(len(p)) <= size-off {
		return copy(p, f.head[off:]), nil
	}
	var n int
	for n < len(p) {
		m, err := f.pread(p[n:], off+int64(n))
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// pread reads into p, which is not empty, and never beyond the limit.
func (f *File) pread(p []byte, off int64) (int, error) {
	within := f.limit - off
	beyond := within <= 0
	if beyond {
		p = make([]byte, 1) // to tell the end of the file from the limit
	} else if int64(len(p)) > within {
		p = p[:within]
	}
	for {
		n, err := unix.Pread(f.fd, p, off)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, fmt.Errorf("read: %w", err)
		case n == 0:
			return 0, io.EOF
		case beyond:
			return 0, fmt.Errorf("%w of %d bytes", ErrTooLarge, f.limit)
		default:
			return n, nil
		}
	}
}
