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
	// FilesLimit is how many bytes of a list of files are read. The largest packages of
	// Debian have 100,000 files, with about 80 bytes each.
	FilesLimit = 64 << 20
	// DiversionsLimit is how many bytes of the list of diversions are read.
	DiversionsLimit = 4 << 20
	// maxPath is the longest line of a list, much longer than any path a kernel
	// accepts. It is also the read size.
	maxPath = 32 << 10

	listEnd, digestsEnd = ".list", ".md5sums"
)

// InfoDirs returns the paths where the folder info may be. "NAME.list" in it lists the
// files of a package, and "NAME.md5sums" their digests.
func InfoDirs() []string { return []string{"var/lib/dpkg/info", "usr/lib/dpkg/info"} }

// DiversionsFiles returns the paths where the list of diversions may be.
func DiversionsFiles() []string {
	return []string{"var/lib/dpkg/diversions", "usr/lib/dpkg/diversions"}
}

// ListOf returns the package whose files a file in a folder info lists, and the name of
// the file with their digests. Both file names contain the architecture if a package
// can be installed for several; it is removed from the package's name.
func ListOf(name string) (pkg, digests string, ok bool) {
	whole, ok := strings.CutSuffix(name, listEnd)
	pkg, _, _ = strings.Cut(whole, ":")
	return pkg, whole + digestsEnd, ok && isName(pkg)
}

// StanzaOf returns the name of the file in a folder status.d with the stanza of a
// package, for the name of the file with its digests.
func StanzaOf(name string) (stanza string, ok bool) { return strings.CutSuffix(name, digestsEnd) }

// FileLists reads lists of files. It can be reused for any number of lists, one at a
// time, and holds only one line in memory.
type FileLists struct{ r *bufio.Reader }

// NewFileLists returns a FileLists.
func NewFileLists() *FileLists { return &FileLists{bufio.NewReaderSize(nil, maxPath)} }

// Paths reads a list and calls file with each path, including directories. Paths are
// relative to the root, without a leading slash, and valid only during the call.
func (l *FileLists) Paths(r io.Reader, file func(path []byte)) error {
	return l.lines(r, func(line []byte) error {
		if path := relative(line); len(path) > 0 {
			file(path)
		}
		return nil
	})
}

// Digests reads a list of digests and calls file with each path, like Paths, and its
// MD5 digest. Configuration files are not in these lists.
func (l *FileLists) Digests(r io.Reader, file func(path []byte, sum [md5.Size]byte)) error {
	return l.lines(r, func(line []byte) error {
		const digits = 2 * md5.Size
		var sum [md5.Size]byte
		if len(line) <= digits {
			return errors.New("not a digest and a path")
		}
		if _, err := hex.Decode(sum[:], line[:digits]); err != nil {
			return errors.New("invalid digest")
		}
		if path := relative(bytes.TrimLeft(line[digits:], " ")); len(path) > 0 {
			file(path, sum)
		}
		return nil
	})
}

// lines calls line with each non-empty line of r.
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

// relative removes what dpkg ignores at the beginning of a path: slashes, and dots
// followed by slashes. The root itself becomes empty.
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

// A Diversion means that the file From of any package except Package is installed as
// To. Package is ":" for a diversion by the administrator, which applies to all
// packages. From and To are relative to the root.
type Diversion struct{ From, To, Package string }

// ReadDiversions reads the list of diversions, three lines each.
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
// relative to the root. They do not use folders that are reserved for others.
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

// InOwnFolder reports whether a path, relative to the root, is in a folder where
// packages of Debian and Ubuntu install code in a programming language. The package
// managers of the languages use other folders.
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
