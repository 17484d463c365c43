package sqlite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"iter"

	"assay/service/store"
	"assay/service/store/encode"
)

const (
	newestList = `SELECT digest, published FROM list WHERE kind = ? ORDER BY seq DESC LIMIT 1`
	addList    = `INSERT INTO list (seq, kind, import, published, entries, digest, body, sum) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
)

// KeepList implements store.Lists. The same body makes no new version, even if it was
// published at another time.
func (s *Store) KeepList(ctx context.Context, im store.Import, l store.List) (changed bool, err error) {
	err = s.advisories.update(ctx, durable, func(tx transaction) error {
		if l.Kind == "" {
			return errors.New("a list has no kind")
		}
		x := &importer{tx: tx, im: im, list: true}
		if err := x.begin(); err != nil {
			return err
		}
		digest := sha256.Sum256(l.Body)
		var before []byte
		var published sql.NullInt64
		err := tx.row(newestList, []any{l.Kind}, &before, &published)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if changed = !bytes.Equal(before, digest[:]); changed {
			body, err := x.pack.Pack(l.Body)
			if err != nil {
				return err
			}
			x.got.Changed++
			seq := x.head.next()
			sum := listSum(seq, l.Kind, im.Origin.String(), nullMicro(l.Published), int64(l.Entries), body)
			_, err = tx.exec(addList, seq, l.Kind, x.number, nullMicro(l.Published), l.Entries, digest[:], body, sum)
			if err != nil {
				return err
			}
		}
		return x.end(ctx)
	})
	if err != nil {
		return false, fmt.Errorf("keep list %q from %q: %w", l.Kind, im.Origin, err)
	}
	return changed, nil
}

const listLists = `
	SELECT l.seq, l.kind, f.name, l.published, l.entries, l.body, l.digest, l.sum
	FROM list l
	JOIN import i ON i.n = l.import
	JOIN feed f ON f.n = i.feed
	WHERE l.seq > ?1 AND l.seq <= ?2
	AND NOT EXISTS (SELECT 1 FROM list m WHERE m.kind = l.kind AND m.seq > l.seq AND m.seq <= ?2)
	ORDER BY l.seq`

// Lists implements store.Lists.
func (s *Store) Lists(ctx context.Context, after, upTo int64) iter.Seq2[store.List, error] {
	return func(yield func(store.List, error) bool) {
		var u encode.Unpacker
		err := s.advisories.read.rows(ctx, listLists, []any{after, upTo}, func(rows *sql.Rows) (bool, error) {
			var l store.List
			var published sql.NullInt64
			var body, digest sql.RawBytes
			var sum sql.NullInt64
			err := rows.Scan(&l.Seq, &l.Kind, &l.Source, &published, &l.Entries, &body, &digest, &sum)
			if err != nil {
				return false, err
			}
			l.Published = fromNull(published)
			if err := checkSum(sum, listSum(l.Seq, l.Kind, l.Source, published, int64(l.Entries), body)); err != nil {
				return false, fmt.Errorf("list %q, version %d: %w", l.Kind, l.Seq, err)
			}
			if l.Body, err = u.Unpack(body); err != nil {
				return false, fmt.Errorf("list %q, version %d: %w: %w", l.Kind, l.Seq, store.ErrDamaged, err)
			}
			if err := encode.CheckDigest(digest, l.Body); err != nil {
				return false, fmt.Errorf("list %q, version %d: %w", l.Kind, l.Seq, err)
			}
			return yield(l, nil), nil
		})
		if err != nil {
			yield(store.List{}, fmt.Errorf("read lists after %d: %w", after, err))
		}
	}
}
