package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"assay/service/store"
	"assay/service/store/encode"
)

// Import implements store.Advisories. The records are first sent to a temporary table.
// Then the database decides what to do with each of them, under the lock of head. So an
// import whose records arrive slowly does not delay another one.
func (s *Store) Import(ctx context.Context, im store.Import, records iter.Seq2[store.Record, error]) (store.Imported, error) {
	return s.importAs(ctx, nil, im, records)
}

// importAs imports under a lead, or without one if it is nil.
func (s *Store) importAs(ctx context.Context, lead *lead, im store.Import, records iter.Seq2[store.Record, error]) (store.Imported, error) {
	var got store.Imported
	err := s.transact(ctx, pgx.TxOptions{}, bulkTime, func(tx transaction) error {
		x := &importer{tx: tx, im: im}
		if err := im.Origin.Check(); err != nil {
			return err
		}
		if err := x.stage(records); err != nil {
			return err
		}
		if err := x.begin(); err != nil {
			return err
		}
		if err := x.plan(); err != nil {
			return err
		}
		if im.Whole && x.got.Rejected == 0 {
			if err := x.planMissing(); err != nil {
				return err
			}
		}
		if err := x.write(); err != nil {
			return err
		}
		if err := x.end(lead); err != nil {
			return err
		}
		got = x.got
		return nil
	})
	if err != nil {
		return store.Imported{}, fmt.Errorf("import from %q: %w", im.Origin, err)
	}
	return got, nil
}

// An importer is one import under way.
type importer struct {
	tx     transaction
	im     store.Import
	list   bool  // a list is imported, not advisories
	source int32 // im.Origin.Source in the table of sources
	feed   int32 // im.Origin in the table of feeds
	number int64 // of the import
	head   head
	got    store.Imported
}

const (
	// Records from a slow source arrive slowly. The transaction waits for them, and
	// holds no lock yet.
	waitForRecords = `SELECT set_config('statement_timeout', '10min', true), set_config('idle_in_transaction_session_timeout', '10min', true)`
	// A client that is gone must not hold the lock of head for long.
	waitNoMore = `SELECT set_config('idle_in_transaction_session_timeout', '1min', true), set_config('lock_timeout', '2min', true)`

	makeStaged = `CREATE TEMPORARY TABLE staged (
		ord      bigint PRIMARY KEY,
		id       text COLLATE "C" NOT NULL,
		modified timestamptz NOT NULL,
		removed  boolean NOT NULL,
		digest   bytea,
		fixes    bytea NOT NULL,
		body     bytea,
		body_sum bigint NOT NULL,
		sum      bigint NOT NULL
	) ON COMMIT DROP`
	keepBodies    = `ALTER TABLE staged ALTER COLUMN body SET STORAGE EXTERNAL`
	analyzeStaged = `ANALYZE staged (id, ord)`
)

var stagedColumns = []string{"ord", "id", "modified", "removed", "digest", "fixes", "body", "body_sum", "sum"}

// Bounds of one COPY.
const (
	copyRecords = 5000
	copyBytes   = 8 << 20
)

// stage sends the records to the table staged, and keeps at most one of each id.
func (x *importer) stage(records iter.Seq2[store.Record, error]) error {
	for _, query := range []string{waitForRecords, makeStaged, keepBodies} {
		if _, err := x.tx.exec(query); err != nil {
			return err
		}
	}
	var pack encode.Packer
	var rows [][]any
	size, ord := 0, int64(0)
	for r, err := range records {
		if err := x.tx.ctx.Err(); err != nil {
			return err
		}
		if errors.Is(err, store.ErrRejected) {
			x.got.Rejected++
			continue
		}
		if err != nil {
			return err
		}
		row, err := x.row(r, ord, &pack)
		if err != nil {
			return fmt.Errorf("advisory %q: %w", r.ID, err)
		}
		ord++
		rows, size = append(rows, row), size+len(r.Body)
		if len(rows) >= copyRecords || size >= copyBytes {
			if err := x.copy(rows); err != nil {
				return err
			}
			clear(rows)
			rows, size = rows[:0], 0
		}
	}
	if err := x.copy(rows); err != nil {
		return err
	}
	if _, err := x.tx.exec(analyzeStaged); err != nil {
		return err
	}
	return x.dropRepeated()
}

