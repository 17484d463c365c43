package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/service/store"
	"assay/service/store/encode"
)

// A tableSQL says how the rows of a store.Table are read and written.
type tableSQL struct {
	key     string
	textKey bool
	byteKey bool
	read    string // without its condition, which begins with AND
	write   string
	from    string // for counting
}

// ownSettings are about this store and are not copied.
const ownSettings = `('copying', 'pruned')`

// usedHead is true if something was imported. The row always exists.
const usedHead = `(seq > 0 OR updated IS NOT NULL)`

var tableSQLs = map[store.Table]tableSQL{
	store.TableSource: {key: "n", from: "source", read: `SELECT n, name FROM source WHERE true`,
		write: `INSERT INTO source (n, name) VALUES ($1, $2) ON CONFLICT (n) DO UPDATE SET name = excluded.name`},
	store.TableFeed: {key: "n", from: "feed", read: `SELECT n, name, source, part, state, succeeded, failed, error FROM feed WHERE true`,
		write: `INSERT INTO feed (n, name, source, part, state, succeeded, failed, error) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (n) DO UPDATE SET name = excluded.name, source = excluded.source, part = excluded.part, state = excluded.state,
		succeeded = excluded.succeeded, failed = excluded.failed, error = excluded.error`},
	store.TableImport: {key: "n", from: "import", read: `SELECT n, feed, at, whole, sample, added, changed, unchanged, removed, rejected FROM import WHERE true`,
		write: `INSERT INTO import (n, feed, at, whole, sample, added, changed, unchanged, removed, rejected) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`},
	store.TableAdvisory: {key: "n", from: "advisory", read: `SELECT n, id, source, feed, seq, modified, digest FROM advisory WHERE true`,
		write: `INSERT INTO advisory (n, id, source, feed, seq, modified, digest) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (n) DO UPDATE SET id = excluded.id, source = excluded.source, feed = excluded.feed, seq = excluded.seq,
		modified = excluded.modified, digest = excluded.digest`},
	store.TableVersion: {key: "v.seq", from: "version v", read: `SELECT v.seq, v.advisory, v.import, v.modified, v.fixes, v.body, a.id, s.name, f.part
		FROM version v JOIN advisory a ON a.n = v.advisory JOIN import i ON i.n = v.import JOIN feed f ON f.n = i.feed JOIN source s ON s.n = f.source WHERE true`,
		write: `INSERT INTO version (seq, advisory, import, modified, fixes, body, sum) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`},
	store.TableList: {key: "l.seq", from: "list l", read: `SELECT l.seq, l.kind, l.import, l.published, l.entries, l.digest, l.body, f.name
		FROM list l JOIN import i ON i.n = l.import JOIN feed f ON f.n = i.feed WHERE true`,
		write: `INSERT INTO list (seq, kind, import, published, entries, digest, body, sum) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`},
	store.TableHead: {key: "one::int", from: "head", read: `SELECT one::int, seq, records, updated, newest, sample FROM head WHERE ` + usedHead,
		write: `INSERT INTO head (one, seq, records, updated, newest, sample) VALUES ($1::bigint = 1, $2, $3, $4, $5, $6)
		ON CONFLICT (one) DO UPDATE SET seq = excluded.seq, records = excluded.records, updated = excluded.updated, newest = excluded.newest, sample = excluded.sample`},
	store.TableSnapshot: {key: "id", textKey: true, from: "snapshot", read: `SELECT id, seq FROM snapshot WHERE true`,
		write: `INSERT INTO snapshot (id, seq) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET seq = excluded.seq`},
	store.TableToken: {key: "id", textKey: true, from: "token", read: `SELECT id, hash, name, scopes, project, created, expires, revoked, used FROM token WHERE true`,
		write: `INSERT INTO token (id, hash, name, scopes, project, created, expires, revoked, used) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, name = excluded.name, scopes = excluded.scopes, project = excluded.project,
		created = excluded.created, expires = excluded.expires, revoked = excluded.revoked, used = excluded.used`},
	store.TableDerived: {key: "hash", byteKey: true, from: "derived", read: `SELECT hash, parent, expires, scopes FROM derived WHERE true`,
		write: `INSERT INTO derived (hash, parent, expires, scopes) VALUES ($1, $2, $3, $4)
		ON CONFLICT (hash) DO UPDATE SET parent = excluded.parent, expires = excluded.expires, scopes = excluded.scopes`},
	store.TableEvent: {key: "n", from: "event", read: `SELECT n, at, actor, action, object, project, detail, refused FROM event WHERE true`,
		write: `INSERT INTO event (n, at, actor, action, object, project, detail, refused) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (n) DO UPDATE SET at = excluded.at, actor = excluded.actor, action = excluded.action, object = excluded.object,
		project = excluded.project, detail = excluded.detail, refused = excluded.refused`},
	store.TableSetting: {key: "name", textKey: true, from: "setting", read: `SELECT name, value FROM setting WHERE name NOT IN ` + ownSettings,
		write: `INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`},
	store.TableFile: {key: "name", textKey: true, from: "file", read: `SELECT name, modified, body FROM file WHERE true`,
		write: `INSERT INTO file (name, modified, body) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET modified = excluded.modified, body = excluded.body`},
	store.TableScan: {key: "scan.n", from: "scan", read: `SELECT scan.n, scan.id, scan.at, scan.token, scan.key, scan.project, scan.ref, scan.commit_id, scan.snapshot, scan.seq,
		request.hash, request.body, request.size, scan.verdict FROM scan JOIN request ON request.hash = scan.request WHERE true`,
		write: `INSERT INTO scan (n, id, at, token, key, project, ref, commit_id, snapshot, seq, request, verdict, size, passed, outcome)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT (n) DO NOTHING`},
}

