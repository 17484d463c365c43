package encode

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"assay/service/store"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// CRC returns the CRC-32C of b.
func CRC(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// A Sum is the CRC-32C of the values of a row, each preceded by its length. The zero
// Sum is ready to use.
type Sum struct{ crc uint32 }

// Bytes adds a value. Nil differs from empty.
func (s *Sum) Bytes(b []byte) *Sum {
	var size [9]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(b)))
	if b == nil {
		size[8] = 1
	}
	s.crc = crc32.Update(crc32.Update(s.crc, castagnoli, size[:]), castagnoli, b)
	return s
}

// Text adds values.
func (s *Sum) Text(list ...string) *Sum {
	for _, t := range list {
		s.Bytes([]byte(t))
	}
	return s
}

// Numbers adds values.
func (s *Sum) Numbers(list ...int64) *Sum {
	var b [8]byte
	for _, n := range list {
		binary.BigEndian.PutUint64(b[:], uint64(n))
		s.Bytes(b[:])
	}
	return s
}

// Int64 returns the checksum as databases store it.
func (s *Sum) Int64() int64 { return int64(s.crc) }

// ErrSum is the error for a row that differs from what was written. It wraps
// store.ErrDamaged.
var ErrSum = fmt.Errorf("%w: checksum does not match", store.ErrDamaged)

// CheckDigest compares a body with its SHA-256 digest. A nil digest is unknown and
// matches. The error wraps store.ErrDamaged.
func CheckDigest(digest, body []byte) error {
	if sum := sha256.Sum256(body); digest != nil && !bytes.Equal(digest, sum[:]) {
		return fmt.Errorf("%w: digest does not match", store.ErrDamaged)
	}
	return nil
}
