package sqlite

import (
	"database/sql"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"assay/service/store"
	"assay/service/store/encode"
)

// SQLite does not detect a flipped bit in a value. Therefore every row on which an answer
// depends has a checksum over its values and the names that it refers to. It is checked
// whenever the row is read.

func versionSum(seq int64, id string, from store.Origin, modified int64, fixes, body []byte) int64 {
	return new(encode.Sum).Numbers(seq, modified).Text(id, from.Source, from.Part, string(fixes)).Bytes(body).Int64()
}

func listSum(seq int64, kind, from string, published sql.NullInt64, entries int64, body []byte) int64 {
	return new(encode.Sum).Numbers(seq, entries).Numbers(nullNumber(published)...).Text(kind, from).Bytes(body).Int64()
}

func (h *head) sum() int64 {
	return new(encode.Sum).Numbers(h.seq, h.records, h.updated, h.newest, int64(boolean(h.sample))).Int64()
}

func nullNumber(n sql.NullInt64) []int64 {
	if !n.Valid {
		return []int64{0, 0}
	}
	return []int64{1, n.Int64}
}

func tokenSum(id, name, scopes, project string, created int64, expires, revoked sql.NullInt64) int64 {
	return new(encode.Sum).Text(id, name, scopes, project).Numbers(created).Numbers(nullNumber(expires)...).Numbers(nullNumber(revoked)...).Int64()
}

// derivedSum of a token without scopes is that of earlier versions.
func derivedSum(hash []byte, parent string, expires int64, scopes string) int64 {
	sum := new(encode.Sum).Bytes(hash).Text(parent).Numbers(expires)
	if scopes != "" {
		sum = sum.Text(scopes)
	}
	return sum.Int64()
}

func eventSum(e store.Event, at int64) int64 {
	return new(encode.Sum).Text(e.Actor, e.Action, e.Object, e.Project, e.Detail).Numbers(e.N, at, int64(boolean(e.Refused))).Int64()
}

func scanSum(k store.Scan, at int64) int64 {
	return new(encode.Sum).Text(k.ID, k.Token, k.Key, k.Project, k.Ref, k.Commit, k.Snapshot).Numbers(at, k.Seq).Int64()
}

func snapshotSum(id string, seq int64) int64 {
	return new(encode.Sum).Text(id).Numbers(seq).Int64()
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

func checkSum(kept sql.NullInt64, sum int64) error {
	if kept.Valid && kept.Int64 != sum {
		return encode.ErrSum
	}
	return nil
}

// damaged wraps the errors by which SQLite reports a damaged file in store.ErrDamaged.
func damaged(err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok && !errors.Is(err, store.ErrDamaged) {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return fmt.Errorf("%w: %w", store.ErrDamaged, err)
		}
	}
	return err
}
