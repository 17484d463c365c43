package apk

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash"
)

// A File is a file or a link that a package installed.
type File struct {
	// Package is the name of the package, as in the inventory.
	Package string
	// Path is relative to the root, without a leading slash. It is valid only during
	// the call that receives the File.
	Path []byte
	// Digest is the digest of the content when it was installed. For a symbolic link it
	// is the digest of the link's target path.
	Digest Digest
}

// A Digest shows whether a file is still as it was installed. It is SHA-1 or, since
// apk-tools 3, SHA-256, either in full or its first 20 bytes. The zero Digest, of a
// file without a digest in the database, equals nothing.
type Digest struct {
	sum    [sha256.Size]byte
	size   int
	sha256 bool
}

// Known reports whether the database has a digest of the file.
func (d Digest) Known() bool { return d.size > 0 }

// Hash returns a new hash of the digest's algorithm.
func (d Digest) Hash() hash.Hash {
	if d.sha256 {
		return sha256.New()
	}
	return sha1.New()
}

// Equal reports whether sum, a result of Hash, matches the digest.
func (d Digest) Equal(sum []byte) bool {
	return d.Known() && len(sum) >= d.size && bytes.Equal(sum[:d.size], d.sum[:d.size])
}

var errDigest = errors.New("invalid digest (Z)")

// parseDigest parses the value of a Z line: Q1 and SHA-1, or Q2 and SHA-256, in base64.
// cut says that the package's 20-byte digests are of SHA-256, although they begin with
// Q1.
func parseDigest(value []byte, cut bool) (Digest, error) {
	text, ok := bytes.CutPrefix(value, []byte("Q1"))
	if !ok {
		if text, ok = bytes.CutPrefix(value, []byte("Q2")); !ok {
			return Digest{}, errDigest
		}
	}
	var buf [2 * sha256.Size]byte
	if base64.StdEncoding.DecodedLen(len(text)) > len(buf) {
		return Digest{}, errDigest
	}
	n, err := base64.StdEncoding.Decode(buf[:], text)
	whole := n == sha256.Size // early versions of apk-tools 3 wrote Q1 here as well
	if err != nil || !whole && (n != sha1.Size || value[1] != '1') {
		return Digest{}, errDigest
	}
	d := Digest{size: n, sha256: cut || whole}
	copy(d.sum[:], buf[:n])
	return d, nil
}
