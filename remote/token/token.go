// Package token makes and checks the tokens with which assay authenticates. A token is
// "assay_", 32 random base62 characters, and a checksum of 6 more. The checksum is not
// secret. With it assay detects a token that was mistyped or truncated before it uses the
// network.
package token

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
)

const (
	prefix   = "assay_"
	alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	random   = 32 // characters, 190 bits
	checksum = 6  // characters, room for 35 bits

	// Length is the length of a token in bytes.
	Length = len(prefix) + random + checksum
)

// New makes a token from random bytes. rand is crypto/rand.Reader except in tests.
func New(rand io.Reader) (secret string, err error) {
	// Bytes of 248 and more would make the first characters of the alphabet more likely
	// than the others, so they are skipped. That is one byte in 32. A source that returns
	// nothing else is broken.
	const fair, attempts = 248, 64
	body := make([]byte, 0, Length)
	body = append(body, prefix...)
	var buf [random]byte
	for range attempts {
		if _, err := io.ReadFull(rand, buf[:]); err != nil {
			return "", fmt.Errorf("make a token: %w", err)
		}
		for _, b := range buf {
			if b < fair && len(body) < len(prefix)+random {
				body = append(body, alphabet[int(b)%len(alphabet)])
			}
		}
		if len(body) == len(prefix)+random {
			return string(append(body, sum(body)...)), nil
		}
	}
	return "", errors.New("make a token: the random source gives no usable bytes")
}

// Derive returns a token that is derived from secret for one purpose. The same secret and
// purpose always give the same token, and the token reveals nothing about the secret. It is
// HKDF-SHA256 (RFC 5869) with the purpose as info.
func Derive(secret, purpose string) (string, error) {
	const attempts = 8 // of New, which skips one byte in 32 on average
	stream, err := hkdf.Key(sha256.New, []byte(secret), nil, purpose, attempts*random)
	if err != nil {
		return "", fmt.Errorf("derive a token: %w", err)
	}
	return New(bytes.NewReader(stream))
}

// sum returns the CRC-32 (IEEE) of body in base62, most significant digit first.
func sum(body []byte) []byte {
	digits := make([]byte, checksum)
	rest := crc32.ChecksumIEEE(body)
	for i := range digits {
		digits[checksum-1-i] = alphabet[rest%uint32(len(alphabet))]
		rest /= uint32(len(alphabet))
	}
	return digits
}

// Check reports whether s has the form of a token. It does not know whether a service
// accepts it. Every error is a Problem.
func Check(s string) error {
	switch {
	case s == "":
		return Empty
	case strings.HasPrefix(s, "$") || strings.Contains(s, "${"):
		return Literal
	case !strings.HasPrefix(s, prefix):
		return Foreign
	case len(s) < Length:
		return Truncated
	case len(s) > Length:
		return TooLong
	}
	body := s[:Length-checksum]
	for i := len(prefix); i < len(body); i++ {
		if strings.IndexByte(alphabet, body[i]) < 0 {
			return Mistyped
		}
	}
	if s[len(body):] != string(sum([]byte(body))) {
		return Mistyped
	}
	return nil
}

// Hash returns what a service stores of a token. A plain SHA-256 is enough for a secret of
// 190 random bits.
func Hash(s string) [sha256.Size]byte { return sha256.Sum256([]byte(s)) }
