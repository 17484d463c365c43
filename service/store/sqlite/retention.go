package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"assay/service/store"
)

const (
	findSetting = `SELECT value FROM setting WHERE name = ?`

	// stepRows is how many rows one step removes: it takes a few milliseconds, for
	// which scans wait to be kept.
	stepRows = 200
	// stepPages is how many pages of 4 KiB one step gives back to the file system.
	stepPages = 1000
)

// setting returns the value of a setting, empty if it is not set.
func (s *Store) setting(ctx context.Context, name string) (value string, err error) {
	err = s.state.read.row(ctx, findSetting, []any{name}, &value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return value, err
}

// KeepTime implements store.Retention.
func (s *Store) KeepTime(ctx context.Context) (keep time.Duration, err error) {
	text, err := s.setting(ctx, "keep")
	if err == nil {
		keep, err = store.ParseKeepTime(text)
	}
	if err != nil {
		return 0, fmt.Errorf("read how long scans are kept: %w", err)
	}
	return keep, nil
}

const setSetting = `INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`

// LastPrune implements store.Retention.
func (s *Store) LastPrune(ctx context.Context) (last store.LastPrune, err error) {
	text, err := s.setting(ctx, "pruned")
	if err == nil {
		last, err = store.ParseLastPrune(text)
	}
	if err != nil {
		return last, fmt.Errorf("read when the store was last pruned: %w", err)
	}
	return last, nil
}

// NotePrune implements store.Retention.
func (s *Store) NotePrune(ctx context.Context, last store.LastPrune) error {
	err := s.state.update(ctx, quick, func(tx transaction) error {
		_, err := tx.exec(setSetting, "pruned", last.String())
		return err
	})
	if err != nil {
		return fmt.Errorf("note when the store was pruned: %w", err)
	}
	return nil
}

// A pruner is one call of Prune.
type pruner struct {
	*Store
	store.Prune
	done     store.Pruned
	answered store.Answered
}

// Prune implements store.Retention.
func (s *Store) Prune(ctx context.Context, p store.Prune) (store.Pruned, error) {
	if p.Keep <= 0 {
		return store.Pruned{}, fmt.Errorf("prune: invalid time %v to keep scans for", p.Keep)
	}
	x := &pruner{Store: s, Prune: p}
	steps := []func(context.Context) error{x.scans, x.pieces, x.readSeqs, x.snapshots, x.versions, x.lists, x.events, x.shrink}
	if p.DryRun {
		steps = []func(context.Context) error{x.countScans, x.readSeqs, x.snapshots, x.versions, x.lists, x.events}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return x.done, fmt.Errorf("prune: %w", err)
		}
	}
	return x.done, nil
}

// step runs one transaction on d, and lets others write. What the transaction did is added
// to the result once it is committed.
func (x *pruner) step(ctx context.Context, d *database, f func(transaction, *store.Pruned) error) error {
	begin := time.Now()
	done := x.done
	if err := d.update(ctx, quick, func(tx transaction) error { return f(tx, &done) }); err != nil {
		return err
	}
	x.done = done
	if x.Pause != nil {
		return x.Pause(ctx, time.Since(begin))
	}
	return ctx.Err()
}

// expired is true for a scan s to be removed: older than ?1, and neither the newest of its
// ref nor the newest that passed, unless older than ?2, too.
const expired = `(s.at < ?1 AND (s.at < ?2 OR EXISTS (
	SELECT 1 FROM scan w WHERE w.project = s.project AND w.ref = s.ref AND (w.at > s.at OR w.at = s.at AND w.n > s.n))
	AND (s.passed IS NOT 1 OR EXISTS (
	SELECT 1 FROM scan w WHERE w.project = s.project AND w.ref = s.ref AND w.passed = 1 AND (w.at > s.at OR w.at = s.at AND w.n > s.n)))))`

const (
	findExpired = `SELECT s.n, s.at, s.request FROM scan s
	WHERE ` + expired + ` AND (s.at > ?3 OR s.at = ?3 AND s.n > ?4) ORDER BY s.at, s.n LIMIT ?5`
	dropScan    = `DELETE FROM scan WHERE n = ?`
	dropRequest = `DELETE FROM request WHERE n = ?1 AND NOT EXISTS (SELECT 1 FROM scan WHERE request = ?1)`

	countExpired = `SELECT count(*) FROM scan s WHERE ` + expired
	countUnused  = `SELECT count(*) FROM request r WHERE NOT EXISTS (SELECT 1 FROM scan s WHERE s.request = r.n AND NOT ` + expired + `)`
)

