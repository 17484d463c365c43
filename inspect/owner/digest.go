package owner

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"strings"
)

// A sum is a full digest.
type sum struct {
	new   func() hash.Hash
	value []byte
}

func (s sum) Hash() hash.Hash         { return s.new() }
func (s sum) Equal(value []byte) bool { return bytes.Equal(s.value, value) }

// parseSum parses a digest like "sha256:…". It returns nil if the digest is invalid or
// its algorithm is unknown.
func parseSum(text string) digest {
	algorithm, value, _ := strings.Cut(text, ":")
	s := sum{new: hashOf(algorithm)}
	if s.new == nil {
		return nil
	}
	var err error
	if s.value, err = hex.DecodeString(value); err != nil || len(s.value) != s.new().Size() {
		return nil
	}
	return s
}

func hashOf(algorithm string) func() hash.Hash {
	switch algorithm {
	case "md5":
		return md5.New
	case "sha1":
		return sha1.New
	case "sha224":
		return sha256.New224
	case "sha256":
		return sha256.New
	case "sha384":
		return sha512.New384
	case "sha512":
		return sha512.New
	case "sha3-256":
		return func() hash.Hash { return sha3.New256() }
	case "sha3-512":
		return func() hash.Hash { return sha3.New512() }
	}
	return nil
}
