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

// Import implements store.Advisories. It needs memory for one packed record at a time, and
// for a bit for each advisory of the store.
func (s *Store) Import(ctx context.Context, im store.Import, records iter.Seq2[store.Record, error]) (store.Imported, error) {
	var got store.Imported
	err := s.advisories.update(ctx, durable, func(tx transaction) error {
		x := &importer{tx: tx, im: im}
		if err := x.begin(); err != nil {
			return err
		}
		for r, err := range records {
			if err := ctx.Err(); err != nil {
				return err
			}
			if errors.Is(err, store.ErrRejected) {
				x.got.Rejected++
				continue
			}
			if err != nil {
				return err
			}
			if err := x.take(r); err != nil {
				return fmt.Errorf("advisory %q: %w", r.ID, err)
			}
		}
		if im.Whole && x.got.Rejected == 0 {
			if err := x.removeMissing(ctx); err != nil {
				return err
			}
		}
		if err := x.end(ctx); err != nil {
			return err
		}
		got = x.got
		return nil
	})
	if err != nil {
		return store.Imported{}, errors.Join(fmt.Errorf("import from %q: %w", im.Origin, err), s.Tidy(ctx))
	}
	return got, nil
}

// An importer is one running import.
type importer struct {
	tx     transaction
	im     store.Import
	list   bool  // a list is imported, not advisories
	source int64 // im.Origin.Source in the table of sources
	feed   int64 // im.Origin in the table of feeds
	number int64 // of the import
	start  int64 // the last sequence number before it
	head   head
	got    store.Imported
	seen   bits // advisories in the import
	// newestGone: the record that was modified last may have been replaced or removed.
	newestGone bool
	pack       encode.Packer
}

const (
	addSource = `INSERT INTO source (name) VALUES (?) ON CONFLICT DO NOTHING`
	addFeed   = `INSERT INTO feed (name, source, part) SELECT ?1, n, ?3 FROM source WHERE name = ?2 ON CONFLICT DO NOTHING`
	findFeed  = `SELECT n, source FROM feed WHERE name = ?`
	addImport = `INSERT INTO import (feed, at, whole, sample) VALUES (?, ?, ?, ?) RETURNING n`
)