// row makes the row of a record in the table staged, with the fixes and the checksum of
// an advisory that names fixes for the first time.
func (x *importer) row(r store.Record, ord int64, pack *encode.Packer) ([]any, error) {
	if err := check(r); err != nil {
		return nil, err
	}
	var digest, body []byte
	if !r.Removed {
		sum := sha256.Sum256(r.Body)
		packed, err := pack.Pack(r.Body)
		if err != nil {
			return nil, err
		}
		digest, body = sum[:], append([]byte(nil), packed...)
	}
	fixes := encode.Fixes(encode.MergeFixes(nil, r.Fixes, x.im.At))
	sum := versionSum(r.ID, x.im.Origin, r.Modified, fixes, bodySum(body))
	return []any{ord, r.ID, r.Modified, r.Removed, digest, fixes, body, bodySum(body), sum}, nil
}

func check(r store.Record) error {
	switch {
	case r.ID == "":
		return errors.New("a record has no id")
	case !utf8.ValidString(r.ID) || strings.Contains(r.ID, "\x00"):
		return errors.New("the id of a record is not UTF-8, or contains a NUL")
	case r.Removed && len(r.Body) != 0:
		return errors.New("a removed record has a body")
	case !r.Removed && len(r.Body) == 0:
		return errors.New("a record has no body")
	}
	for _, f := range r.Fixes {
		if f.Ecosystem == "" || f.Package == "" || f.Version == "" {
			return fmt.Errorf("incomplete fix %q of package %q in %q", f.Version, f.Package, f.Ecosystem)
		}
	}
	return nil
}

func (x *importer) copy(rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(x.tx.ctx, x.tx.within)
	defer cancel()
	_, err := x.tx.tx.CopyFrom(ctx, pgx.Identifier{"staged"}, stagedColumns, pgx.CopyFromRows(rows))
	return failed(x.tx.ctx, err)
}

const (
	findRepeated = `SELECT EXISTS (SELECT 1 FROM staged GROUP BY id HAVING count(*) > 1)`
	// Of the records of an id that follow its last removal, the one modified last counts,
	// and of equals the first. Without such a record, the removal counts.
	dropRepeated = `
	DELETE FROM staged USING (
		SELECT ord, row_number() OVER (
			PARTITION BY id
			ORDER BY ord > coalesce(gone, -1) DESC, removed DESC, modified DESC, ord
		) AS rank
		FROM (
			SELECT ord, id, removed, modified, max(ord) FILTER (WHERE removed) OVER (PARTITION BY id) AS gone
			FROM staged
		) s
	) ranked
	WHERE staged.ord = ranked.ord AND ranked.rank > 1`
)

func (x *importer) dropRepeated() error {
	var repeated bool
	if err := x.tx.row(findRepeated, nil, &repeated); err != nil || !repeated {
		return err
	}
	_, err := x.tx.exec(dropRepeated)
	return err
}

const (
	addSource = `INSERT INTO source (name) VALUES ($1) ON CONFLICT DO NOTHING`
	addFeed   = `INSERT INTO feed (name, source, part) SELECT $1, n, $3 FROM source WHERE name = $2 ON CONFLICT DO NOTHING`
	findFeed  = `SELECT n, source FROM feed WHERE name = $1`
	addImport = `INSERT INTO import (feed, at, whole, sample) VALUES ($1, $2, $3, $4) RETURNING n`
)

