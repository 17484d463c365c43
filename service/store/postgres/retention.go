package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"assay/service/store"
)

const findSetting = `SELECT value FROM setting WHERE name = $1`

// setting returns the value of a setting, empty if it is not set.
func (s *Store) setting(ctx context.Context, name string) (value string, err error) {
	err = s.row(ctx, findSetting, []any{name}, &value)
	if errors.Is(err, pgx.ErrNoRows) {
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

const setSetting = `INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`

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
	_, err := s.exec(ctx, setSetting, "pruned", last.String())
	if err != nil {
		return fmt.Errorf("note when the store was pruned: %w", err)
	}
	return nil
}

const (
	// stepRows is how many rows one transaction removes.
	stepRows = 200
	// maxTries bounds how often a step is tried while scans are in its way.
	maxTries = 10
)

// A pruner is one call of Prune.
type pruner struct {
	*Store
	store.Prune
	done     store.Pruned
	answered store.Answered
}

// Prune implements store.Retention. This store keeps verdicts whole, so it has no pieces of
// them to remove. PostgreSQL's vacuum frees the space.
func (s *Store) Prune(ctx context.Context, p store.Prune) (store.Pruned, error) {
	if p.Keep <= 0 {
		return store.Pruned{}, fmt.Errorf("prune: invalid time %v to keep scans for", p.Keep)
	}
	x := &pruner{Store: s, Prune: p}
	steps := []func(context.Context) error{x.scans, x.readSeqs, x.snapshots, x.versions, x.lists, x.events}
	if p.DryRun {
		steps[0] = x.countScans
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return x.done, fmt.Errorf("prune: %w", err)
		}
	}
	return x.done, nil
}

// pruneLock is the advisory lock that a step of a pruner holds: two pruners that remove the
// same rows in different orders would deadlock.
const pruneLock = `SELECT pg_advisory_xact_lock(1634956129)`

// step runs one transaction, calls committed, and lets others write. f may be called
// several times: a scan that refers to a request may be committed after the statement
// that removes the request has begun. The next try sees the scan.
func (x *pruner) step(ctx context.Context, f func(transaction) error, committed func()) error {
	begin := time.Now()
	var err error
	for range maxTries {
		err = x.update(ctx, func(tx transaction) error {
			if _, err := tx.exec(pruneLock); err != nil {
				return err
			}
			return f(tx)
		})
		if sqlState(err) != foreignKeyViolation {
			break
		}
	}
	if err != nil {
		return err
	}
	committed()
	if x.Pause != nil {
		return x.Pause(ctx, time.Since(begin))
	}
	return ctx.Err()
}

// expired is true for a scan s to be removed: it is older than $1, and it is either older
// than $2, or neither the newest of its ref nor the newest that passed.
const expired = `(s.at < $1 AND (s.at < $2 OR EXISTS (
	SELECT 1 FROM scan w WHERE w.project = s.project AND w.ref = s.ref AND (w.at, w.n) > (s.at, s.n))
	AND (s.passed IS NOT TRUE OR EXISTS (
	SELECT 1 FROM scan w WHERE w.project = s.project AND w.ref = s.ref AND w.passed AND (w.at, w.n) > (s.at, s.n)))))`

const (
	findExpired = `SELECT s.n, s.at, s.request FROM scan s WHERE ` + expired + ` AND (s.at, s.n) > ($3, $4) ORDER BY s.at, s.n LIMIT $5`
	dropScans   = `DELETE FROM scan WHERE n = ANY($1)`
	// If a scan refers to one of them again meanwhile, writing it fails and is retried.
	dropRequests = `DELETE FROM request r WHERE r.hash = ANY($1) AND NOT EXISTS (SELECT 1 FROM scan s WHERE s.request = r.hash)`

	countExpired = `SELECT count(*) FROM scan s WHERE ` + expired
	countUnused  = `SELECT count(*) FROM request r WHERE NOT EXISTS (SELECT 1 FROM scan s WHERE s.request = r.hash AND NOT ` + expired + `)`
)

