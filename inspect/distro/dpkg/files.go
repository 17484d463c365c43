package dpkg

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// FilesLimit is how many bytes of a list of files are read. The largest
	// packages of Debian have 100,000 files, of some 80 bytes each.
	FilesLimit = 64 << 20
	// DiversionsLimit is how many bytes of the list of diversions are read.
	DiversionsLimit = 4 << 20
	// maxPath is the longest line of a list, many times what a kernel takes as a
	// path, and how much is read at once.
	maxPath = 32 << 10

	listEnd, digestsEnd = ".list", ".md5sums"
)

// InfoDirs are the paths where the folder info may be: "NAME.list" in it are the
// files of a package, "NAME.md5sums" their digests.
func InfoDirs() []string { return []string{"var/lib/dpkg/info", "usr/lib/dpkg/info"} }

// DiversionsFiles are the paths where the list of diversions may be.
func DiversionsFiles() []string {
	return []string{"var/lib/dpkg/diversions", "usr/lib/dpkg/diversions"}
}

// ListOf returns the package whose files a file of a folder info lists, and the
// name of the file beside it with their digests. The package's architecture,
// which is part of both names where several can be installed together, is cut off.
func ListOf(name string) (pkg, digests string, ok bool) {
	whole, ok := strings.CutSuffix(name, listEnd)
	pkg, _, _ = strings.Cut(whole, ":")
	return pkg, whole + digestsEnd, ok && isName(pkg)
}

// StanzaOf returns the name of the file of a folder status.d that has the stanza
// of a package, from that of the file that has its files and digests.
func StanzaOf(name string) (stanza string, ok bool) { return strings.CutSuffix(name, digestsEnd) }

// A FileLists reads lists of files. It serves for any number of them, one after
// the other, and holds no more than a line.
type FileLists struct{ r *bufio.Reader }

// NewFileLists returns a FileLists.
func NewFileLists() *FileLists { return &FileLists{bufio.NewReaderSize(nil, maxPath)} }

// Paths reads a list and calls file with each path, directories included. Paths
// are relative to the root, without a leading slash, and valid for one call.
func (l *FileLists) Paths(r io.Reader, file func(path []byte)) error {
	return l.lines(r, func(line []byte) error {
		if path := relative(line); len(path) > 0 {
			file(path)
		}
		return nil
	})
}

// Digests reads a list of digests and calls file with each path, as Paths does,
// and its MD5 digest. Of configuration files there is none.
func (l *FileLists) Digests(r io.Reader, file func(path []byte, sum [md5.Size]byte)) error {
	return l.lines(r, func(line []byte) error {
		const digits = 2 * md5.Size
		var sum [md5.Size]byte
		if len(line) <= digits {
			return errors.New("not a digest and a path")
		}
		if _, err := hex.Decode(sum[:], line[:digits]); err != nil {
			return errors.New("not a digest")
		}
		if path := relative(bytes.TrimLeft(line[digits:], " ")); len(path) > 0 {
			file(path, sum)
		}
		return nil
	})
}

// lines calls line with each line of r that is not empty.
func (l *FileLists) lines(r io.Reader, line func([]byte) error) error {
	l.r.Reset(r)
	for n := 1; ; n++ {
		text, err := l.r.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			return fmt.Errorf("line %d: longer than %d bytes", n, maxPath)
		}
		if err != nil && err != io.EOF {
			return err
		}
		if text = bytes.TrimSuffix(text, []byte("\n")); len(text) > 0 {
			if err := line(text); err != nil {
				return fmt.Errorf("line %d: %w", n, err)
			}
		}
		if err == io.EOF {
			return nil
		}
	}
}

// relative cuts off what dpkg leaves out at the beginning of a path: slashes, and
// dots that slashes follow. The root itself becomes empty.
func relative(path []byte) []byte {
	for {
		path = bytes.TrimLeft(path, "/")
		rest, ok := bytes.CutPrefix(path, []byte("./"))
		if !ok {
			break
		}
		path = rest
	}
	if string(path) == "." {
		return nil
	}
	return path
}

// A Diversion says that the file From of any package but Package is installed
// as To. Package is ":" where the administrator made it: then of any package.
// From and To are relative to the root.
type Diversion struct{ From, To, Package string }

// ReadDiversions reads the list of diversions: three lines each.
func ReadDiversions(r io.Reader) ([]Diversion, error) {
	var diversions []Diversion
	var lines []string
	err := NewFileLists().lines(r, func(line []byte) error {
		if lines = append(lines, string(line)); len(lines) == 3 {
			diversions = append(diversions, Diversion{
				From: string(relative([]byte(lines[0]))), To: string(relative([]byte(lines[1]))), Package: lines[2],
			})
			lines = lines[:0]
		}
		return nil
	})
	if err == nil && len(lines) > 0 {
		err = io.ErrUnexpectedEOF
	}
	return diversions, err
}

// MayInstall reports whether packages of the distribution install files at a path,
// relative to the root: not in folders that are left to others.
func MayInstall(path string) bool {
	top, rest, _ := strings.Cut(path, "/")
	switch top {
	case "usr":
		return !strings.HasPrefix(rest, "local/")
	case "bin", "sbin":
		return true
	}
	return strings.HasPrefix(top, "lib")
}

// InOwnFolder reports whether a path, relative to the root, lies in a folder where
// packages of Debian and Ubuntu install what is written in a language. Package managers
// of languages use others.
func InOwnFolder(path string) bool {
	rest, ok := strings.CutPrefix(path, "usr/")
	if !ok {
		return false
	}
	if rest, ok := strings.CutPrefix(rest, "lib/python"); ok {
		_, rest, _ = strings.Cut(rest, "/")
		return strings.HasPrefix(rest, "dist-packages/")
	}
	for _, folder := range [...]string{
		"share/python-wheels/", "share/nodejs/", "lib/nodejs/", "share/java/", "share/maven-repo/",
		"share/rubygems-integration/", "share/php/", "lib/R/library/", "lib/R/site-library/",
	} {
		if strings.HasPrefix(rest, folder) {
			return true
		}
	}
	return false
}
