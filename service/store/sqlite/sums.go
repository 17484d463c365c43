package sqlite

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"assay/service/store"
)

// SQLite does not notice a flipped bit in a value. So what answers depend on has a
// checksum over the row and the names that it refers to, which is checked whenever
// it is read.

// A rowSum is the CRC-32C of values, each with its length.
type rowSum struct{ sum uint32 }

func (s *rowSum) bytes(b []byte) *rowSum {
	var size [9]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(b)))
	if b == nil {
		size[8] = 1 // null is not empty
	}
	s.sum = crc32.Update(crc32.Update(s.sum, castagnoli, size[:]), castagnoli, b)
	return s
}

func (s *rowSum) text(list ...string) *rowSum {
	for _, t := range list {
		s.bytes([]byte(t))
	}
	return s
}

func (s *rowSum) numbers(list ...int64) *rowSum {
	var b [8]byte
	for _, n := range list {
		binary.BigEndian.PutUint64(b[:], uint64(n))
		s.bytes(b[:])
	}
	return s
}

func versionSum(seq int64, id string, from store.Origin, modified int64, fixes, body []byte) int64 {
	return int64(new(rowSum).numbers(seq, modified).text(id, from.Source, from.Part, string(fixes)).bytes(body).sum)
}

func listSum(seq int64, kind, from string, published sql.NullInt64, entries int64, body []byte) int64 {
	return int64(new(rowSum).numbers(seq, entries).numbers(nullNumber(published)...).text(kind, from).bytes(body).sum)
}

func (h *head) sum() int64 {
	return int64(new(rowSum).numbers(h.seq, h.records, h.updated, h.newest, int64(boolean(h.sample))).sum)
}

func nullNumber(n sql.NullInt64) []int64 {
	if !n.Valid {
		return []int64{0, 0}
	}
	return []int64{1, n.Int64}
}

func tokenSum(id, name, scopes, project string, created int64, expires, revoked sql.NullInt64) int64 {
	return int64(new(rowSum).text(id, name, scopes, project).numbers(created).numbers(nullNumber(expires)...).numbers(nullNumber(revoked)...).sum)
}

func derivedSum(hash []byte, parent string, expires int64) int64 {
	return int64(new(rowSum).bytes(hash).text(parent).numbers(expires).sum)
}

func scanSum(k store.Scan, at int64) int64 {
	return int64(new(rowSum).text(k.ID, k.Token, k.Key, k.Project, k.Ref, k.Commit, k.Snapshot).numbers(at, k.Seq).sum)
}

func snapshotSum(id string, seq int64) int64 {
	return int64(new(rowSum).text(id).numbers(seq).sum)
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// errSum says that a row is not what was written.
var errSum = fmt.Errorf("%w: checksum does not match", store.ErrDamaged)

func checkSum(kept sql.NullInt64, sum int64) error {
	if kept.Valid && kept.Int64 != sum {
		return errSum
	}
	return nil
}

// checkDigest holds a body against its SHA-256, where that is known.
func checkDigest(digest, body []byte) error {
	if sum := sha256.Sum256(body); digest != nil && !bytes.Equal(digest, sum[:]) {
		return fmt.Errorf("%w: digest does not match", store.ErrDamaged)
	}
	return nil
}

// damaged makes store.ErrDamaged of what SQLite says of a file that makes no sense.
func damaged(err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok && !errors.Is(err, store.ErrDamaged) {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return fmt.Errorf("%w: %w", store.ErrDamaged, err)
		}
	}
	return err
}