func (x *pruner) scans(ctx context.Context) error {
	type row struct{ n, at, request int64 }
	var last row
	for more := true; more; {
		err := x.step(ctx, x.state, func(tx transaction, done *store.Pruned) error {
			var rows []row
			args := []any{toMicro(x.Before()), toMicro(x.NewestBefore()), last.at, last.n, stepRows}
			err := tx.stmts.rows(tx.ctx, findExpired, args, func(r *sql.Rows) (bool, error) {
				var found row
				err := r.Scan(&found.n, &found.at, &found.request)
				rows = append(rows, found)
				return true, err
			})
			if err != nil {
				return err
			}
			if more = len(rows) == stepRows; len(rows) > 0 {
				last = rows[len(rows)-1]
			}
			for _, r := range rows {
				if _, err := tx.exec(dropScan, r.n); err != nil {
					return err
				}
				n, err := tx.exec(dropRequest, r.request)
				if err != nil {
					return err
				}
				done.Inventories += int(n)
			}
			done.Scans += len(rows)
			return nil
		})
		if err != nil {
			return fmt.Errorf("scans: %w", err)
		}
	}
	return nil
}

func (x *pruner) countScans(ctx context.Context) error {
	args := []any{toMicro(x.Before()), toMicro(x.NewestBefore())}
	err := x.state.read.row(ctx, countExpired, args, &x.done.Scans)
	if err == nil {
		err = x.state.read.row(ctx, countUnused, args, &x.done.Inventories)
	}
	if err != nil {
		return fmt.Errorf("count scans: %w", err)
	}
	return nil
}

const (
	framesBefore = `SELECT at, n, verdict FROM scan WHERE at < ?1 AND (at > ?2 OR at = ?2 AND n > ?3) ORDER BY at, n LIMIT ?4`
	oldPieces    = `SELECT n FROM piece WHERE n > ?1 AND (used IS NULL OR used < ?2) ORDER BY n LIMIT ?3`
	dropPiece    = `DELETE FROM piece WHERE n = ?1 AND (used IS NULL OR used < ?2)`
)

