package store

import (
	"encoding/base32"
	"fmt"
	"io"
	"strings"
)

// NewID returns an id of 16 characters, a to z and 2 to 7, from 80 bits of random,
// which is crypto/rand.Reader except in tests. An id needs no escaping in a URL and
// cannot be guessed.
func NewID(random io.Reader) (string, error) {
	var b [10]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:])), nil
}
