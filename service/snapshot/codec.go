package snapshot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"assay/service/advisory"
)

// A value is a little-endian CRC-32C over its key and its content, and then the content:
// unsigned varints, and strings as length and bytes. The checksum prevents that a flipped
// bit in a version changes an answer.

const sumSize = 4

var errShort = errors.New("value is truncated")

// checksum uses the polynomial that processors have instructions for.
func checksum(key, content []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(key, table), table, content)
}

// checkValue returns the content of a value, which is still part of the file.
func checkValue(key, value []byte) ([]byte, error) {
	if len(value) < sumSize {
		return nil, fmt.Errorf("%w: key %q: %w", ErrDamaged, key, errShort)
	}
	content := value[sumSize:]
	if binary.LittleEndian.Uint32(value) != checksum(key, content) {
		return nil, fmt.Errorf("%w: key %q: checksum does not match", ErrDamaged, key)
	}
	return content, nil
}

// seal sets the checksum of a value that began with newValue.
func seal(key, value []byte) []byte {
	binary.LittleEndian.PutUint32(value, checksum(key, value[sumSize:]))
	return value
}

func newValue(size int) []byte { return make([]byte, sumSize, sumSize+size) }

func appendUint(b []byte, n int) []byte { return binary.AppendUvarint(b, uint64(n)) }

func appendString(b []byte, s string) []byte { return append(appendUint(b, len(s)), s...) }

func appendStrings(b []byte, list []string) []byte {
	b = appendUint(b, len(list))
	for _, s := range list {
		b = appendString(b, s)
	}
	return b
}

func appendTime(b []byte, t time.Time) []byte {
	b = binary.AppendVarint(b, t.Unix())
	return appendUint(b, t.Nanosecond())
}

func appendSeverities(b []byte, list []advisory.Severity) []byte {
	b = appendUint(b, len(list))
	for _, s := range list {
		b = appendString(appendString(b, s.Type), s.Score)
	}
	return b
}

func appendRatings(b []byte, list []advisory.Rating) []byte {
	b = appendUint(b, len(list))
	for _, r := range list {
		b = appendString(appendString(b, r.By), r.Org)
		b = appendString(appendString(b, r.Type), r.Score)
	}
	return b
}

// A reader parses a content. After the first error it returns zeros. It reads a copy in Go's
// heap, so that its results may be kept after the view is closed.
type reader struct {
	s   string
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.s = ""
}

func (r *reader) uint64() uint64 {
	if len(r.s) > 0 && r.s[0] < 0x80 {
		n := uint64(r.s[0])
		r.s = r.s[1:]
		return n
	}
	var n uint64
	for i := range min(len(r.s), binary.MaxVarintLen64) {
		c := r.s[i]
		if i == binary.MaxVarintLen64-1 && c > 1 {
			break
		}
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.s = r.s[i+1:]
			return n
		}
	}
	r.fail(errShort)
	return 0
}

// int returns a number of at most limit.
func (r *reader) int(limit int) int {
	n := r.uint64()
	if n > uint64(limit) {
		r.fail(fmt.Errorf("%d is out of bounds", n))
		return 0
	}
	return int(n)
}

// count returns the number of elements that follow. Each has at least one byte, which bounds
// what a damaged count allocates.
func (r *reader) count() int { return r.int(len(r.s)) }

func (r *reader) bytes(n int) string {
	if n > len(r.s) {
		r.fail(errShort)
		return ""
	}
	s := r.s[:n]
	r.s = r.s[n:]
	return s
}

func (r *reader) string() string { return r.bytes(r.count()) }

func (r *reader) strings() []string {
	return list(r, r.string)
}

func (r *reader) severities() []advisory.Severity {
	return list(r, func() advisory.Severity { return advisory.Severity{Type: r.string(), Score: r.string()} })
}

func (r *reader) ratings() []advisory.Rating {
	return list(r, func() advisory.Rating {
		return advisory.Rating{By: r.string(), Org: r.string(), Severity: advisory.Severity{Type: r.string(), Score: r.string()}}
	})
}

// list reads a count and that many elements. An empty list is nil.
func list[T any](r *reader, element func() T) []T {
	n := r.count()
	if n == 0 {
		return nil
	}
	l := make([]T, n)
	for i := range l {
		l[i] = element()
	}
	return l
}

func (r *reader) time() time.Time {
	u := r.uint64()
	sec := int64(u>>1) ^ -int64(u&1) // zigzag, as binary.AppendVarint writes
	return time.Unix(sec, int64(r.int(1e9-1))).UTC()
}

// end returns the error in the content of key, if any.
func (r *reader) end(key []byte) error {
	if r.err == nil && r.s != "" {
		r.err = errors.New("value is too long")
	}
	if r.err != nil {
		return fmt.Errorf("%w: key %q: %w", ErrDamaged, key, r.err)
	}
	return nil
}
