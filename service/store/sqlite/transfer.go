package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"assay/service/store"
	"assay/service/store/encode"
)

// A tableSQL says how the rows of a store.Table are read and written. Kinds has a letter
// for each column: i a number, b a boolean, s text, y bytes, t a time, l a list of texts;
// upper-case where it may be null.
type tableSQL struct {
	state bool // in the database of state, else that of advisories
	key   string
	kinds string
	read  string // without its condition, which begins with AND
	write string
	table string
}

// Settings that are about this store and are not copied.
const ownSettings = `('copying', 'pieces_since', 'pruned')`

// usedHead is true once something was imported: a store may have the row before.
const usedHead = `(seq > 0 OR updated <> 0)`

var tableSQLs = map[store.Table]tableSQL{
	store.TableSource: {false, "n", "is", `SELECT n, name FROM source WHERE true`,
		`INSERT INTO source (n, name) VALUES (?, ?) ON CONFLICT (n) DO UPDATE SET name = excluded.name`, "source"},
	store.TableFeed: {false, "n", "isisSTTS", `SELECT n, name, source, part, state, succeeded, failed, error FROM feed WHERE true`,
		`INSERT OR REPLACE INTO feed (n, name, source, part, state, succeeded, failed, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, "feed"},
	store.TableImport: {false, "n", "iitbbiiiii", `SELECT n, feed, at, whole, sample, added, changed, unchanged, removed, rejected FROM import WHERE true`,
		`INSERT INTO import (n, feed, at, whole, sample, added, changed, unchanged, removed, rejected) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`, "import"},
	store.TableAdvisory: {false, "n", "isiiitY", `SELECT n, id, source, feed, seq, modified, digest FROM advisory WHERE true`,
		`INSERT OR REPLACE INTO advisory (n, id, source, feed, seq, modified, digest) VALUES (?, ?, ?, ?, ?, ?, ?)`, "advisory"},
	store.TableVersion: {false, "v.seq", "iiityYsss", `SELECT v.seq, v.advisory, v.import, v.modified, v.fixes, v.body, a.id, s.name, f.part
		FROM version v JOIN advisory a ON a.n = v.advisory JOIN import i ON i.n = v.import JOIN feed f ON f.n = i.feed JOIN source s ON s.n = f.source WHERE true`,
		`INSERT INTO version (seq, advisory, import, modified, fixes, body, sum) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`, "version v"},
	store.TableList: {false, "l.seq", "isiTiyys", `SELECT l.seq, l.kind, l.import, l.published, l.entries, l.digest, l.body, f.name
		FROM list l JOIN import i ON i.n = l.import JOIN feed f ON f.n = i.feed WHERE true`,
		`INSERT INTO list (seq, kind, import, published, entries, digest, body, sum) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`, "list l"},
	store.TableHead: {false, "one", "iiiTTb", `SELECT one, seq, records, nullif(updated, 0), CASE records WHEN 0 THEN NULL ELSE newest END, sample FROM head WHERE ` + usedHead,
		`INSERT OR REPLACE INTO head (one, seq, records, updated, newest, sample, sum) VALUES (?, ?, ?, ?, ?, ?, ?)`, "head"},
	store.TableSnapshot: {true, "id", "si", `SELECT id, seq FROM snapshot WHERE true`,
		`INSERT OR REPLACE INTO snapshot (id, seq, sum) VALUES (?, ?, ?)`, "snapshot"},
	store.TableToken: {true, "id", "sysLstTTT", `SELECT id, hash, name, scopes, project, created, expires, revoked, used FROM token WHERE true`,
		`INSERT INTO token (id, hash, name, scopes, project, created, expires, revoked, used, sum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, name = excluded.name, scopes = excluded.scopes, project = excluded.project,
		created = excluded.created, expires = excluded.expires, revoked = excluded.revoked, used = excluded.used, sum = excluded.sum`, "token"},
	store.TableDerived: {true, "hash", "ystL", `SELECT hash, parent, expires, scopes FROM derived WHERE true`,
		`INSERT OR REPLACE INTO derived (hash, parent, expires, scopes, sum) VALUES (?, ?, ?, ?, ?)`, "derived"},
	store.TableEvent: {true, "n", "itsssssb", `SELECT n, at, actor, action, object, project, detail, refused FROM event WHERE true`,
		`INSERT OR REPLACE INTO event (n, at, actor, action, object, project, detail, refused, sum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, "event"},
	store.TableSetting: {true, "name", "ss", `SELECT name, value FROM setting WHERE name NOT IN ` + ownSettings,
		`INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)`, "setting"},
	store.TableFile: {true, "name", "sty", `SELECT name, modified, body FROM file WHERE true`,
		`INSERT OR REPLACE INTO file (name, modified, body) VALUES (?, ?, ?)`, "file"},
	store.TableScan: {true, "scan.n", "istsssssiyyI", `SELECT scan.n, scan.id, scan.at, scan.token, scan.key, scan.project, scan.ref, scan.commit_id, scan.snapshot, scan.seq,
		request.hash, request.body, request.size, scan.verdict, scan.size FROM scan JOIN request ON request.n = scan.request WHERE true`,
		`INSERT INTO scan (n, id, at, token, key, project, ref, commit_id, snapshot, seq, verdict, request, size, sum, request_sum, passed, outcome)
		SELECT ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, n, ?13, ?14, ?15, ?16, ?17 FROM request WHERE hash = ?1 ON CONFLICT (n) DO NOTHING`, "scan"},
}

func (s *Store) database(t tableSQL) *database {
	if t.state {
		return s.state
	}
	return s.advisories
}

// DumpRows implements store.Transfer.
func (s *Store) DumpRows(ctx context.Context, t store.Table, after any, limit int) ([]store.Row, error) {
	q := tableSQLs[t]
	if after == nil {
		switch q.kinds[0] {
		case 'i':
			after = int64(-1) // numbers are positive
		case 'y':
			after = []byte{}
		default:
			after = ""
		}
	}
	return s.dump(ctx, t, q.read+" AND "+q.key+" > ? ORDER BY "+q.key+" LIMIT ?", after, limit)
}

// RowAt implements store.Transfer.
func (s *Store) RowAt(ctx context.Context, t store.Table, key any) (store.Row, error) {
	q := tableSQLs[t]
	rows, err := s.dump(ctx, t, q.read+" AND "+q.key+" = ?", key)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0], nil
}

func (s *Store) dump(ctx context.Context, t store.Table, query string, args ...any) ([]store.Row, error) {
	q := tableSQLs[t]
	var list []store.Row
	err := s.database(q).read.rows(ctx, query, args, func(rows *sql.Rows) (bool, error) {
		row, err := readRow(rows)
		if err == nil && t == store.TableScan {
			row, err = s.readScan(ctx, row)
		} else if err == nil {
			err = fromSQLite(q.kinds, row)
		}
		list = append(list, row)
		return true, err
	})
	if err != nil {
		return nil, fmt.Errorf("read table %q: %w", t, err)
	}
	return list, nil
}

func readRow(rows *sql.Rows) (store.Row, error) {
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	row := make(store.Row, len(columns))
	dest := make([]any, len(row))
	for i := range row {
		dest[i] = &row[i]
	}
	return row, rows.Scan(dest...)
}

// fromSQLite makes the values of a row those of store.Row.
func fromSQLite(kinds string, row store.Row) error {
	for i, kind := range kinds {
		if row[i] == nil {
			continue
		}
		switch kind {
		case 'y':
			if row[i].([]byte) == nil { // what the driver returns for an empty blob
				row[i] = []byte{}
			}
		case 'b':
			row[i] = row[i].(int64) != 0
		case 't', 'T':
			row[i] = fromMicro(row[i].(int64))
		case 'L':
			var list []string
			if err := json.Unmarshal([]byte(row[i].(string)), &list); err != nil {
				return err
			}
			if row[i] = list; list == nil {
				row[i] = nil
			}
		}
	}
	return nil
}

// readScan unpacks a row of a scan: its verdict is whole.
func (s *Store) readScan(ctx context.Context, row store.Row) (store.Row, error) {
	packed := row[13].([]byte)
	size, _ := row[14].(int64)
	verdict, err := s.verdict(ctx, packed, size)
	if err != nil {
		return nil, fmt.Errorf("verdict of scan %q: %w", row[1], err)
	}
	if row[12] == nil { // of a request from an earlier version
		_, request, err := encode.UnpackDocument(row[11].([]byte))
		if err != nil {
			return nil, fmt.Errorf("request of scan %q: %w", row[1], err)
		}
		row[12] = int64(len(request))
	}
	row[2], row[13] = fromMicro(row[2].(int64)), verdict
	return row[:14], nil
}

// LoadRows implements store.Transfer.
func (s *Store) LoadRows(ctx context.Context, t store.Table, rows []store.Row) error {
	q := tableSQLs[t]
	write := func(tx transaction, row store.Row) error {
		args, err := toSQLite(t, row)
		if err == nil {
			_, err = tx.exec(q.write, args...)
		}
		return err
	}
	if t == store.TableScan {
		write = s.loadScan
	}
	err := s.database(q).update(ctx, durable, func(tx transaction) error {
		for _, row := range rows {
			if err := write(tx, row); err != nil {
				return fmt.Errorf("row %v: %w", row[0], err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write table %q: %w", t, err)
	}
	return nil
}

// toSQLite returns the values of a row as SQLite keeps them, and its checksum where
// rows of the table have one.
func toSQLite(t store.Table, row store.Row) ([]any, error) {
	args := make([]any, len(row), len(row)+1)
	for i, value := range row {
		switch v := value.(type) {
		case time.Time:
			value = toMicro(v)
		case bool:
			value = boolean(v)
		case []string:
			b, err := json.Marshal(v)
			if err != nil {
				return nil, err
			}
			value = string(b)
		}
		args[i] = value
	}
	micro := func(i int) sql.NullInt64 {
		at, ok := row[i].(time.Time)
		return sql.NullInt64{Int64: toMicro(at), Valid: ok}
	}
	number := func(i int) int64 { n, _ := row[i].(int64); return n }
	text := func(i int) string { s, _ := row[i].(string); return s }
	blob := func(i int) []byte { b, _ := row[i].([]byte); return b }
	switch t {
	case store.TableVersion:
		sum := versionSum(number(0), text(6), store.Origin{Source: text(7), Part: text(8)}, micro(3).Int64, blob(4), blob(5))
		args = append(args[:6], sum)
	case store.TableList:
		args = append(args[:7], listSum(number(0), text(1), text(7), micro(3), number(4), blob(6)))
	case store.TableHead:
		h := head{seq: number(1), records: number(2), sample: row[5] == true}
		if row[3] != nil {
			h.updated = micro(3).Int64
		}
		if row[4] != nil {
			h.newest = micro(4).Int64
		}
		args[3], args[4] = h.updated, h.newest
		args = append(args, h.sum())
	case store.TableSnapshot:
		args = append(args, snapshotSum(text(0), number(1)))
	case store.TableToken:
		if args[3] == nil {
			args[3] = "null"
		}
		args = append(args, tokenSum(text(0), text(2), args[3].(string), text(4), micro(5).Int64, micro(6), micro(7)))
	case store.TableDerived:
		scopes, _ := args[3].(string)
		args = append(args, derivedSum(blob(0), text(1), micro(2).Int64, scopes))
	case store.TableEvent:
		e := store.Event{N: number(0), Actor: text(2), Action: text(3), Object: text(4), Project: text(5), Detail: text(6), Refused: row[7] == true}
		args = append(args, eventSum(e, micro(1).Int64))
	}
	return args, nil
}

// loadScan keeps a scan as KeepScan does, under its number.
func (s *Store) loadScan(tx transaction, row store.Row) error {
	verdict, at := row[13].([]byte), row[2].(time.Time)
	head, pieces, tail := s.pieces.of(verdict)
	if err := tx.use(pieces, dayOf(at)); err != nil {
		return err
	}
	packed := encode.PackDocument(encode.FormFrame, nil, appendFrame(nil, verdict, head, pieces, tail))
	hash := row[10].([]byte)
	if _, err := tx.exec(addRequest, hash, row[11], row[12]); err != nil {
		return err
	}
	k := store.Scan{ID: row[1].(string), Token: row[3].(string), Key: row[4].(string), Project: row[5].(string), Ref: row[6].(string),
		Commit: row[7].(string), Snapshot: row[8].(string), Seq: row[9].(int64)}
	_, err := tx.exec(tableSQLs[store.TableScan].write, hash, row[0], k.ID, toMicro(at), k.Token, k.Key, k.Project, k.Ref, k.Commit, k.Snapshot, k.Seq,
		packed, len(verdict), scanSum(k, toMicro(at)), new(encode.Sum).Bytes(hash).Int64(), boolean(encode.Passed(verdict)), encode.Outcome(verdict))
	if err == nil {
		s.pieces.remember(pieces)
	}
	return err
}

// RemoveRows implements store.Transfer.
func (s *Store) RemoveRows(ctx context.Context, t store.Table, keys []any) error {
	q := tableSQLs[t]
	column := q.key[strings.IndexByte(q.key, '.')+1:]
	err := s.database(q).update(ctx, durable, func(tx transaction) error {
		for _, key := range keys {
			if _, err := tx.exec("DELETE FROM "+string(t)+" WHERE "+column+" = ?", key); err != nil {
				return err
			}
		}
		if t == store.TableScan {
			_, err := tx.exec(`DELETE FROM request WHERE NOT EXISTS (SELECT 1 FROM scan WHERE scan.request = request.n)`)
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
	if err := s.database(q).read.row(ctx, "SELECT count(*), max("+q.key+") FROM "+q.table+where, nil, &n, &last); err != nil {
		return 0, nil, fmt.Errorf("count table %q: %w", t, err)
	}
	return n, last, nil
}

// BeginCopy implements store.Transfer.
func (s *Store) BeginCopy(ctx context.Context, state string) error {
	return s.state.update(ctx, durable, func(tx transaction) error {
		_, err := tx.exec(`INSERT OR REPLACE INTO setting (name, value) VALUES ('copying', ?)`, state)
		if err == nil { // what the source keeps is copied
			_, err = tx.exec(`DELETE FROM setting WHERE name NOT IN ` + ownSettings)
		}
		return err
	})
}

// EndCopy implements store.Transfer.
func (s *Store) EndCopy(ctx context.Context) error {
	return s.state.update(ctx, durable, func(tx transaction) error {
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
