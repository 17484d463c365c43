// Package token makes and checks the tokens that assay authenticates with:
// "assay_", 32 random base62 characters, and a checksum of 6 more. The
// checksum lets a token that was mistyped, cut short or never expanded be told
// apart before any network is used; it is no secret.
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

// New makes a token out of random bytes; rand is crypto/rand.Reader but in tests.
func New(rand io.Reader) (secret string, err error) {
	// Bytes from 248 up would make the first characters of the alphabet more
	// likely than the others. One in 32 is thrown away, so a source that gives
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

// Derive returns the token that belongs to secret for one purpose. The same secret
// and purpose always give the same token, which tells nothing about the secret:
// it is HKDF-SHA256 (RFC 5869) with the purpose as info.
func Derive(secret, purpose string) (string, error) {
	const attempts = 8 // of New: one in 32 bytes is unusable, never half of them
	stream, err := hkdf.Key(sha256.New, []byte(secret), nil, purpose, attempts*random)
	if err != nil {
		return "", fmt.Errorf("derive a token: %w", err)
	}
	return New(bytes.NewReader(stream))
}

// sum is the CRC-32 (IEEE) of body in base62, its most significant digit first.
func sum(body []byte) []byte {
	digits := make([]byte, checksum)
	rest := crc32.ChecksumIEEE(body)
	for i := range digits {
		digits[checksum-1-i] = alphabet[rest%uint32(len(alphabet))]
		rest /= uint32(len(alphabet))
	}
	return digits
}

// Check reports whether s has the form of a token; nil says nothing about
// whether a service knows it. Every error is a Problem.
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

// Hash returns what a service keeps of a token. A plain SHA-256 is enough for
// a secret of 190 random bits.
func Hash(s string) [sha256.Size]byte { return sha256.Sum256([]byte(s)) }