// originOf sets the numbers of an origin, and adds the origin if it is new.
func originOf(tx transaction, o store.Origin) (feed, source int64, err error) {
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

func (x *importer) begin() (err error) {
	if x.feed, x.source, err = originOf(x.tx, x.im.Origin); err != nil {
		return err
	}
	err = x.head.read(x.tx.ctx, x.tx.stmts)
	if errors.Is(err, sql.ErrNoRows) {
		x.head = head{sample: true} // the first import
		if !x.list {
			x.head.updated = toMicro(x.im.At)
		}
	} else if err != nil {
		return err
	}
	x.start = x.head.seq
	return x.tx.row(addImport, []any{x.feed, toMicro(x.im.At), x.im.Whole, x.im.Sample}, &x.number)
}

const (
	maxModified = `SELECT coalesce(max(modified), 0) FROM advisory WHERE digest IS NOT NULL`
	closeImport = `UPDATE import SET added = ?, changed = ?, unchanged = ?, removed = ?, rejected = ? WHERE n = ?`
	closeFeed   = `
	UPDATE feed SET succeeded = max(coalesce(succeeded, ?2), ?2), failed = NULL, error = NULL,
		state = CASE ?3 WHEN '' THEN state ELSE ?3 END
	WHERE n = ?1`
	oldestFeed = `
	SELECT min(f.succeeded) FROM feed f
	WHERE f.state IS NOT NULL AND EXISTS (SELECT 1 FROM advisory a WHERE a.feed = f.n AND a.digest IS NOT NULL)`
)

// end writes the counters.
func (x *importer) end(ctx context.Context) error {
	if x.newestGone {
		if err := x.tx.stmts.row(ctx, maxModified, nil, &x.head.newest); err != nil {
			return err
		}
	}
	if _, err := x.tx.exec(closeFeed, x.feed, toMicro(x.im.At), x.im.State); err != nil {
		return err
	}
	if !x.list {
		var oldest sql.NullInt64
		if err := x.tx.stmts.row(ctx, oldestFeed, nil, &oldest); err != nil {
			return err
		}
		x.head.updated = max(x.head.updated, toMicro(x.im.At))
		if oldest.Valid {
			x.head.updated = oldest.Int64
		}
		x.head.sample = x.head.sample && x.im.Sample
	}
	if err := x.head.write(x.tx); err != nil {
		return err
	}
	x.got.Seq = x.head.seq
	g := x.got
	_, err := x.tx.exec(closeImport, g.Added, g.Changed, g.Unchanged, g.Removed, g.Rejected, x.number)
	return err
}

// A current is the row of an advisory.
type current struct {
	id           string
	n, feed, seq int64
	modified     int64
	digest       []byte // nil: removed
}

const findAdvisory = `SELECT n, feed, seq, modified, digest FROM advisory WHERE id = ? AND source = ?`

// take makes a record the newest version of its advisory, unless it is that already.
func (x *importer) take(r store.Record) error {
	if err := check(r); err != nil {
		return err
	}
	cur := current{id: r.ID}
	err := x.tx.row(findAdvisory, []any{r.ID, x.source}, &cur.n, &cur.feed, &cur.seq, &cur.modified, &cur.digest)
	found := err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	switch {
	case r.Removed && (!found || cur.digest == nil || x.im.Origin.Part != "" && cur.feed != x.feed):
		return nil
	case r.Removed:
		return x.remove(cur)
	case !found:
		return x.add(r)
	}
	again := x.seen.has(cur.n)
	x.seen.set(cur.n)
	if again {
		if toMicro(r.Modified) <= cur.modified {
			return nil
		}
		if cur, err = x.forget(cur); err != nil {
			return err
		}
	}
	return x.replace(cur, r)
}

func check(r store.Record) error {
	switch {
	case r.ID == "":
		return errors.New("a record has no id")
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

const addAdvisory = `INSERT INTO advisory (id, source, feed, seq, modified, digest) VALUES (?, ?, ?, ?, ?, ?) RETURNING n`

// add writes the first version of an advisory.
func (x *importer) add(r store.Record) error {
	digest := sha256.Sum256(r.Body)
	seq := x.head.next()
	var n int64
	err := x.tx.row(addAdvisory, []any{r.ID, x.source, x.feed, seq, toMicro(r.Modified), digest[:]}, &n)
	if err != nil {
		return err
	}
	x.seen.set(n)
	x.got.Added++
	x.head.appear(toMicro(r.Modified))
	return x.addVersion(seq, n, r, nil)
}

const (
	findFixes      = `SELECT fixes FROM version WHERE seq = ?`
	updateAdvisory = `UPDATE advisory SET feed = ?, seq = ?, modified = ?, digest = ? WHERE n = ?`
)

// replace writes a further version of an advisory, which may be removed.
func (x *importer) replace(cur current, r store.Record) error {
	digest := sha256.Sum256(r.Body)
	if bytes.Equal(cur.digest, digest[:]) {
		x.got.Unchanged++
		if cur.feed == x.feed {
			return nil
		}
		_, err := x.tx.exec(updateAdvisory, x.feed, cur.seq, cur.modified, cur.digest, cur.n)
		return err
	}
	earlier, err := x.fixesOf(cur.seq)
	if err != nil {
		return err
	}
	if cur.digest == nil {
		x.got.Added++
	} else {
		x.got.Changed++
		x.vanish(cur.modified)
	}
	x.head.appear(toMicro(r.Modified))
	seq := x.head.next()
	if _, err := x.tx.exec(updateAdvisory, x.feed, seq, toMicro(r.Modified), digest[:], cur.n); err != nil {
		return err
	}
	return x.addVersion(seq, cur.n, r, earlier)
}

// remove marks an advisory as removed.
func (x *importer) remove(cur current) error {
	earlier, err := x.fixesOf(cur.seq)
	if err != nil {
		return err
	}
	x.got.Removed++
	x.vanish(cur.modified)
	seq := x.head.next()
	if _, err := x.tx.exec(updateAdvisory, cur.feed, seq, cur.modified, nil, cur.n); err != nil {
		return err
	}
	return x.addVersion(seq, cur.n, store.Record{ID: cur.id, Removed: true, Modified: fromMicro(cur.modified)}, earlier)
}

// vanish subtracts a version that was current from the counters.
func (x *importer) vanish(modified int64) {
	x.head.records--
	x.newestGone = x.newestGone || modified == x.head.newest
}

func (x *importer) fixesOf(seq int64) ([]encode.Fix, error) {
	var b []byte
	err := x.tx.row(findFixes, []any{seq}, &b)
	if errors.Is(err, sql.ErrNoRows) { // see forget
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return encode.DecodeFixes(b)
}

const addVersion = `INSERT INTO version (seq, advisory, import, modified, fixes, body, sum) VALUES (?, ?, ?, ?, ?, ?, ?)`

func (x *importer) addVersion(seq, n int64, r store.Record, earlier []encode.Fix) error {
	var body []byte // NULL for a removed record
	if !r.Removed {
		b, err := x.pack.Pack(r.Body)
		if err != nil {
			return err
		}
		body = b
	}
	fixes := encode.Fixes(encode.MergeFixes(earlier, r.Fixes, x.im.At))
	sum := versionSum(seq, r.ID, x.im.Origin, toMicro(r.Modified), fixes, body)
	_, err := x.tx.exec(addVersion, seq, n, x.number, toMicro(r.Modified), fixes, body, sum)
	return err
}

const (
	dropVersion     = `DELETE FROM version WHERE seq = ?`
	previousVersion = `SELECT seq, modified, body FROM version WHERE advisory = ? ORDER BY seq DESC LIMIT 1`
)

// forget undoes what the import did with an advisory of which it now has a newer record.
// Otherwise each import of the same two records would make two versions.
func (x *importer) forget(cur current) (current, error) {
	if cur.seq <= x.start {
		x.got.Unchanged--
		return cur, nil
	}
	if _, err := x.tx.exec(dropVersion, cur.seq); err != nil {
		return cur, err
	}
	x.vanish(cur.modified)
	var packed []byte
	before := current{id: cur.id, n: cur.n, feed: cur.feed}
	err := x.tx.row(previousVersion, []any{cur.n}, &before.seq, &before.modified, &packed)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return cur, err
	}
	if packed == nil {
		x.got.Added--
	} else {
		x.got.Changed--
		x.head.appear(before.modified)
		var u encode.Unpacker
		body, err := u.Unpack(packed)
		if err != nil {
			return cur, err
		}
		digest := sha256.Sum256(body)
		before.digest = digest[:]
	}
	_, err = x.tx.exec(updateAdvisory, before.feed, before.seq, before.modified, before.digest, before.n)
	return before, err
}

const (
	listOfFeed   = `SELECT id, n, feed, seq, modified, digest FROM advisory WHERE feed = ? AND digest IS NOT NULL ORDER BY n`
	listOfSource = `SELECT id, n, feed, seq, modified, digest FROM advisory WHERE source = ? AND digest IS NOT NULL ORDER BY n`
)

// removeMissing marks the records of the origin that are not in the import as removed.
func (x *importer) removeMissing(ctx context.Context) error {
	query, number := listOfFeed, x.feed
	if x.im.Origin.Part == "" {
		query, number = listOfSource, x.source
	}
	var missing []current
	held := 0 // before the import
	err := x.tx.stmts.rows(ctx, query, []any{number}, func(rows *sql.Rows) (bool, error) {
		var cur current
		if err := rows.Scan(&cur.id, &cur.n, &cur.feed, &cur.seq, &cur.modified, &cur.digest); err != nil {
			return false, err
		}
		held++
		if !x.seen.has(cur.n) {
			missing = append(missing, cur)
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	if held -= x.got.Added; len(missing) > 0 && x.im.MayRemove != nil {
		if err := x.im.MayRemove(len(missing), held); err != nil {
			return err
		}
	}
	for _, cur := range missing {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := x.remove(cur); err != nil {
			return err
		}
	}
	return nil
}

// Bits is a set of row numbers with few gaps.
type bits []uint64

func (b bits) has(n int64) bool {
	i := n / 64
	return i < int64(len(b)) && b[i]&(1<<(n%64)) != 0
}

func (b *bits) set(n int64) {
	for i := n / 64; i >= int64(len(*b)); {
		*b = append(*b, 0)
	}
	(*b)[n/64] |= 1 << (n % 64)
}
