package load

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"assay/service/advisory"
)

// A member is a file that may be a record.
type member struct {
	name string
	read func() ([]byte, error)
	// close is called once, when the member has been read or is dropped.
	close func()
}

// A walker finds the members of a path and emits them, within the limits that are left. An
// error from emit ends the walk.
type walker struct {
	left limits
	emit func(member) error
	// open counts members that are not closed yet. Their archives stay open until then.
	open sync.WaitGroup
}

// walk emits the members of path. It returns when all of them are closed.
func (w *walker) walk(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return w.folder(path)
	}
	return w.file(filepath.Base(path), info, func() (*os.File, error) { return os.Open(path) })
}

// folder walks the files below path by name. It follows no link to a file outside.
func (w *walker) folder(path string) error {
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	defer root.Close()
	defer w.open.Wait()
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil && name == "." {
			return err
		}
		if err != nil {
			return w.reject(name, err)
		}
		if err := w.count(); err != nil {
			return err
		}
		// Check every link: if it leads to a folder, its records would be missing.
		candidate := isRecord(name) || isArchive(name)
		if d.IsDir() || !candidate && d.Type()&fs.ModeSymlink == 0 {
			return nil
		}
		info, err := root.Stat(name)
		if err != nil {
			return w.reject(name, err)
		}
		if info.IsDir() || !candidate {
			return nil
		}
		return w.file(name, info, func() (*os.File, error) { return root.Open(name) })
	})
}

// file emits a record, or the records of an archive.
func (w *walker) file(name string, info fs.FileInfo, open func() (*os.File, error)) error {
	switch {
	case !info.Mode().IsRegular():
		return w.reject(name, errors.New("not a regular file"))
	case isArchive(name):
		f, err := open()
		if err != nil {
			return w.reject(name, err)
		}
		defer f.Close()
		return w.archive(name, f, info.Size())
	case isRecord(name):
		return w.record(name, info.Size(), func() (io.ReadCloser, error) { return open() })
	default:
		return fmt.Errorf("%q is neither a folder nor a .json or .zip file", name)
	}
}

// record emits a member of size bytes, or a rejection if it is too large.
func (w *walker) record(name string, size int64, open func() (io.ReadCloser, error)) error {
	if size > advisory.MaxSize {
		return w.reject(name, fmt.Errorf("file has %d bytes, more than %d", size, advisory.MaxSize))
	}
	if w.left.bytes -= size; w.left.bytes < 0 {
		return errors.New("too many bytes of records")
	}
	return w.member(name, func() ([]byte, error) {
		r, err := open()
		if err != nil {
			return nil, err
		}
		defer r.Close()
		b := make([]byte, size)
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, err
		}
		// An archive compares the checksum at the end of the file.
		if n, err := io.CopyN(io.Discard, r, 1); n != 0 || err != io.EOF {
			if err == nil {
				err = fmt.Errorf("longer than the %d bytes it claims", size)
			}
			return nil, err
		}
		return b, nil
	})
}

// reject emits a member that fails with err when it is read.
func (w *walker) reject(name string, err error) error {
	return w.member(name, func() ([]byte, error) { return nil, err })
}

func (w *walker) member(name string, read func() ([]byte, error)) error {
	w.open.Add(1)
	return w.emit(member{name: name, read: read, close: w.open.Done})
}

// count takes one file from the limits.
func (w *walker) count() error {
	if w.left.files--; w.left.files < 0 {
		return errors.New("too many files")
	}
	return nil
}

func isRecord(name string) bool  { return strings.HasSuffix(name, ".json") }
func isArchive(name string) bool { return strings.HasSuffix(name, ".zip") }