func (x *pruner) scans(ctx context.Context) error {
	var lastAt time.Time
	var lastN int64
	for more := true; more; {
		var numbers []int64
		var scans, inventories int64
		at, n := lastAt, lastN
		err := x.step(ctx, func(tx transaction) error {
			var requests [][]byte
			numbers = nil
			err := tx.rows(findExpired, []any{x.Before(), x.NewestBefore(), lastAt, lastN, stepRows}, func(rows pgx.Rows) error {
				var request []byte
				err := rows.Scan(&n, &at, &request)
				numbers, requests = append(numbers, n), append(requests, request)
				return err
			})
			if err != nil || len(numbers) == 0 {
				return err
			}
			if scans, err = tx.exec(dropScans, numbers); err == nil {
				inventories, err = tx.exec(dropRequests, requests)
			}
			return err
		}, func() {
			more, lastAt, lastN = len(numbers) == stepRows, at, n
			x.done.Scans += int(scans)
			x.done.Inventories += int(inventories)
		})
		if err != nil {
			return fmt.Errorf("scans: %w", err)
		}
	}
	return nil
}

func (x *pruner) countScans(ctx context.Context) error {
	for query, n := range map[string]*int{countExpired: &x.done.Scans, countUnused: &x.done.Inventories} {
		err := x.rows(ctx, slowTime, query, []any{x.Before(), x.NewestBefore()}, func(rows pgx.Rows) error { return rows.Scan(n) })
		if err != nil {
			return fmt.Errorf("count scans: %w", err)
		}
	}
	return nil
}

const (
	findSeqs = `WITH RECURSIVE next (seq) AS (
		(SELECT seq FROM scan ORDER BY seq LIMIT 1)
		UNION ALL SELECT (SELECT seq FROM scan WHERE seq > next.seq ORDER BY seq LIMIT 1) FROM next WHERE next.seq IS NOT NULL)
	SELECT seq FROM next WHERE seq IS NOT NULL`
	findKeptSeqs = `SELECT DISTINCT s.seq FROM scan s WHERE NOT ` + expired + ` ORDER BY s.seq`
)

// readSeqs reads which states of the data kept scans were answered with.
func (x *pruner) readSeqs(ctx context.Context) error {
	query, args := findSeqs, []any(nil)
	if x.DryRun {
		query, args = findKeptSeqs, []any{x.Before(), x.NewestBefore()}
	}
	err := x.rows(ctx, slowTime, query, args, func(rows pgx.Rows) error {
		var seq int64
		err := rows.Scan(&seq)
		x.answered = append(x.answered, seq)
		return err
	})
	if err != nil {
		return fmt.Errorf("read which data scans were answered with: %w", err)
	}
	return nil
}

const (
	lastVersion = `SELECT coalesce((SELECT v.seq FROM version v JOIN import i ON i.n = v.import WHERE i.at < $1 ORDER BY v.seq DESC LIMIT 1), 0)`
	lastList    = `SELECT coalesce((SELECT l.seq FROM list l JOIN import i ON i.n = l.import WHERE i.at < $1 ORDER BY l.seq DESC LIMIT 1), 0)`

	listSnapshots = `SELECT seq, seq + 1 FROM snapshot WHERE seq > $1 AND seq < $2 GROUP BY seq ORDER BY seq LIMIT $3`
	dropSnapshots = `DELETE FROM snapshot WHERE seq = ANY($1)`

	replacedVersions = `SELECT v.seq, w.seq FROM version v
	JOIN LATERAL (SELECT seq, import FROM version WHERE advisory = v.advisory AND seq > v.seq ORDER BY seq LIMIT 1) w ON true
	JOIN import i ON i.n = w.import WHERE v.seq > $1 AND i.at < $2 ORDER BY v.seq LIMIT $3`
	dropReplaced = `DELETE FROM version WHERE seq = ANY($1)`

	replacedLists = `SELECT l.seq, m.seq FROM list l
	JOIN LATERAL (SELECT seq, import FROM list WHERE kind = l.kind AND seq > l.seq ORDER BY seq LIMIT 1) m ON true
	JOIN import i ON i.n = m.import WHERE l.seq > $1 AND i.at < $2 ORDER BY l.seq LIMIT $3`
	dropLists = `DELETE FROM list WHERE seq = ANY($1)`
)

