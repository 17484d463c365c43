package header

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"strings"

	"assay/inspect/readat"
)

const (
	// maxPath is the longest path that a kernel accepts.
	maxPath = 4 << 10
	// maxDirs and maxDirBytes bound the directories of one package, which are kept in
	// memory while its files are read. The largest packages have 20,000.
	maxDirs     = 1 << 18
	maxDirBytes = 8 << 20
)

// A File is a file of a package: /usr/bin/env is Base "env" in Dir "/usr/bin/".
type File struct {
	Dir, Base string
	// Digest is the digest of the content when it was installed, "sha256:…". It is
	// empty for directories and links.
	Digest string
}

// Files yields the files of the package in the order of the header, and stops after an
// error. It keeps only the package's directories in memory.
func (h *Header) Files() iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		paths, count, err := h.paths()
		if err != nil {
			yield(File{}, err)
			return
		}
		digests, err := h.digests(count)
		if err != nil {
			yield(File{}, err)
			return
		}
		for range count {
			f, err := paths()
			if err == nil {
				f.Digest, err = digests()
			}
			if !yield(f, err) || err != nil {
				return
			}
		}
	}
}

// paths returns a function that returns the next file, without its digest, and the
// number of files.
func (h *Header) paths() (func() (File, error), int64, error) {
	bases, count, err := h.strings(BaseNames)
	if err != nil {
		return nil, 0, err
	}
	if count == 0 {
		return h.oldPaths()
	}
	e, err := h.entry(DirIndexes, typeInt32)
	if err != nil {
		return nil, 0, err
	}
	if e.count != count {
		return nil, 0, fmt.Errorf("files: %d names and %d directory indexes", count, e.count)
	}
	dirs, err := h.dirs()
	if err != nil {
		return nil, 0, err
	}
	indexes := h.stream(e)
	raw := make([]byte, 4)
	return func() (File, error) {
		base, err := bases()
		if err != nil {
			return File{}, err
		}
		if _, err := io.ReadFull(indexes, raw); err != nil {
			return File{}, fmt.Errorf("tag %d: %w", DirIndexes, readat.Unexpected(err))
		}
		i := binary.BigEndian.Uint32(raw)
		if int64(i) >= int64(len(dirs)) {
			return File{}, fmt.Errorf("files: directory %d of %d", i, len(dirs))
		}
		return File{Dir: dirs[i], Base: base}, nil
	}, count, nil
}

// oldPaths is paths for headers of rpm 3, which have full paths.
func (h *Header) oldPaths() (func() (File, error), int64, error) {
	names, count, err := h.strings(OldFileNames)
	if err != nil {
		return nil, 0, err
	}
	return func() (File, error) {
		name, err := names()
		slash := strings.LastIndexByte(name, '/') + 1
		return File{Dir: name[:slash], Base: name[slash:]}, err
	}, count, nil
}

// dirs returns the directories of the package.
func (h *Header) dirs() ([]string, error) {
	next, count, err := h.strings(DirNames)
	if err != nil {
		return nil, err
	}
	if count > maxDirs {
		return nil, fmt.Errorf("files: %d directories", count)
	}
	dirs := make([]string, 0, min(count, 1024))
	for size := 0; int64(len(dirs)) < count; {
		dir, err := next()
		if err != nil {
			return nil, err
		}
		if size += len(dir); size > maxDirBytes {
			return nil, fmt.Errorf("files: names of directories longer than %d bytes", maxDirBytes)
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

// digests returns a function that returns the next digest.
func (h *Header) digests(count int64) (func() (string, error), error) {
	next, n, err := h.strings(FileDigests)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return func() (string, error) { return "", nil }, nil
	}
	if n != count {
		return nil, fmt.Errorf("files: %d names and %d digests", count, n)
	}
	algorithm, ok, err := h.Uint32(FileDigestAlgo)
	if err != nil {
		return nil, err
	}
	prefix := "md5:" // the only algorithm before there was a tag for it
	if ok {
		if prefix, err = digestPrefix(algorithm); err != nil {
			return nil, err
		}
	}
	return func() (string, error) {
		digest, err := next()
		if digest == "" || err != nil {
			return "", err
		}
		return prefix + digest, nil
	}, nil
}

// digestPrefix returns the name of an algorithm for its number in RFC 4880 and RFC
// 9580, followed by a colon.
func digestPrefix(algorithm uint32) (string, error) {
	switch algorithm {
	case 1:
		return "md5:", nil
	case 2:
		return "sha1:", nil
	case 8:
		return "sha256:", nil
	case 9:
		return "sha384:", nil
	case 10:
		return "sha512:", nil
	case 11:
		return "sha224:", nil
	case 12:
		return "sha3-256:", nil
	case 14:
		return "sha3-512:", nil
	}
	return "", fmt.Errorf("files: unknown digest algorithm %d", algorithm)
}

// strings returns a function that returns the next string of a tag, and the number of
// strings.
func (h *Header) strings(tag Tag) (func() (string, error), int64, error) {
	e, err := h.entry(tag, typeStringArray, typeString)
	if err != nil || e.count == 0 {
		return nil, 0, err
	}
	r := h.stream(e)
	return func() (string, error) {
		text, err := r.ReadSlice(0)
		if err != nil {
			return "", fmt.Errorf("tag %d: %w", tag, readat.Unexpected(err))
		}
		return string(text[:len(text)-1]), nil
	}, e.count, nil
}

// stream returns a reader of the store from the values of an entry on.
func (h *Header) stream(e entry) *bufio.Reader {
	return bufio.NewReaderSize(io.NewSectionReader(h.r, h.start+e.offset, h.size-e.offset), maxPath)
}