// originOf returns the numbers of an origin, and adds the origin if it is new.
func originOf(tx transaction, o store.Origin) (feed, source int32, err error) {
	if err := o.Check(); err != nil {
		return 0, 0, err
	}
	if _, err := tx.exec(addSource, o.Source); err != nil {
		return 0, 0, err
	}
	if _, err := tx.exec(addFeed, o.String(), o.Source, o.Part); err != nil {
		return 0, 0, err
	}
	err = tx.row(findFeed, []any{o.String()}, &feed, &source)
	return feed, source, err
}

// begin waits until no other import is between its begin and its end.
func (x *importer) begin() (err error) {
	if _, err := x.tx.exec(waitNoMore); err != nil {
		return err
	}
	if err := x.tx.row(lockHead, nil, x.head.dest()...); err != nil {
		return fmt.Errorf("wait for other imports: %w", err)
	}
	if x.feed, x.source, err = originOf(x.tx, x.im.Origin); err != nil {
		return err
	}
	return x.tx.row(addImport, []any{x.feed, x.im.At, x.im.Whole, x.im.Sample}, &x.number)
}

const (
	// before and was are the current version and its time of modification. Both are null
	// for a new advisory, and was is null for a removed one. fixes and sum are null if
	// those of staged are used.
	makePlan = `CREATE TEMPORARY TABLE plan (
		ord      bigint PRIMARY KEY,
		n        bigint NOT NULL,
		id       text COLLATE "C" NOT NULL,
		feed     integer NOT NULL,
		before   bigint,
		was      timestamptz,
		modified timestamptz NOT NULL,
		digest   bytea,
		what     text NOT NULL,
		seq      bigint,
		fixes    bytea,
		sum      bigint
	) ON COMMIT DROP`
	planStaged = `
	INSERT INTO plan (ord, n, id, feed, before, was, modified, digest, what)
	SELECT s.ord, coalesce(a.n, nextval('advisory_n')), s.id,
		CASE WHEN s.removed THEN a.feed ELSE $2 END,
		a.seq, CASE WHEN a.digest IS NOT NULL THEN a.modified END,
		CASE WHEN s.removed THEN a.modified ELSE s.modified END, s.digest,
		CASE WHEN s.removed THEN 'removed' WHEN a.digest = s.digest THEN 'unchanged' WHEN a.digest IS NULL THEN 'added' ELSE 'changed' END
	FROM staged s LEFT JOIN advisory a ON a.source = $1 AND a.id = s.id
	WHERE NOT s.removed OR a.digest IS NOT NULL AND ($3 = '' OR a.feed = $2)`
	analyzePlan = `ANALYZE plan (ord, n)`
)

// plan decides what to do with each record.
func (x *importer) plan() error {
	if _, err := x.tx.exec(makePlan); err != nil {
		return err
	}
	if _, err := x.tx.exec(planStaged, x.source, x.feed, x.im.Origin.Part); err != nil {
		return err
	}
	_, err := x.tx.exec(analyzePlan)
	return err
}

const (
	feedsOfSource = `SELECT array_agg(n) FROM feed WHERE source = $1`
	countMissing  = `
	SELECT count(*), count(*) FILTER (WHERE p.n IS NULL)
	FROM advisory a LEFT JOIN plan p ON p.n = a.n WHERE a.feed = ANY ($1) AND a.digest IS NOT NULL`
	// They come after all records, in the order in which they were first imported.
	planMissing = `
	INSERT INTO plan (ord, n, id, feed, before, was, modified, what)
	SELECT (1::bigint << 62) + a.n, a.n, a.id, a.feed, a.seq, a.modified, a.modified, 'removed'
	FROM advisory a
	WHERE a.feed = ANY ($1) AND a.digest IS NOT NULL AND NOT EXISTS (SELECT 1 FROM plan p WHERE p.n = a.n)`
)

