package postgres

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/service/store"
	"assay/service/store/encode"
)

const (
	newestList = `SELECT digest FROM list WHERE kind = $1 ORDER BY seq DESC LIMIT 1`
	addList    = `INSERT INTO list (seq, kind, import, published, entries, digest, body, sum) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
)

// KeepList implements store.Lists. An unchanged body does not make a new version, even if
// its time of publication differs.
func (s *Store) KeepList(ctx context.Context, im store.Import, l store.List) (changed bool, err error) {
	return s.keepListAs(ctx, nil, im, l)
}

func (s *Store) keepListAs(ctx context.Context, lead *lead, im store.Import, l store.List) (changed bool, err error) {
	err = s.update(ctx, func(tx transaction) error {
		if l.Kind == "" {
			return errors.New("a list has no kind")
		}
		x := &importer{tx: tx, im: im, list: true}
		if err := x.begin(); err != nil {
			return err
		}
		digest := sha256.Sum256(l.Body)
		var before []byte
		if err := tx.row(newestList, []any{l.Kind}, &before); err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if changed = !bytes.Equal(before, digest[:]); changed {
			var pack encode.Packer
			body, err := pack.Pack(l.Body)
			if err != nil {
				return err
			}
			x.got.Changed++
			x.head.seq++
			l.Seq = x.head.seq
			_, err = tx.exec(addList, l.Seq, l.Kind, x.number, orNull(l.Published), l.Entries, digest[:], body,
				listSum(l, im.Origin.String(), body))
			if err != nil {
				return err
			}
		}
		return x.end(lead)
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
	WHERE l.seq > $1 AND l.seq <= $2
	AND NOT EXISTS (SELECT 1 FROM list m WHERE m.kind = l.kind AND m.seq > l.seq AND m.seq <= $2)
	ORDER BY l.seq`

// Lists implements store.Lists. There is one list of each kind, so all of them are read
// at once.
func (s *Store) Lists(ctx context.Context, after, upTo int64) iter.Seq2[store.List, error] {
	return func(yield func(store.List, error) bool) {
		var u encode.Unpacker
		var lists []store.List
		err := s.rows(ctx, slowTime, listLists, []any{after, upTo}, func(rows pgx.Rows) error {
			l, err := scanList(rows, &u)
			lists = append(lists, l)
			return err
		})
		if err != nil {
			yield(store.List{}, fmt.Errorf("read lists after %d: %w", after, err))
			return
		}
		for _, l := range lists {
			if !yield(l, nil) {
				return
			}
		}
	}
}

func scanList(rows pgx.Rows, u *encode.Unpacker) (store.List, error) {
	var l store.List
	var published *time.Time
	var body, digest []byte
	var sum int64
	if err := rows.Scan(&l.Seq, &l.Kind, &l.Source, &published, &l.Entries, &body, &digest, &sum); err != nil {
		return store.List{}, err
	}
	l.Published = timeOf(published)
	err := checkSum(sum, listSum(l, l.Source, body))
	if err == nil {
		if l.Body, err = u.Unpack(body); err != nil {
			err = fmt.Errorf("%w: %w", store.ErrDamaged, err)
		}
	}
	if err == nil {
		err = encode.CheckDigest(digest, l.Body)
	}
	if err != nil {
		return store.List{}, fmt.Errorf("list %q, version %d: %w", l.Kind, l.Seq, err)
	}
	return l, nil
}
