package layer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// prefix begins the names of the folders of images.
const prefix = "assay-image-"

// A folder holds the files of an image. It is locked as long as its process lives, so that
// Clean can tell it from one that a killed process has left.
type folder struct {
	path string
	root string // for the files of the image
	lock *os.File
}

// newFolder makes a folder in dir, which is made if it does not exist.
func newFolder(dir string) (*folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	for {
		path, err := os.MkdirTemp(dir, prefix)
		if err != nil {
			return nil, err
		}
		lock, err := locked(path)
		switch {
		case err == nil:
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.EWOULDBLOCK):
			continue // Clean has come first
		default:
			os.Remove(path)
			return nil, err
		}
		f := &folder{path: path, root: filepath.Join(path, "root"), lock: lock}
		if err := os.Mkdir(f.root, 0o700); errors.Is(err, fs.ErrNotExist) {
			lock.Close() // Clean has come first
			continue
		} else if err != nil {
			f.remove()
			return nil, err
		}
		return f, nil
	}
}

// remove removes the folder with everything in it.
func (f *folder) remove() error {
	defer f.lock.Close()
	return os.RemoveAll(f.path)
}

// locked opens and locks a folder. It fails with EWOULDBLOCK if another process has locked it.
func locked(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	return f, nil
}

// Clean removes the folders that killed processes have left in dir. Those that are in use are
// kept. A dir that does not exist is no error.
func Clean(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for the files of images: %w", err)
	}
	var failed error
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		lock, err := locked(path)
		if err == nil {
			err = os.RemoveAll(path)
			lock.Close()
		}
		if err != nil && !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, fs.ErrNotExist) {
			failed = errors.Join(failed, fmt.Errorf("remove the files of an image: %w", err))
		}
	}
	return failed
}
