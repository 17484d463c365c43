package python

import (
	"errors"
	"io"

	"assay/inspect/inventory"
	"assay/inspect/zipfile"
)

// EggLimit is how many bytes an egg may have. Only a small part of it is read.
const EggLimit = 1 << 30

// EggExts returns the extensions of the files that WantsEgg decides about.
func EggExts() []string { return []string{".egg"} }

// WantsEgg reports whether the file at path, relative to the root, is an egg where
// Python finds it: directly in a folder site-packages or dist-packages. Eggs elsewhere
// were built or downloaded. The other rules of WantsMetadata apply as well.
func WantsEgg(path string) bool {
	dir, record := split(path)
	_, library := split(dir)
	return isLibrary(library) && hasSuffixFold(record, ".egg") && isInstalled(dir, record)
}

// ReadEgg reads the package that is installed as the archive at path. It reads
// EGG-INFO/PKG-INFO like ReadMetadata.
func ReadEgg(r io.ReaderAt, size int64, path string) ([]inventory.Package, error) {
	archive, err := zipfile.Open(r, size, zipfile.BudgetFor(size))
	if err != nil {
		return nil, err
	}
	for e, err := range archive.Entries() {
		if err != nil {
			return nil, err
		}
		if e.Name != "EGG-INFO/PKG-INFO" {
			continue
		}
		metadata, err := archive.Open(e, Limit)
		if err != nil {
			return nil, err
		}
		return ReadMetadata(metadata, path)
	}
	return nil, errors.New("egg without EGG-INFO/PKG-INFO")
}