// planMissing marks as removed the records of the origin that this import lacks.
func (x *importer) planMissing() error {
	feeds := []int32{x.feed}
	if x.im.Origin.Part == "" {
		if err := x.tx.row(feedsOfSource, []any{x.source}, &feeds); err != nil {
			return err
		}
	}
	var held, missing int
	if err := x.tx.row(countMissing, []any{feeds}, &held, &missing); err != nil || missing == 0 {
		return err
	}
	if x.im.MayRemove != nil {
		if err := x.im.MayRemove(missing, held); err != nil {
			return err
		}
	}
	_, err := x.tx.exec(planMissing, feeds)
	return err
}

const (
	numberPlan = `
	UPDATE plan SET seq = $1 + numbered.k
	FROM (SELECT ord, row_number() OVER (ORDER BY ord) AS k FROM plan WHERE what <> 'unchanged') numbered
	WHERE plan.ord = numbered.ord`
	addAdvisories = `
	INSERT INTO advisory (n, id, source, feed, seq, modified, digest)
	SELECT n, id, $1, feed, seq, modified, digest FROM plan WHERE before IS NULL`
	updateAdvisories = `
	UPDATE advisory a SET feed = p.feed, seq = p.seq, modified = p.modified, digest = p.digest
	FROM plan p WHERE p.n = a.n AND p.before IS NOT NULL AND p.seq IS NOT NULL`
	updateFeeds = `
	UPDATE advisory a SET feed = p.feed
	FROM plan p WHERE p.n = a.n AND p.what = 'unchanged' AND p.feed <> a.feed`
	addVersions = `
	INSERT INTO version (seq, advisory, import, modified, fixes, body, sum)
	SELECT p.seq, p.n, $1, p.modified, coalesce(p.fixes, s.fixes), s.body, coalesce(p.sum, s.sum)
	FROM plan p LEFT JOIN staged s ON s.ord = p.ord
	WHERE p.seq IS NOT NULL ORDER BY p.seq`
	countPlan = `
	SELECT count(*) FILTER (WHERE what = 'added'), count(*) FILTER (WHERE what = 'changed'),
		count(*) FILTER (WHERE what = 'unchanged'), count(*) FILTER (WHERE what = 'removed'),
		count(seq), max(modified) FILTER (WHERE what IN ('added', 'changed')),
		coalesce(bool_or(was = $1) FILTER (WHERE what IN ('changed', 'removed')), false)
	FROM plan`
	maxModified = `SELECT max(modified) FROM advisory WHERE digest IS NOT NULL`
)

// write writes what was planned.
func (x *importer) write() error {
	if _, err := x.tx.exec(numberPlan, x.head.seq); err != nil {
		return err
	}
	if err := x.mergeFixes(); err != nil {
		return err
	}
	if _, err := x.tx.exec(addAdvisories, x.source); err != nil {
		return err
	}
	for _, query := range []string{updateAdvisories, updateFeeds} {
		if _, err := x.tx.exec(query); err != nil {
			return err
		}
	}
	if _, err := x.tx.exec(addVersions, x.number); err != nil {
		return err
	}
	var written int64
	var newest *time.Time
	var newestGone bool // what was modified last may have changed
	err := x.tx.row(countPlan, []any{x.head.newest}, &x.got.Added, &x.got.Changed, &x.got.Unchanged, &x.got.Removed,
		&written, &newest, &newestGone)
	if err != nil {
		return err
	}
	x.head.seq += written
	x.head.records += int64(x.got.Added - x.got.Removed)
	if newest != nil {
		x.head.newest = later(x.head.newest, *newest)
	}
	if newestGone {
		return x.tx.row(maxModified, nil, &x.head.newest)
	}
	return nil
}

