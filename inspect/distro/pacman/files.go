package pacman

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// FilesLimit is how many bytes of a list are read. A package with 100,000 files has a
	// mtree of 5 MB.
	FilesLimit = 64 << 20
	// maxLists bounds a decompressed mtree, in bytes.
	maxLists = 256 << 20
	// maxLine bounds a line of a list, in bytes.
	maxLine = 64 << 10
)

// Lists returns the paths of the lists of files of the package with the description at path:
// mtree, which has digests, and files.
func Lists(at string) (mtree, files string) {
	dir := strings.TrimSuffix(at, desc)
	return dir + "mtree", dir + "files"
}

// ReadMtree calls file with the path and the digest of each regular file in a mtree, which is
// compressed with gzip (mtree(5)). The path is relative to the root and is valid only during
// the call.
func ReadMtree(r io.Reader, file func(path []byte, sum [sha256.Size]byte)) error {
	return readMtree(r, maxLists, file)
}

// readMtree is ReadMtree for a mtree of at most limit bytes.
func readMtree(r io.Reader, limit int64, file func(path []byte, sum [sha256.Size]byte)) error {
	z, err := gzip.NewReader(r)
	if err != nil {
		return fmt.Errorf("mtree: %w", err)
	}
	rest := &io.LimitedReader{R: z, N: limit + 1}
	s := bufio.NewScanner(rest)
	s.Buffer(nil, maxLine)
	for s.Scan() {
		name, rest, ok := bytes.Cut(s.Bytes(), []byte(" "))
		if !ok || !bytes.HasPrefix(name, []byte("./")) {
			continue
		}
		_, digest, ok := bytes.Cut(rest, []byte("sha256digest="))
		if !ok {
			continue // a folder or a link
		}
		digest, _, _ = bytes.Cut(digest, []byte(" "))
		var sum [sha256.Size]byte
		if len(digest) != 2*len(sum) {
			return errors.New("mtree: invalid digest")
		}
		if _, err := hex.Decode(sum[:], digest); err != nil {
			return fmt.Errorf("mtree: invalid digest: %w", err)
		}
		file(unescape(name[2:]), sum)
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("mtree: %w", err)
	}
	if rest.N == 0 {
		return fmt.Errorf("mtree: more than %d bytes", limit)
	}
	return nil
}

// unescape replaces the escapes of mtree in place: a backslash and three octal digits.
func unescape(name []byte) []byte {
	if bytes.IndexByte(name, '\\') < 0 {
		return name
	}
	out := name[:0]
	for i := 0; i < len(name); i++ {
		if name[i] == '\\' && i+3 < len(name) && octal(name[i+1]) && octal(name[i+2]) && octal(name[i+3]) {
			out = append(out, (name[i+1]-'0')<<6|(name[i+2]-'0')<<3|(name[i+3]-'0'))
			i += 3
			continue
		}
		out = append(out, name[i])
	}
	return out
}

func octal(c byte) bool { return '0' <= c && c <= '7' }

// ReadFiles calls file with the path of each file in a list of files. The path is relative to
// the root and is valid only during the call. Folders, whose paths end with a slash, are left
// out.
func ReadFiles(r io.Reader, file func(path []byte)) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	in := false
	for s.Scan() {
		line := s.Bytes()
		switch {
		case len(line) == 0:
			in = false
		case bytes.Equal(line, []byte("%FILES%")):
			in = true
		case in && line[len(line)-1] != '/':
			file(line)
		}
	}
	return s.Err()
}
