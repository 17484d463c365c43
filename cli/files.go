package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	maxTokenFile = 4 << 10 // bytes; a token has 44
	maxCAFile    = 4 << 20 // bytes; Mozilla's certificates have 220 KB

	maxExceptions = 8 << 20  // bytes of a file of exceptions or VEX statements; the service bounds each format
	maxBaseline   = 16 << 20 // bytes of the inventory of a base image, as the service has it
)

// notRegular returns the error for a FIFO, device, directory or socket in place of a file.
// Opening one can block for ever, and reading one may never end.
func notRegular(path string) error { return fmt.Errorf("%q is not a regular file", path) }

// readRegular reads a regular file of at most max bytes. It does not block.
func readRegular(path string, max int64) ([]byte, error) {
	if fi, err := os.Stat(path); err != nil {
		return nil, err
	} else if !fi.Mode().IsRegular() {
		return nil, notRegular(path)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil {
		return nil, err
	} else if !fi.Mode().IsRegular() {
		return nil, notRegular(path)
	}
	b, err := io.ReadAll(io.LimitReader(f, max+1))
	if err == nil && int64(len(b)) > max {
		err = fmt.Errorf("%q has more than %d bytes", path, max)
	}
	return b, err
}

// stream returns 1 if a path names the standard output of this process, 2 if it names the
// standard error, and 0 if it names a file.
func stream(path string) int {
	switch filepath.Clean(path) {
	case "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1":
		return 1
	case "/dev/stderr", "/dev/fd/2", "/proc/self/fd/2":
		return 2
	}
	return 0
}

// checkOutput rejects the path of a report if it exists and is not a regular file.
func checkOutput(path string) error {
	if stream(path) != 0 {
		return nil
	}
	fi, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && fi.Mode().IsRegular() {
		return nil
	}
	if err == nil {
		err = notRegular(path)
	}
	return usage("name a file, /dev/stdout or /dev/stderr", "write report: %v", err)
}

// createRegular creates or truncates the file of a report. It does not block.
func createRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NONBLOCK, 0o644)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = notRegular(path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// checkRoot rejects a --root that cannot be read. This is a mistake in the command line,
// not a failed scan.
func checkRoot(root string) error {
	fi, err := os.Stat(root)
	switch {
	case err != nil:
		return usage("name the directory that holds the image's files", "--root: %v", err)
	case !fi.IsDir():
		return usage("name the directory that holds the image's files", "--root: %q is not a directory", root)
	}
	return nil
}