// DumpRows implements store.Transfer.
func (s *Store) DumpRows(ctx context.Context, t store.Table, after any, limit int) ([]store.Row, error) {
	q := tableSQLs[t]
	if after == nil {
		switch {
		case q.textKey:
			after = ""
		case q.byteKey:
			after = []byte{}
		default:
			after = int64(-1) // numbers are positive
		}
	}
	return s.dump(ctx, t, q.read+" AND "+q.key+" > $1 ORDER BY "+q.key+" LIMIT $2", after, limit)
}

// RowAt implements store.Transfer.
func (s *Store) RowAt(ctx context.Context, t store.Table, key any) (store.Row, error) {
	q := tableSQLs[t]
	rows, err := s.dump(ctx, t, q.read+" AND "+q.key+" = $1", key)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0], nil
}

func (s *Store) dump(ctx context.Context, t store.Table, query string, args ...any) ([]store.Row, error) {
	var list []store.Row
	err := s.rows(ctx, slowTime, query, args, func(rows pgx.Rows) error {
		values, err := rows.Values()
		if err != nil {
			return err
		}
		row := store.Row(values)
		for i, value := range row {
			row[i] = fromPostgres(value)
		}
		if t == store.TableScan {
			if row[13], err = document(row[13].([]byte)); err != nil {
				return fmt.Errorf("verdict of scan %q: %w", row[1], err)
			}
		}
		list = append(list, row)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read table %q: %w", t, err)
	}
	return list, nil
}

// fromPostgres converts a value for a store.Row.
func fromPostgres(value any) any {
	switch v := value.(type) {
	case int32:
		return int64(v)
	case time.Time:
		return v.UTC()
	case []any:
		list := make([]string, 0, len(v))
		for _, text := range v {
			list = append(list, text.(string))
		}
		return list
	}
	return value
}

// LoadRows implements store.Transfer.
func (s *Store) LoadRows(ctx context.Context, t store.Table, rows []store.Row) error {
	q := tableSQLs[t]
	err := s.update(ctx, func(tx transaction) error {
		var batch pgx.Batch
		for _, row := range rows {
			args := toPostgres(t, row)
			if t == store.TableScan {
				batch.Queue(addRequest, row[10], row[11], row[12])
			}
			batch.Queue(q.write, args...)
		}
		limited, cancel := context.WithTimeout(ctx, slowTime)
		defer cancel()
		return failed(ctx, tx.tx.SendBatch(limited, &batch).Close())
	})
	if err != nil {
		return fmt.Errorf("write table %q: %w", t, err)
	}
	return nil
}

// toPostgres returns the values of a row as PostgreSQL stores them, and its checksum if
// rows of the table have one. Texts of another store may contain characters that
// PostgreSQL rejects.
func toPostgres(t store.Table, row store.Row) []any {
	row = slices.Clone(row)
	for i, value := range row {
		if s, ok := value.(string); ok {
			row[i] = text(s)
			if t == store.TableScan {
				row[i] = label(s)
			}
		}
	}
	return sealed(t, row)
}

// sealed adds the checksum, and packs a verdict.
func sealed(t store.Table, row store.Row) []any {
	number := func(i int) int64 { n, _ := row[i].(int64); return n }
	text := func(i int) string { s, _ := row[i].(string); return s }
	blob := func(i int) []byte { b, _ := row[i].([]byte); return b }
	at := func(i int) time.Time { t, _ := row[i].(time.Time); return t }
	switch t {
	case store.TableVersion:
		sum := versionSum(text(6), store.Origin{Source: text(7), Part: text(8)}, at(3), blob(4), bodySum(blob(5)))
		return append(row[:6:6], sum)
	case store.TableList:
		l := store.List{Seq: number(0), Kind: text(1), Published: at(3), Entries: int(number(4))}
		return append(row[:7:7], listSum(l, text(7), blob(6)))
	case store.TableScan:
		verdict := blob(13)
		return append(row[:11:11], encode.PackDocument(encode.FormWhole, nil, verdict), len(verdict), encode.Passed(verdict), encode.Outcome(verdict))
	}
	return row
}

// RemoveRows implements store.Transfer.
func (s *Store) RemoveRows(ctx context.Context, t store.Table, keys []any) error {
	key := tableSQLs[t].key
	column := key[strings.IndexByte(key, '.')+1:]
	err := s.update(ctx, func(tx transaction) error {
		for _, key := range keys {
			if _, err := tx.exec("DELETE FROM "+string(t)+" WHERE "+column+" = $1", key); err != nil {
				return err
			}
		}
		if t == store.TableScan {
			_, err := tx.exec(`DELETE FROM request r WHERE NOT EXISTS (SELECT 1 FROM scan s WHERE s.request = r.hash)`)
			return err
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove rows of table %q: %w", t, err)
	}
	return nil
}

// CountRows implements store.Transfer.
func (s *Store) CountRows(ctx context.Context, t store.Table) (n int64, last any, err error) {
	q := tableSQLs[t]
	where := ""
	switch t {
	case store.TableSetting:
		where = " WHERE name NOT IN " + ownSettings
	case store.TableHead:
		where = " WHERE " + usedHead
	}
	greatest := "max(" + q.key + ")"
	if q.byteKey { // there is no max for bytea
		greatest = "(SELECT " + q.key + " FROM " + q.from + " ORDER BY 1 DESC LIMIT 1)"
	}
	err = s.rows(ctx, slowTime, "SELECT count(*), "+greatest+" FROM "+q.from+where, nil, func(rows pgx.Rows) error {
		values, err := rows.Values()
		if err == nil {
			n, last = values[0].(int64), fromPostgres(values[1])
		}
		return err
	})
	if err != nil {
		return 0, nil, fmt.Errorf("count table %q: %w", t, err)
	}
	return n, last, nil
}

// BeginCopy implements store.Transfer.
func (s *Store) BeginCopy(ctx context.Context, state string) error {
	return s.update(ctx, func(tx transaction) error {
		_, err := tx.exec(`INSERT INTO setting (name, value) VALUES ('copying', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, state)
		if err == nil { // the setting of the source is copied instead
			_, err = tx.exec(`DELETE FROM setting WHERE name NOT IN ` + ownSettings)
		}
		return err
	})
}

// EndCopy implements store.Transfer. New numbers continue after the copied ones.
func (s *Store) EndCopy(ctx context.Context) error {
	return s.update(ctx, func(tx transaction) error {
		for _, sequence := range []string{"source", "feed", "import", "scan", "event"} {
			_, err := tx.exec(`SELECT setval(pg_get_serial_sequence('` + sequence + `', 'n'), (SELECT coalesce(max(n), 0) + 1 FROM ` + sequence + `), false)`)
			if err != nil {
				return err
			}
		}
		if _, err := tx.exec(`SELECT setval('advisory_n', (SELECT coalesce(max(n), 0) + 1 FROM advisory), false)`); err != nil {
			return err
		}
		_, err := tx.exec(`DELETE FROM setting WHERE name = 'copying'`)
		return err
	})
}

// Copying implements store.Transfer.
func (s *Store) Copying(ctx context.Context) (state string, err error) {
	if state, err = s.setting(ctx, "copying"); err != nil {
		return "", fmt.Errorf("read whether the store is an incomplete copy: %w", err)
	}
	return state, nil
}