// snapshots removes the IDs of snapshots that no scan was answered with. Those of the last
// day stay: a scan that is being answered may use them and is not stored yet.
func (x *pruner) snapshots(ctx context.Context) error {
	var version, list int64 // the last ones that are old enough
	err := x.row(ctx, lastVersion, []any{x.ReplacedBefore()}, &version)
	if err == nil {
		err = x.row(ctx, lastList, []any{x.ReplacedBefore()}, &list)
	}
	if err == nil {
		x.done.Snapshots, err = x.sweep(ctx, listSnapshots, max(version, list), dropSnapshots)
	}
	if err != nil {
		return fmt.Errorf("snapshots: %w", err)
	}
	return nil
}

func (x *pruner) versions(ctx context.Context) (err error) {
	if x.done.Versions, err = x.sweep(ctx, replacedVersions, x.ReplacedBefore(), dropReplaced); err != nil {
		return fmt.Errorf("versions of advisories: %w", err)
	}
	return nil
}

func (x *pruner) lists(ctx context.Context) (err error) {
	if x.done.Lists, err = x.sweep(ctx, replacedLists, x.ReplacedBefore(), dropLists); err != nil {
		return fmt.Errorf("versions of lists: %w", err)
	}
	return nil
}

const (
	countEvents = `SELECT count(*) FROM event WHERE at < $1`
	dropEvents  = `DELETE FROM event WHERE n = ANY (ARRAY(SELECT n FROM event WHERE at < $1 ORDER BY at LIMIT $2))`
)

func (x *pruner) events(ctx context.Context) error {
	var n int64
	if x.DryRun {
		err := x.row(ctx, countEvents, []any{x.NewestBefore()}, &n)
		x.done.Events = int(n)
		return err
	}
	for more := true; more; {
		err := x.step(ctx, func(tx transaction) (err error) {
			n, err = tx.exec(dropEvents, x.NewestBefore(), stepRows)
			return err
		}, func() {
			x.done.Events += int(n)
			more = n == stepRows
		})
		if err != nil {
			return fmt.Errorf("events of the audit trail: %w", err)
		}
	}
	return nil
}

// sweep reads sequence numbers with query, each with the number of the version that
// replaced it. The arguments of query are the number after which to continue, bound, and a
// limit. sweep removes the versions that are not needed with drop, and returns how many
// rows it removed, or would remove.
func (x *pruner) sweep(ctx context.Context, query string, bound any, drop string) (dropped int, err error) {
	last := int64(0)
	for more := true; more; {
		var going []int64
		found := 0
		err := x.rows(ctx, slowTime, query, []any{last, bound, stepRows}, func(rows pgx.Rows) error {
			var next int64
			if err := rows.Scan(&last, &next); err != nil {
				return err
			}
			if found++; !x.answered.Within(last, next) {
				going = append(going, last)
			}
			return nil
		})
		if err != nil {
			return dropped, err
		}
		more = found == stepRows
		if len(going) == 0 {
			continue
		}
		if x.DryRun {
			dropped += len(going)
			continue
		}
		var n int64
		err = x.step(ctx, func(tx transaction) (err error) {
			n, err = tx.exec(drop, going)
			return err
		}, func() { dropped += int(n) })
		if err != nil {
			return dropped, err
		}
	}
	return dropped, nil
}

// Usage implements store.Retention. The size of a table includes its indexes.
func (s *Store) Usage(ctx context.Context) ([]store.Usage, error) {
	const query = `SELECT CASE relname
		WHEN 'version' THEN 'advisories' WHEN 'advisory' THEN 'advisories' WHEN 'list' THEN 'exploit catalogs'
		WHEN 'scan' THEN 'scans' WHEN 'request' THEN 'inventories' ELSE 'other' END AS kind,
		sum(pg_total_relation_size(oid))::bigint
	FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace GROUP BY kind ORDER BY kind`
	var list []store.Usage
	err := s.rows(ctx, slowTime, query, nil, func(rows pgx.Rows) error {
		var u store.Usage
		err := rows.Scan(&u.Kind, &u.Bytes)
		list = append(list, u)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read how much space the data takes: %w", err)
	}
	return list, nil
}
