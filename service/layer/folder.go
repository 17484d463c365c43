package layer

import (
	"os"
	"path/filepath"
)

// newFolder makes a folder in dir, which is made if it does not exist. It returns the folder,
// and a folder in it for the files of an image.
func newFolder(dir string) (path, root string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", "", err
	}
	if path, err = os.MkdirTemp(dir, "assay-image-"); err != nil {
		return "", "", err
	}
	root = filepath.Join(path, "root")
	if err := os.Mkdir(root, 0o700); err != nil {
		os.Remove(path)
		return "", "", err
	}
	return path, root, nil
}
