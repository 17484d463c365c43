package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"assay/service/store"
	"assay/service/store/encode"
)

// Repair copies what can be read of a damaged database in the folder dir to a new one,
// and replaces it. The damaged file is kept under another name, which Repair reports. An
// intact database is not changed. No process may have the store open.
//
// Rows with a wrong checksum are dropped. An origin that lost records is marked as failed,
// and its state is cleared, so that the next update fetches all of it.
func Repair(ctx context.Context, dir string, at time.Time, report func(line string)) error {
	for _, name := range []string{"advisories", "ledger"} {
		if err := repair(ctx, dir, name, at, report); err != nil {
			return fmt.Errorf("repair %q: %w", name+".db", err)
		}
	}
	return nil
}

func repair(ctx context.Context, dir, name string, at time.Time, report func(string)) error {
	path := filepath.Join(dir, name+".db")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	problem, err := firstProblem(ctx, dir, name)
	if err != nil {
		return err
	}
	if problem == "" {
		report(name + ".db is intact")
		return nil
	}
	report(fmt.Sprintf("%s.db is damaged: %s", name, problem))
	fresh, err := os.MkdirTemp(dir, "repair-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(fresh)
	st, err := Open(fresh)
	if err != nil {
		return err
	}
	s := &salvage{ctx: ctx, at: at, report: report, name: name}
	err = s.copy(st, path)
	if err = errors.Join(err, st.Close()); err != nil {
		return err
	}
	// The journal belongs to the damaged file.
	kept := fmt.Sprintf("%s.damaged-%s", path, at.UTC().Format("20060102T150405Z"))
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Rename(path+suffix, kept+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	// A link, so that there is always a database at path, even if this is interrupted.
	if err := os.Link(path, kept); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(fresh, name+".db"), path); err != nil {
		return err
	}
	report(fmt.Sprintf("the damaged file is kept as %s", filepath.Base(kept)))
	return nil
}

// firstProblem returns a problem of one database, or an empty string if it is intact.
func firstProblem(ctx context.Context, dir, name string) (string, error) {
	s := &Store{dir: dir, pieces: newPieces()}
	d, err := s.open(name, time.Second, 1<<10)
	if errors.Is(err, store.ErrDamaged) {
		return err.Error(), nil
	}
	if err != nil {
		return "", err
	}
	defer d.close()
	found, err := d.pragma(ctx, "integrity_check(1)")
	if len(found) > 0 {
		return found[0], nil
	}
	if errors.Is(err, store.ErrDamaged) {
		return err.Error(), nil
	}
	if err != nil {
		return "", err
	}
	if err := d.checkReferences(ctx); err != nil {
		return err.Error(), nil
	}
	check := s.verifyAdvisories
	if s.advisories = d; name == "ledger" {
		s.state, s.advisories, check = d, nil, s.verifyState
	}
	problem := ""
	err = check(ctx, func(err error) {
		if problem == "" {
			problem = err.Error()
		}
	})
	if err != nil && problem == "" {
		problem = err.Error()
	}
	return problem, ctx.Err()
}

// A salvage copies rows of a damaged database to a new one.
type salvage struct {
	ctx    context.Context
	at     time.Time
	report func(string)
	name   string
}

func (s *salvage) copy(to *Store, path string) error {
	d := to.advisories
	if s.name == "ledger" {
		d = to.state
	}
	old, err := sql.Open("sqlite", dataSource(path, time.Second, "query_only(1)"))
	if err != nil {
		return err
	}
	defer old.Close()
	if _, err := d.conn.ExecContext(s.ctx, "PRAGMA foreign_keys = OFF"); err != nil {
		return err
	}
	if s.name == "ledger" { // the settings of a new store are not those of this one
		if _, err := d.conn.ExecContext(s.ctx, "DELETE FROM setting"); err != nil {
			return err
		}
	}
	tables, err := textsOf(s.ctx, d.conn, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
	if err != nil {
		return err
	}
	for _, table := range tables {
		if err := s.table(d, old, table); err != nil {
			return fmt.Errorf("table %q: %w", table, err)
		}
	}
	if s.name == "ledger" {
		return s.repairState(to)
	}
	return s.repairAdvisories(to)
}

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func textsOf(ctx context.Context, q querier, query string, args ...any) ([]string, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var t string
		if err := rows.Scan(&t); err != nil {
			return list, err
		}
		list = append(list, t)
	}
	return list, rows.Err()
}

// table copies the rows that can be read: from the first on to where reading fails,
// and from the last back to there.
func (s *salvage) table(d *database, old *sql.DB, table string) error {
	columns, err := textsOf(s.ctx, d.conn, "SELECT name FROM pragma_table_info(?)", table)
	if err != nil {
		return err
	}
	list := strings.Join(columns, ", ")
	insert := fmt.Sprintf("INSERT OR IGNORE INTO %s (%s) VALUES (?%s)", table, list, strings.Repeat(", ?", len(columns)-1))
	lost := 0
	run := func(query string, args ...any) (last int64, whole bool) {
		last = math.MinInt64
		rows, err := old.QueryContext(s.ctx, query, args...)
		if err != nil {
			return last, false
		}
		defer rows.Close()
		values := make([]any, len(columns)+1)
		dest := make([]any, len(values))
		for i := range values {
			dest[i] = &values[i]
		}
		for rows.Next() {
			if rows.Scan(dest...) != nil {
				return last, false
			}
			last, _ = values[0].(int64)
			res, err := d.conn.ExecContext(s.ctx, insert, values[1:]...)
			if err != nil { // a value has the wrong type
				lost++
				continue
			}
			if n, err := res.RowsAffected(); err == nil && n == 0 {
				lost++
			}
		}
		return last, rows.Err() == nil
	}
	last, whole := run(fmt.Sprintf("SELECT rowid, %s FROM %s NOT INDEXED ORDER BY rowid", list, table))
	if !whole && s.ctx.Err() == nil {
		run(fmt.Sprintf("SELECT rowid, %s FROM %s NOT INDEXED WHERE rowid > ? ORDER BY rowid DESC", list, table), last)
		s.report(fmt.Sprintf("%s.db: part of the table %q cannot be read", s.name, table))
	}
	if lost > 0 {
		s.report(fmt.Sprintf("%s.db: %d invalid rows of the table %q were dropped", s.name, lost, table))
	}
	return s.ctx.Err()
}

// repairAdvisories drops versions whose checksum does not match, and makes the other
// tables agree with what is left.
func (s *salvage) repairAdvisories(to *Store) error {
	var bad []int64
	var u encode.Unpacker
	err := to.advisories.read.rows(s.ctx, everyVersion, nil, func(rows *sql.Rows) (bool, error) {
		if r, err := scanRecord(rows, &u); err != nil {
			bad = append(bad, r.Seq)
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	return to.advisories.update(s.ctx, durable, func(tx transaction) error {
		r := &advisoryRepair{salvage: s, tx: tx}
		for _, step := range []func() error{
			func() error { return r.dropVersions(bad) },
			r.dropOrphans,
			r.setCurrent,
			r.setHead,
			r.markFeeds,
		} {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	})
}

// An advisoryRepair is the transaction that repairs the advisories.
type advisoryRepair struct {
	*salvage
	tx      transaction
	feeds   []int64 // that lost records
	dropped int64   // versions
}

// lost adds the feeds that a query returns to those that lost records.
func (r *advisoryRepair) lost(query string, args ...any) error {
	return r.tx.stmts.rows(r.ctx, query, args, func(rows *sql.Rows) (bool, error) {
		var n sql.NullInt64
		if err := rows.Scan(&n); err != nil {
			return false, err
		}
		if n.Valid && !slices.Contains(r.feeds, n.Int64) {
			r.feeds = append(r.feeds, n.Int64)
		}
		return true, nil
	})
}

const everyFeed = `SELECT n FROM feed`

func (r *advisoryRepair) exec(queries ...string) error {
	for _, q := range queries {
		if _, err := r.tx.exec(q); err != nil {
			return err
		}
	}
	return nil
}

func (r *advisoryRepair) dropVersions(bad []int64) error {
	for _, seq := range bad {
		if err := r.lost(`SELECT feed FROM advisory WHERE n = (SELECT advisory FROM version WHERE seq = ?)`, seq); err != nil {
			return err
		}
		if _, err := r.tx.exec(dropVersion, seq); err != nil {
			return err
		}
	}
	r.dropped = int64(len(bad))
	return nil
}

// dropOrphans drops rows that refer to a row that does not exist.
func (r *advisoryRepair) dropOrphans() error {
	err := r.exec(
		`DELETE FROM feed WHERE source IS NULL OR source NOT IN (SELECT n FROM source)`,
		`DELETE FROM advisory WHERE feed NOT IN (SELECT n FROM feed) OR source NOT IN (SELECT n FROM source)`,
		`DELETE FROM import WHERE feed NOT IN (SELECT n FROM feed)`)
	if err != nil {
		return err
	}
	const orphans = `FROM version WHERE advisory NOT IN (SELECT n FROM advisory) OR import NOT IN (SELECT n FROM import)`
	var n int64
	if err := r.tx.row(`SELECT count(*) `+orphans, nil, &n); err != nil {
		return err
	}
	r.dropped += n
	if n > 0 { // they may be of any feed
		if err := r.lost(everyFeed); err != nil {
			return err
		}
	}
	return r.exec(`DELETE `+orphans, `DELETE FROM list WHERE import NOT IN (SELECT n FROM import)`)
}

// setCurrent makes the newest version that is left the current one of each advisory.
func (r *advisoryRepair) setCurrent() error {
	const current = `(SELECT v.seq FROM version v WHERE v.advisory = advisory.n ORDER BY v.seq DESC LIMIT 1)`
	if err := r.lost(`SELECT feed FROM advisory WHERE seq IS NOT ` + current); err != nil {
		return err
	}
	return r.exec(
		`DELETE FROM advisory WHERE n NOT IN (SELECT advisory FROM version)`,
		// The digest of an earlier version is not stored. With a digest of zeros the next
		// import replaces it.
		`UPDATE advisory SET digest = CASE WHEN (SELECT body FROM version WHERE seq = `+current+`) IS NULL THEN NULL ELSE zeroblob(32) END,
			seq = `+current+` WHERE seq IS NOT `+current+` OR (digest IS NULL) <> ((SELECT body FROM version WHERE seq = `+current+`) IS NULL)`)
}

// setHead counts the records again, and gives the data a new sequence number: no
// snapshot can be brought up to date from an earlier one.
func (r *advisoryRepair) setHead() error {
	var h head
	if err := h.read(r.ctx, r.tx.stmts); err != nil { // damaged or missing: the data counts as infinitely old
		h = head{}
		if err := r.lost(everyFeed); err != nil {
			return err
		}
	}
	var version, list, advisories int64
	if err := r.tx.row(countAdvisories, nil, &advisories, &version, &list, new(int64), new(int64)); err != nil {
		return err
	}
	gone := h.records - advisories
	h.records, h.seq = advisories, max(h.seq, version, list)+1
	if err := r.tx.stmts.row(r.ctx, maxModified, nil, &h.newest); err != nil {
		return err
	}
	if err := h.write(r.tx); err != nil {
		return err
	}
	if gone <= 0 && r.dropped == 0 {
		return nil
	}
	r.report(fmt.Sprintf("advisories.db: %d versions were dropped, and %d records are gone", r.dropped, max(gone, 0)))
	if len(r.feeds) == 0 {
		return r.lost(everyFeed)
	}
	return nil
}

// markFeeds marks the feeds that lost records as failed, and makes them read
// everything again.
func (r *advisoryRepair) markFeeds() error {
	for _, n := range r.feeds {
		var name string
		if err := r.tx.row(`SELECT name FROM feed WHERE n = ?`, []any{n}, &name); errors.Is(err, sql.ErrNoRows) {
			continue
		} else if err != nil {
			return err
		}
		_, err := r.tx.exec(`UPDATE feed SET state = CASE WHEN state IS NULL THEN NULL ELSE '{"repaired":true}' END, failed = ?, error = ? WHERE n = ?`,
			toMicro(r.at), "records were lost in a repair: fetch or import them again", n)
		if err != nil {
			return err
		}
		r.report(fmt.Sprintf("%s must be fetched or imported again", name))
	}
	return nil
}

const findTokenByID = `SELECT ` + tokenColumns + ` FROM token WHERE id = ?`

// repairState drops the tokens, scans and events that cannot be read. Where the time to keep
// scans for was lost, scans are kept for ever.
func (s *salvage) repairState(to *Store) error {
	var bad []string
	ids, err := textsOf(s.ctx, to.state.conn, everyScan)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := to.Scan(s.ctx, id); err != nil {
			bad = append(bad, id)
		}
	}
	names, err := textsOf(s.ctx, to.state.conn, `SELECT id FROM token ORDER BY created, id`)
	if err != nil {
		return err
	}
	var events []int64
	if err := to.verifyEvents(s.ctx, func(n int64, _ error) { events = append(events, n) }); err != nil {
		return err
	}
	if len(events) > 0 {
		s.report(fmt.Sprintf("ledger.db: %d damaged events of the audit trail were dropped", len(events)))
	}
	dropped := 0
	err = to.state.update(s.ctx, durable, func(tx transaction) error {
		for _, id := range names {
			if _, err := queryTokens(tx.ctx, tx.stmts, findTokenByID, id); err == nil {
				continue
			}
			dropped++
			s.report(fmt.Sprintf("ledger.db: token %q is damaged and was dropped: create another", id))
			for _, q := range []string{`DELETE FROM derived WHERE parent = ?`, `DELETE FROM token WHERE id = ?`} {
				if _, err := tx.exec(q, id); err != nil {
					return err
				}
			}
		}
		for _, n := range events {
			if _, err := tx.exec(dropEvent, n); err != nil {
				return err
			}
		}
		for _, id := range bad {
			if _, err := tx.exec(`DELETE FROM scan WHERE id = ?`, id); err != nil {
				return err
			}
		}
		if _, err := tx.exec(`DELETE FROM derived WHERE parent NOT IN (SELECT id FROM token)`); err != nil {
			return err
		}
		// Without it, no scan that is left says when it used a piece.
		_, err := tx.exec(`INSERT OR IGNORE INTO setting SELECT 'pieces_since', CAST((SELECT coalesce(max(at), 0) FROM scan) AS TEXT)`)
		return err
	})
	if err != nil {
		return err
	}
	s.report(fmt.Sprintf("ledger.db: %d tokens and %d scans were kept, %d tokens and %d scans were dropped",
		len(names)-dropped, len(ids)-len(bad), dropped, len(bad)))
	return nil
}