// pieces removes the parts of verdicts that no scan refers to. A scan notes the day on
// which it refers to a piece. So a piece that was last used before the first scan that
// is kept for its age can only be part of scans older than that, which are few.
func (x *pruner) pieces(ctx context.Context) error {
	var since string
	if err := x.state.read.row(ctx, findSetting, []any{"pieces_since"}, &since); err != nil {
		return fmt.Errorf("read from which day on pieces have dates: %w", err)
	}
	sinceMicro, err := strconv.ParseInt(since, 10, 64)
	if err != nil {
		return fmt.Errorf("read from which day on pieces have dates: %w", err)
	}
	day := dayOf(x.Before()) - 1 // a day for clocks that differ
	older := toMicro(time.Unix(day*secondsOfDay, 0))
	if sinceMicro != 0 { // A process of an earlier version may have gone on for a while.
		older = max(older, sinceMicro+(30*secondsOfDay*time.Second).Microseconds())
	}
	needed, err := x.piecesBefore(ctx, older)
	if err != nil {
		return fmt.Errorf("read which pieces old scans have: %w", err)
	}
	var last int64
	for more := true; more; {
		err := x.step(ctx, x.state, func(tx transaction, done *store.Pruned) error {
			var found []int64
			err := tx.stmts.rows(tx.ctx, oldPieces, []any{last, day, stepRows}, func(r *sql.Rows) (bool, error) {
				var n int64
				err := r.Scan(&n)
				found = append(found, n)
				return true, err
			})
			if err != nil {
				return err
			}
			if more = len(found) == stepRows; len(found) > 0 {
				last = found[len(found)-1]
			}
			for _, n := range found {
				if needed[n] {
					continue
				}
				dropped, err := tx.exec(dropPiece, n, day)
				if err != nil {
					return err
				}
				done.Pieces += int(dropped)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("pieces: %w", err)
		}
	}
	return nil
}

// piecesBefore returns the numbers of the pieces that scans from before a time have.
func (x *pruner) piecesBefore(ctx context.Context, before int64) (map[int64]bool, error) {
	needed := map[int64]bool{}
	var at, n int64
	for {
		rows := 0
		err := x.state.read.rows(ctx, framesBefore, []any{before, at, n, stepRows}, func(r *sql.Rows) (bool, error) {
			var packed sql.RawBytes
			if err := r.Scan(&at, &n, &packed); err != nil {
				return false, err
			}
			rows++
			return true, piecesOf(packed, func(piece int64) { needed[piece] = true })
		})
		if err != nil || rows < stepRows {
			return needed, err
		}
	}
}

const (
	findSeqs = `WITH RECURSIVE next (seq) AS (
		SELECT min(seq) FROM scan UNION ALL SELECT (SELECT min(seq) FROM scan WHERE seq > next.seq) FROM next WHERE next.seq IS NOT NULL)
	SELECT seq FROM next WHERE seq IS NOT NULL`
	findKeptSeqs = `SELECT DISTINCT s.seq FROM scan s WHERE NOT ` + expired + ` ORDER BY s.seq`
)

// readSeqs reads which states of the data kept scans were answered with.
func (x *pruner) readSeqs(ctx context.Context) error {
	query, args := findSeqs, []any(nil)
	if x.DryRun {
		query, args = findKeptSeqs, []any{toMicro(x.Before()), toMicro(x.NewestBefore())}
	}
	err := x.state.read.rows(ctx, query, args, func(r *sql.Rows) (bool, error) {
		var seq int64
		err := r.Scan(&seq)
		x.answered = append(x.answered, seq)
		return true, err
	})
	if err != nil {
		return fmt.Errorf("read which data scans were answered with: %w", err)
	}
	return nil
}

const (
	lastVersion = `SELECT v.seq FROM version v JOIN import i ON i.n = v.import WHERE i.at < ?1 ORDER BY v.seq DESC LIMIT 1`
	lastList    = `SELECT l.seq FROM list l JOIN import i ON i.n = l.import WHERE i.at < ?1 ORDER BY l.seq DESC LIMIT 1`

	listSnapshots = `SELECT rowid, seq FROM snapshot WHERE rowid > ?1 AND seq < ?2 ORDER BY rowid LIMIT ?3`
	dropSnapshot  = `DELETE FROM snapshot WHERE rowid = ?`
)

// snapshots removes the IDs of snapshots that no scan was answered with. Those of the
// last day stay: a scan that is being answered refers to nothing yet.
func (x *pruner) snapshots(ctx context.Context) error {
	var current int64 // the last version of the day before
	for _, query := range []string{lastVersion, lastList} {
		var seq int64
		err := x.advisories.read.row(ctx, query, []any{toMicro(x.ReplacedBefore())}, &seq)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("snapshots: %w", err)
		}
		current = max(current, seq)
	}
	n, err := x.sweep(ctx, x.state, listSnapshots, []any{current}, dropSnapshot, func(r *sql.Rows) (int64, bool, error) {
		var row, seq int64
		err := r.Scan(&row, &seq)
		return row, !x.answered.Within(seq, seq+1), err
	})
	x.done.Snapshots = n
	if err != nil {
		return fmt.Errorf("snapshots: %w", err)
	}
	return nil
}

const (
	replacedVersions = `SELECT v.seq, w.seq FROM version v
	JOIN version w ON w.seq = (SELECT min(seq) FROM version WHERE advisory = v.advisory AND seq > v.seq)
	JOIN import i ON i.n = w.import WHERE v.seq > ?1 AND i.at < ?2 ORDER BY v.seq LIMIT ?3`
	dropReplaced  = `DELETE FROM version WHERE seq = ?`
	replacedLists = `SELECT l.seq, m.seq FROM list l
	JOIN list m ON m.seq = (SELECT min(seq) FROM list WHERE kind = l.kind AND seq > l.seq)
	JOIN import i ON i.n = m.import WHERE l.seq > ?1 AND i.at < ?2 ORDER BY l.seq LIMIT ?3`
	dropList = `DELETE FROM list WHERE seq = ?`
)

func (x *pruner) versions(ctx context.Context) (err error) {
	if x.done.Versions, err = x.sweep(ctx, x.advisories, replacedVersions, []any{toMicro(x.ReplacedBefore())}, dropReplaced, x.replaced); err != nil {
		return fmt.Errorf("versions of advisories: %w", err)
	}
	return nil
}

func (x *pruner) lists(ctx context.Context) (err error) {
	if x.done.Lists, err = x.sweep(ctx, x.advisories, replacedLists, []any{toMicro(x.ReplacedBefore())}, dropList, x.replaced); err != nil {
		return fmt.Errorf("versions of lists: %w", err)
	}
	return nil
}

const (
	oldEvents = `SELECT n FROM event WHERE n > ?1 AND at < ?2 ORDER BY n LIMIT ?3`
	dropEvent = `DELETE FROM event WHERE n = ?`
)

func (x *pruner) events(ctx context.Context) (err error) {
	x.done.Events, err = x.sweep(ctx, x.state, oldEvents, []any{toMicro(x.NewestBefore())}, dropEvent, func(r *sql.Rows) (n int64, drop bool, err error) {
		err = r.Scan(&n)
		return n, true, err
	})
	if err != nil {
		return fmt.Errorf("events of the audit trail: %w", err)
	}
	return nil
}

// replaced reads a version and the one that replaced it.
func (x *pruner) replaced(r *sql.Rows) (seq int64, drop bool, err error) {
	var next int64
	err = r.Scan(&seq, &next)
	return seq, !x.answered.Within(seq, next), err
}

// sweep reads rows with query, whose arguments are the number after which to go on,
// args, and a limit; read returns a row's number and whether it is to go. drop removes
// one by its number. The rows are read outside of the transactions: what a row says of
// itself does not change. It returns how many were removed, or would be.
func (x *pruner) sweep(ctx context.Context, d *database, query string, args []any, drop string, read func(*sql.Rows) (int64, bool, error)) (dropped int, err error) {
	last := int64(0)
	for more := true; more; {
		var rows int
		var going []int64
		err := d.read.rows(ctx, query, slices.Concat([]any{last}, args, []any{stepRows}), func(r *sql.Rows) (bool, error) {
			n, drop, err := read(r)
			rows, last = rows+1, n
			if drop {
				going = append(going, n)
			}
			return true, err
		})
		if err != nil {
			return dropped, err
		}
		more = rows == stepRows
		if dropped += len(going); x.DryRun || len(going) == 0 {
			continue
		}
		err = x.step(ctx, d, func(tx transaction, _ *store.Pruned) error {
			for _, n := range going {
				if _, err := tx.exec(drop, n); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return dropped - len(going), err
		}
	}
	return dropped, nil
}

// shrink gives free pages back to the file system, which only a file does that was made
// with auto_vacuum; in others they are used again.
func (x *pruner) shrink(ctx context.Context) error {
	for _, d := range []*database{x.advisories, x.state} {
		for {
			var mode, free int
			err := d.read.row(ctx, "SELECT (SELECT auto_vacuum FROM pragma_auto_vacuum), (SELECT freelist_count FROM pragma_freelist_count)", nil, &mode, &free)
			if err != nil {
				return fmt.Errorf("give back free pages: %w", err)
			}
			if mode == 0 || free < stepPages {
				break
			}
			err = x.step(ctx, d, func(tx transaction, _ *store.Pruned) error {
				_, err := d.conn.ExecContext(tx.ctx, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", stepPages))
				return err
			})
			if err != nil {
				return fmt.Errorf("give back free pages: %w", err)
			}
		}
	}
	return nil
}

// Usage implements store.Retention. What is free inside of the files is a kind of its own.
func (s *Store) Usage(ctx context.Context) ([]store.Usage, error) {
	// dbstat has a row for each table and index, named by the table in sqlite_schema.
	const query = `SELECT t.tbl_name, sum(b.pgsize) FROM dbstat b JOIN sqlite_schema t ON t.name = b.name WHERE b.aggregate = TRUE GROUP BY t.tbl_name`
	kinds := map[string]string{
		"version": "advisories", "advisory": "advisories", "list": "exploit catalogs",
		"scan": "scans", "request": "inventories", "piece": "parts of verdicts",
	}
	bytes := map[string]int64{}
	for _, d := range []*database{s.advisories, s.state} {
		err := d.read.rows(ctx, query, nil, func(r *sql.Rows) (bool, error) {
			var table string
			var n int64
			err := r.Scan(&table, &n)
			kind := kinds[table]
			if kind == "" {
				kind = "other"
			}
			bytes[kind] += n
			return true, err
		})
		var free int64
		if err == nil {
			err = d.read.row(ctx, "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size", nil, &free)
		}
		if err != nil {
			return nil, fmt.Errorf("read how much room %q takes: %w", d.path, err)
		}
		bytes["free"] += free
	}
	var list []store.Usage
	for _, kind := range []string{"advisories", "exploit catalogs", "scans", "inventories", "parts of verdicts", "other", "free"} {
		list = append(list, store.Usage{Kind: kind, Bytes: bytes[kind]})
	}
	return list, nil
}