const (
	// A removed version keeps the fixes and the time of modification of the one before
	// it, so its checksum is not in staged.
	findFixes = `
	SELECT p.ord, p.id, p.modified, s.fixes, coalesce(s.body_sum, -1), v.fixes
	FROM plan p JOIN version v ON v.seq = p.before LEFT JOIN staged s ON s.ord = p.ord
	WHERE p.ord > $1 AND p.seq IS NOT NULL AND (p.what = 'removed' OR octet_length(v.fixes) > 0)
	ORDER BY p.ord LIMIT 2000`
	writeFixes = `
	UPDATE plan SET fixes = merged.fixes, sum = merged.sum
	FROM unnest($1::bigint[], $2::bytea[], $3::bigint[]) AS merged (ord, fixes, sum)
	WHERE plan.ord = merged.ord`
)

// mergeFixes adds to the fixes of each version those that earlier versions have named.
func (x *importer) mergeFixes() error {
	for last := int64(-1); ; {
		var ords, sums []int64
		var merged [][]byte
		err := x.tx.rows(findFixes, []any{last}, func(rows pgx.Rows) error {
			var id string
			var modified time.Time
			var staged, before []byte
			var body int64
			if err := rows.Scan(&last, &id, &modified, &staged, &body, &before); err != nil {
				return err
			}
			fixes, err := mergeFixes(before, staged)
			if err != nil {
				return fmt.Errorf("advisory %q: %w: %w", id, store.ErrDamaged, err)
			}
			ords, merged = append(ords, last), append(merged, fixes)
			sums = append(sums, versionSum(id, x.im.Origin, modified, fixes, body))
			return nil
		})
		if err != nil || len(ords) == 0 {
			return err
		}
		if _, err := x.tx.exec(writeFixes, ords, merged, sums); err != nil {
			return err
		}
	}
}

// mergeFixes merges encoded fixes. The staged ones were first seen now, unless they are
// among those before.
func mergeFixes(before, staged []byte) ([]byte, error) {
	earlier, err := encode.DecodeFixes(before)
	if err != nil {
		return nil, err
	}
	now, err := encode.DecodeFixes(staged)
	if err != nil {
		return nil, err
	}
	var named []store.Fix
	var at time.Time
	for _, f := range now {
		at = f.FirstSeen // the time of the import, for all of them
		f.FirstSeen = time.Time{}
		named = append(named, f.Fix)
	}
	return encode.Fixes(encode.MergeFixes(earlier, named, at)), nil
}

const (
	closeImport = `UPDATE import SET added = $1, changed = $2, unchanged = $3, removed = $4, rejected = $5 WHERE n = $6`
	closeFeed   = `
	UPDATE feed SET succeeded = greatest(succeeded, $2), failed = NULL, error = NULL,
		state = coalesce(nullif($3, ''), state)
	WHERE n = $1`
	oldestFeed = `
	SELECT min(f.succeeded) FROM feed f
	WHERE f.state IS NOT NULL AND EXISTS (SELECT 1 FROM advisory a WHERE a.feed = f.n AND a.digest IS NOT NULL)`
	notifyChange = `SELECT pg_notify($1, '')`
)

// end writes the counters. The lock of head is held until the transaction ends.
func (x *importer) end(lead *lead) error {
	if _, err := x.tx.exec(closeFeed, x.feed, x.im.At, x.im.State); err != nil {
		return err
	}
	if !x.list {
		x.head.updated = later(x.head.updated, x.im.At)
		var oldest *time.Time
		if err := x.tx.row(oldestFeed, nil, &oldest); err != nil {
			return err
		}
		if oldest != nil {
			x.head.updated = oldest
		}
		x.head.sample = x.head.sample && x.im.Sample
	}
	h := x.head
	if _, err := x.tx.exec(writeHead, h.seq, h.records, h.updated, h.newest, h.sample); err != nil {
		return err
	}
	x.got.Seq = h.seq
	g := x.got
	if _, err := x.tx.exec(closeImport, g.Added, g.Changed, g.Unchanged, g.Removed, g.Rejected, x.number); err != nil {
		return err
	}
	if _, err := x.tx.exec(notifyChange, changeChannel); err != nil {
		return err
	}
	return lead.fence(x.tx)
}
