package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A folder is a Mirror on the disk. It does not follow links that lead out of it. The page
// that a server has at its address is the file index.html.
type folder struct {
	path string
	root *os.Root
}

func openFolder(path string) (*folder, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &folder{path, root}, nil
}

func (f *folder) String() string { return f.path }

// open opens a file. Its version is its size and modification time.
func (f *folder) open(ctx context.Context, name string, limit int64, before Version) (*os.File, Version, error) {
	if err := ctx.Err(); err != nil {
		return nil, Version{}, err
	}
	if name == "" {
		name = "index.html"
	}
	file, err := f.root.Open(filepath.FromSlash(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Version{}, fmt.Errorf("%q: %w in %q", name, ErrNotFound, f.path)
	}
	if err != nil {
		return nil, Version{}, err
	}
	info, err := file.Stat()
	v := Version{}
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%q is not a regular file", name)
	case info.Size() > limit:
		err = tooLarge(name, limit)
	default:
		v.ETag = fmt.Sprintf(`"%d-%d"`, info.Size(), info.ModTime().UnixNano())
		if v == before {
			err = ErrUnchanged
		}
	}
	if err != nil {
		return nil, Version{}, errors.Join(err, file.Close())
	}
	return file, v, nil
}

// Get implements Mirror.
func (f *folder) Get(ctx context.Context, name string, limit int64, before Version) ([]byte, Version, error) {
	file, v, err := f.open(ctx, name, limit, before)
	if err != nil {
		return nil, v, err
	}
	defer file.Close()
	b, err := readAll(file, name, limit)
	return b, v, err
}

// Save implements Mirror. It always begins anew, since a copy is fast.
func (f *folder) Save(ctx context.Context, name, path string, limit int64, before Version) (Version, error) {
	file, v, err := f.open(ctx, name, limit, before)
	if err != nil {
		return v, err
	}
	defer file.Close()
	part := partPath(path)
	to, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return Version{}, err
	}
	n, err := io.Copy(to, io.LimitReader(file, limit+1))
	if err == nil && n > limit {
		err = tooLarge(name, limit)
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return Version{}, errors.Join(err, os.Remove(part))
	}
	return v, os.Rename(part, path)
}

func partPath(path string) string { return path + ".part" }

func tooLarge(name string, limit int64) error {
	return final{fmt.Errorf("%q is larger than %d bytes", name, limit)}
}

func readAll(r io.Reader, name string, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = tooLarge(name, limit)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}
