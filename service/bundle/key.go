package bundle

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Keys are one line of text: a prefix, and the key in base64.
const (
	publicPrefix  = "assay-bundle-public-1:"
	privatePrefix = "assay-bundle-private-1:"
	maxKeyFile    = 4 << 10
)

// CreateKey makes a pair of keys. It writes the private key to path, which must not exist,
// and returns the public key.
func CreateKey(path string) (public string, err error) {
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(privatePrefix + base64.StdEncoding.EncodeToString(private.Seed()) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(path))
	}
	return publicPrefix + base64.StdEncoding.EncodeToString(pub), nil
}

// ReadPrivateKey reads a private key from a file. No error has the key in it.
func ReadPrivateKey(path string) (ed25519.PrivateKey, error) {
	text, err := readKeyFile(path)
	if err != nil {
		return nil, err
	}
	seed, ok := decodeKey(text, privatePrefix, ed25519.SeedSize)
	if !ok {
		return nil, fmt.Errorf("%q does not have a private key for bundles", path)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// ParsePublicKey parses a public key, or reads it from a file with that name.
func ParsePublicKey(keyOrPath string) (ed25519.PublicKey, error) {
	text := keyOrPath
	if !strings.HasPrefix(text, publicPrefix) {
		var err error
		if text, err = readKeyFile(keyOrPath); err != nil {
			return nil, err
		}
	}
	key, ok := decodeKey(text, publicPrefix, ed25519.PublicKeySize)
	if !ok {
		return nil, fmt.Errorf("not a public key for bundles, which begins with %q", publicPrefix)
	}
	return key, nil
}

func readKeyFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	return strings.TrimSpace(string(b)), errors.Join(err, f.Close())
}

func decodeKey(text, prefix string, size int) ([]byte, bool) {
	text, ok := strings.CutPrefix(text, prefix)
	key, err := base64.StdEncoding.DecodeString(text)
	return key, ok && err == nil && len(key) == size
}
